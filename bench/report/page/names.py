"""How the page names and draws rows: a colour for each backend, a marker and a dash for each mode. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

from backends.registry import BACKENDS
from bench.analysis.summary import RowSummary
from bench.records.schema import Row

# Places in the palette of styles/base.css, that of Okabe and Ito (2008); further backends get the last ones in turn.
COLOURS = {
    "numpy": 0,
    "torch": 1,
    "tensorflow": 2,
    "jax": 3,
    "keras-torch": 4,
    "keras-tensorflow": 5,
    "keras-jax": 6,
    "sklearn": 7,
}
SPARE = (8, 9)
MARKERS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")  # as Plotly calls them
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid")
BETWEEN = "@"  # a backend and one of its versions, in the rows of `bench ab`


def versioned(rows: Iterable[RowSummary]) -> dict[str, str]:
    """Return the shown name of each backend of which a run has two versions: torch@2.12 in the place of torch@old.

    Where both versions are called the same, as those of two checkouts, the names stay.
    """
    found: dict[str, dict[str, str]] = {}
    for each in rows:
        base, between, _ = each.row.backend.partition(BETWEEN)
        if between and each.first.resources is not None:
            found.setdefault(base, {})[each.row.backend] = each.first.resources.framework
    return {
        name: f"{base}{BETWEEN}{version}"
        for base, versions in found.items()
        for name, version in versions.items()
        if len(set(versions.values())) == len(versions)
    }


def label(row: Row, shown: Mapping[str, str]) -> str:
    """Return backend and mode, and the device unless it is the CPU; `shown` has the names of versions."""
    where = "" if row.device == "cpu" else f" {row.device}"
    return f"{shown.get(row.backend, row.backend)} {row.mode}{where}"


def styles(rows: Iterable[Row]) -> dict[tuple[str, str, str], dict[str, object]]:
    """Return how rows are drawn, by backend, mode and device: the same for all rows of the page with these names."""
    spare = itertools.cycle(SPARE)
    colours: dict[str, int] = {}
    modes: dict[str, dict[tuple[str, str], int]] = {}
    found: dict[tuple[str, str, str], dict[str, object]] = {}
    for row in rows:
        base, between, which = row.backend.partition(BETWEEN)
        if base not in colours:
            colours[base] = COLOURS[base] if base in COLOURS else next(spare)
        place = _place_of_mode(base, row.mode)
        beside = (row.device, which if between else "")
        shift = modes.setdefault(base, {}).setdefault(beside, len(modes[base]))
        look = (place + 3 * shift) % len(MARKERS)
        found[row.backend, row.mode, row.device] = {
            "colour": colours[base], "marker": MARKERS[look], "dash": DASHES[look]
        }  # fmt: skip
    return found


def _place_of_mode(backend: str, mode: str) -> int:
    known = BACKENDS[backend].modes if backend in BACKENDS else ()
    return known.index(mode) if mode in known else len(known)
