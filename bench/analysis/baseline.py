"""Finds the row that other rows are compared with. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from backends.registry import BACKENDS
from bench.errors import BadChoice, quoted
from bench.records.schema import Row


def find_row(name: str, rows: Iterable[Row]) -> Row | None:
    """Return the row of a backend:mode or, for a backend alone, the row of its first mode; None if there is none."""
    backend, _, mode = name.partition(":")
    found = [row for row in rows if row.backend == backend and mode in ("", row.mode)]
    modes = BACKENDS[backend].modes if backend in BACKENDS else ()
    return min(found, key=lambda row: modes.index(row.mode) if row.mode in modes else len(modes), default=None)


def require_baseline(name: str, rows: Sequence[Row]) -> None:
    """Raise `BadChoice` if a baseline is named that is not among the rows."""
    if name and find_row(name, rows) is None:
        known = ", ".join(sorted({f"{row.backend}:{row.mode}" for row in rows}))
        raise BadChoice(f"no row of baseline {quoted(name)}; choose from {known}")
