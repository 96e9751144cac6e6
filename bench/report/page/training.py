"""Loss curves of the first training of each row, and how far they are from NumPy's. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from backends.contract import Array
from bench.records.runfile import Run
from bench.records.schema import Row

MOST_POINTS, MOST_DISTANCES = 400, 100  # of a curve of losses, and of one of distances
REFERENCE = "numpy"  # the backend whose losses the others are compared with


def curves_of(run: Run, places: Mapping[Row, int]) -> list[dict[str, Any]]:
    """Return the curves of every task and precision of a run whose rows have losses; `places` number the rows.

    A point is the mean of so many steps that there are few points or, of the distance from the reference, the largest
    of them: a single step that is off must be seen.
    """
    found: dict[tuple[str, str], dict[Row, Array]] = {}
    for row, losses in run.last_records.first_losses().items():
        if losses and row in places:
            found.setdefault((row.task, row.precision), {})[row] = np.array(losses, float)
    return [_of_group(rows, places) for rows in found.values()]


def _of_group(rows: Mapping[Row, Array], places: Mapping[Row, int]) -> dict[str, Any]:
    steps = max(map(len, rows.values()))
    size, apart = -(-steps // MOST_POINTS), -(-steps // MOST_DISTANCES)
    reference = next((row for row in rows if row.backend == REFERENCE and row.device == "cpu"), None)
    truth = None if reference is None else rows[reference]
    return {
        "steps": steps,
        "steps_per_point": {"losses": size, "distances": apart},
        "reference": None if reference is None else places[reference],
        "rows": [places[row] for row in rows],
        "losses": [_numbers(in_parts(losses, size, np.nanmean), 5) for losses in rows.values()],
        "distances": [
            None
            if truth is None or row == reference
            else _numbers(in_parts(distance(losses, truth), apart, np.nanmax), 3)
            for row, losses in rows.items()
        ],
    }


def distance(losses: Array, reference: Array) -> Array:
    """Return the relative distance of losses from those of the reference, for the steps [steps] that both have.

    NaN where one of them is not finite, and where both are equal, which has no place on a logarithmic axis.
    """
    steps = min(len(losses), len(reference))
    a, b = losses[:steps], reference[:steps]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.abs(a - b) / np.abs(b)
    return np.where(np.isfinite(found) & (found > 0), found, np.nan)


def in_parts(values: Array, size: int, number: Any) -> list[float]:
    """Return one number for each part of `size` values, by a function that leaves NaN out; NaN for a part of NaN."""
    parts = (values[start : start + size] for start in range(0, len(values), size))
    return [float(number(part)) if np.isfinite(part).any() else math.nan for part in parts]


def _numbers(values: Sequence[float], digits: int) -> list[float | None]:
    return [None if math.isnan(value) else float(f"{value:.{digits}g}") for value in values]
