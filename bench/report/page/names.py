"""How the page draws rows: a colour for each backend, a marker and a dash for each mode. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from backends.registry import BACKENDS
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
BETWEEN = "@"  # a backend and one of its versions


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
