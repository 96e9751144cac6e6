"""How far rounding alone carries a training: the spread of runs with random errors (`bench.parity.rounding`).

A ReLU that flips amplifies a rounding error, so that two right backends may part by 1e-7 of a loss or by a tenth of it,
depending on task, setting and step. No fixed tolerance tells that from a fault; this spread around the run in float64
does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from backends.contract import Array, Params
from bench.parity.traces import TrainingResult

# A ReLU that comes near its kink flips in some runs and not in others: once in six of sixteen, where all sixteen had
# flips as large by twice the step. What five runs show must reach so far; else a backend that flips alone is blamed.
WINDOW = 2.0  # times a step's number, and over that
WINDOW_STEPS = 5  # but at the least so many steps earlier and later


@dataclass(frozen=True)
class Envelope:
    """The run in float64, and the largest departure from it, of anything, among the runs around it.

    A departure is infinite where a run left the numbers and the one in float64 did not.
    """

    losses: Array  # float64 [steps]
    spread: Array  # of the losses [steps]
    params_spread: Array  # of weights and bias of each layer, relative, by the norm [layers, 2]
    metric: float
    metric_spread: float
    test_rows: int  # that the metric is taken over

    @property
    def reach(self) -> Array:
        """The spread [steps] with what comes up to a window earlier or later counted in."""
        steps = np.arange(len(self.spread))
        begins = np.maximum(0, np.minimum(steps - WINDOW_STEPS, steps / WINDOW)).astype(int)
        ends = np.maximum(steps + WINDOW_STEPS, steps * WINDOW).astype(int) + 1
        return np.array([self.spread[begin:end].max() for begin, end in zip(begins, ends, strict=True)])


def envelope_of(centre: TrainingResult, runs: Iterable[TrainingResult], test_rows: int) -> Envelope:
    """Return the envelope of runs around the one in float64."""
    runs = list(runs)
    return Envelope(
        losses=centre.losses,
        spread=np.max([departures(run.losses, centre.losses) for run in runs], axis=0),
        params_spread=np.max([relative_norms(run.params, centre.params) for run in runs], axis=0),
        metric=centre.metric,
        metric_spread=max(float(departures(run.metric, centre.metric)) for run in runs),
        test_rows=test_rows,
    )


def departures(candidate: npt.ArrayLike, centre: npt.ArrayLike) -> Array:
    """Return |candidate - centre|: 0 where both are the same infinity or no number, infinite where only one is."""
    candidate, centre = np.asarray(candidate, np.float64), np.asarray(centre, np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.abs(candidate - centre)
        same = (candidate == centre) | (np.isnan(candidate) & np.isnan(centre))
    return np.where(same, 0.0, np.where(np.isnan(off), np.inf, off))


def relative_norms(candidate: Params, centre: Params, floor: float = 0.0) -> Array:
    """Return the norm of the difference over the centre's [layers, 2], weights and bias; over `floor` if that is more.

    Where the centre is not finite: 0 if they are the same, infinite if not.
    """
    return np.array([
        [_relative(mine, right, floor) for mine, right in zip(*layers, strict=True)]
        for layers in zip(candidate, centre, strict=True)
    ])  # fmt: skip


def _relative(candidate: Array, centre: Array, floor: float) -> float:
    off = departures(candidate, centre)
    with np.errstate(over="ignore"):
        scale = max(float(np.linalg.norm(centre)), floor, np.finfo(float).tiny)
        if not np.isfinite(scale) or not np.isfinite(off).all():
            return np.inf if off.any() else 0.0
        return float(np.linalg.norm(off) / scale)


def save_envelope(path: Path, envelope: Envelope) -> None:
    """Write an envelope to a .npz file."""
    np.savez(path, allow_pickle=False, **{name: np.asarray(value) for name, value in vars(envelope).items()})


def load_envelope(path: Path) -> Envelope:
    """Read an envelope from a .npz file."""
    with np.load(path, allow_pickle=False) as arrays:
        return Envelope(
            losses=arrays["losses"],
            spread=arrays["spread"],
            params_spread=arrays["params_spread"],
            metric=float(arrays["metric"]),
            metric_spread=float(arrays["metric_spread"]),
            test_rows=int(arrays["test_rows"]),
        )
