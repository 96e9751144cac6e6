"""Loss curves of the first training of each row, and how far they are from those of the reference. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from backends.contract import Array
from bench.analysis.trained import Trained, numbers, trained
from bench.errors import UserError
from bench.lessons.shown import rounded as rounded_number
from bench.records.runfile import Run
from bench.records.schema import Row

MOST_POINTS, MOST_DISTANCES = 400, 100  # of a curve of losses, and of one of distances
REFERENCE = "numpy"  # the backend whose losses stand in where a run has none of the float64 reference
FLOAT64, FLOAT32 = "the reference in float64", "NumPy's row"


def trained_in(run: Run) -> list[Trained]:
    """Return what the first training of each row of a run came to; nothing if no process has ended well."""
    try:
        return trained(run, run.header.rows)
    except UserError:
        return []


def curves_of(found: Sequence[Trained], places: Mapping[Row, int]) -> list[dict[str, Any]]:
    """Return the curves of every task and precision whose rows have losses; `places` number the rows.

    A point is the mean of so many steps that there are few points or, of the distance from the reference, the largest
    of them: a single step that is off must be seen.
    """
    groups: dict[tuple[str, str], list[Trained]] = {}
    for each in found:
        if len(each.losses) and each.row in places:
            groups.setdefault((each.row.task, each.row.precision), []).append(each)
    return [_of_group(rows, places) for rows in groups.values()]


def _of_group(rows: Sequence[Trained], places: Mapping[Row, int]) -> dict[str, Any]:
    steps = max(len(each.losses) for each in rows)
    size, apart = -(-steps // MOST_POINTS), -(-steps // MOST_DISTANCES)
    distances, reference, allowed = _distances(rows)
    return {
        "steps": steps,
        "steps_per_point": {"losses": size, "distances": apart},
        "reference": reference,
        "rows": [places[each.row] for each in rows],
        "losses": [rounded(in_parts(each.losses, size, np.nanmean), 5) for each in rows],
        "distances": [None if away is None else rounded(in_parts(away, apart, np.nanmax), 3) for away in distances],
        "allowed": rounded(in_parts(allowed, apart, np.nanmean), 3),
    }


def _distances(rows: Sequence[Trained]) -> tuple[list[Array | None], str, Array]:
    """Return the distance of each row, from what, and how far parity lets a loss be; empty where it is unknown.

    A run of an earlier version has no losses of the reference: there it is the distance from NumPy's own row.
    """
    lesson = rows[0].lesson
    if lesson is not None and lesson.losses:
        truth = numbers(lesson.losses)
        return [distance(each.losses, truth) for each in rows], FLOAT64, numbers(lesson.allowed)
    own = next((each for each in rows if each.row.backend == REFERENCE and each.row.device == "cpu"), None)
    if own is None:
        return [None] * len(rows), "", np.array([])
    return [None if each is own else distance(each.losses, own.losses) for each in rows], FLOAT32, np.array([])


def distance(losses: Array, reference: Array) -> Array:
    """Return how far losses are from those of the reference, for the steps [steps] that both have.

    NaN where one of them is not finite, and where both are equal, which has no place on a logarithmic axis.
    """
    steps = min(len(losses), len(reference))
    found = np.abs(losses[:steps] - reference[:steps])
    return np.where(np.isfinite(found) & (found > 0), found, np.nan)


def in_parts(values: Array, size: int, number: Callable[[Array], Any]) -> list[float]:
    """Return one number for each part of `size` values, by a function that leaves NaN out; NaN for a part of NaN."""
    parts = (values[start : start + size] for start in range(0, len(values), size))
    return [float(number(part)) if np.isfinite(part).any() else math.nan for part in parts]


def rounded(values: Sequence[float], digits: int) -> list[float | None]:
    """Return numbers with so many digits; None for what is not finite."""
    return [rounded_number(value, digits) for value in values]
