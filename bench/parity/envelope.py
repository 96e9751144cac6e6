"""The envelope: how far rounding alone can move a training, from runs with random errors (`bench.parity.rounding`).

A ReLU that flips amplifies a rounding error. Depending on task, setting and step, two correct backends may differ by
1e-7 of a loss or by a tenth of it. No fixed tolerance separates that from a fault; the spread around the float64 run
does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from backends.contract import Array, Params, parts
from bench.harness.quality import repeated
from bench.parity.arrays import evaluation_in, of_evaluation
from bench.parity.traces import Evaluation, TrainingResult
from bench.tasks.arrays import BadArrays, load_arrays, named, params_named, save_arrays

# A ReLU near its kink flips in some runs and not in others: in one case in six of sixteen runs, and all sixteen had
# flips as large by twice that step. So the spread of five runs counts for neighbouring steps too; otherwise a backend
# that flips earlier or later than all of them would fail.
WINDOW = 2.0  # a step's window goes from its number / WINDOW to its number * WINDOW
WINDOW_STEPS = 5  # but at least this many steps to both sides
NESTED = ("params", "evaluation")  # fields that hold several arrays


@dataclass(frozen=True)
class Envelope:
    """The float64 run, and for each of its numbers the largest departure among the runs with random errors.

    A departure is infinite where a run became infinite or NaN and the float64 run did not.
    """

    losses: Array  # float64 [steps]
    spread: Array  # of the losses [steps]
    params: Params  # after the last step
    params_spread: Array  # of each part of `params`, in its order: norm of the difference, relative [parts]
    pass_spread: float  # of the parameters after the first pass, relative to how far it moved them
    evaluation: Evaluation
    outputs_spread: float  # largest of any output for the evaluation rows, relative to their root mean square
    evaluation_loss_spread: float
    metric: float
    metric_spread: float

    @property
    def test_rows(self) -> int:
        """Rows that the metric is computed on."""
        return len(self.evaluation.outputs)

    @property
    def reach(self) -> Array:
        """The largest spread within the window of each step [steps]."""
        steps = np.arange(len(self.spread))
        begins = np.maximum(0, np.minimum(steps - WINDOW_STEPS, steps / WINDOW)).astype(int)
        ends = np.maximum(steps + WINDOW_STEPS, steps * WINDOW).astype(int) + 1
        return np.array([self.spread[begin:end].max() for begin, end in zip(begins, ends, strict=True)])


def envelope_of(centre: TrainingResult, runs: Iterable[TrainingResult]) -> Envelope:
    """Return the envelope of runs with random errors around the float64 run, `centre`."""
    runs, right = list(runs), centre.evaluation
    return Envelope(
        losses=centre.losses,
        spread=np.max([departures(run.losses, centre.losses) for run in runs], axis=0),
        params=centre.params,
        params_spread=np.max([relative_norms(run.params, centre.params) for run in runs], axis=0),
        pass_spread=max(repeated(centre.start, centre.first_pass, run.first_pass) or 0.0 for run in runs),
        evaluation=right,
        outputs_spread=max(outputs_off(run.evaluation.outputs, right.outputs) for run in runs),
        evaluation_loss_spread=max(float(departures(run.evaluation.loss, right.loss)) for run in runs),
        metric=centre.metric,
        metric_spread=max(float(departures(run.metric, centre.metric)) for run in runs),
    )


def outputs_off(candidate: Array, centre: Array) -> float:
    """Return the largest |candidate - centre| of any output [rows, outputs], relative to their root mean square."""
    off = float(np.max(departures(candidate, centre), initial=0.0))
    if off == 0:
        return 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        scale = float(np.sqrt(np.mean(np.square(centre))))
    return off / max(scale, np.finfo(float).tiny) if np.isfinite(scale) else np.inf


def departures(candidate: npt.ArrayLike, centre: npt.ArrayLike) -> Array:
    """Return |candidate - centre|: 0 where both are NaN or the same infinity, infinite where only one of them is."""
    candidate, centre = np.asarray(candidate, np.float64), np.asarray(centre, np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.abs(candidate - centre)
        same = (candidate == centre) | (np.isnan(candidate) & np.isnan(centre))
    return np.where(same, 0.0, np.where(np.isnan(off), np.inf, off))


def relative_norms(candidate: Params, centre: Params, floor: float = 0.0) -> Array:
    """Return norm(candidate - centre) / max(norm(centre), floor) of each part, in the order of `centre` [parts].

    Where a number is not finite: 0 if both are the same, infinite if not.
    """
    return np.array([
        _relative(layer[name], part, floor)
        for layer, right in zip(candidate, centre, strict=True)
        for name, part in right.items()
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
    others = {**named("params", envelope.params), **of_evaluation(envelope.evaluation)}
    numbers = {name: np.asarray(value) for name, value in vars(envelope).items() if name not in NESTED}
    save_arrays(path, numbers | others)


def load_envelope(path: Path) -> Envelope:
    """Read an envelope from a .npz file. Raises `BadArrays` for another file."""
    arrays = load_arrays(path)
    try:
        found = Envelope(
            losses=arrays["losses"],
            spread=arrays["spread"],
            params=params_named("params", arrays),
            params_spread=arrays["params_spread"],
            pass_spread=arrays["pass_spread"].item(),
            evaluation=evaluation_in(arrays),
            outputs_spread=arrays["outputs_spread"].item(),
            evaluation_loss_spread=arrays["evaluation_loss_spread"].item(),
            metric=arrays["metric"].item(),
            metric_spread=arrays["metric_spread"].item(),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise BadArrays(f"{path} is no envelope: {error}") from error
    if not _is_sound(found):
        raise BadArrays(f"{path} is no envelope: its arrays do not fit together")
    return found


def _is_sound(found: Envelope) -> bool:
    """Return whether the arrays of an envelope have the shapes and types of its definition."""
    numbers = (found.pass_spread, found.outputs_spread, found.evaluation_loss_spread, found.metric, found.metric_spread)
    arrays = (found.losses, found.spread, found.params_spread, found.evaluation.outputs, *parts(found.params))
    affine = [each for each in found.params if {"weights", "bias"} <= set(each)]
    widths = [each["bias"].shape == each["weights"].shape[-1:] for each in affine]
    return (
        all(type(number) is float for number in (*numbers, found.evaluation.loss))
        and all(array.dtype == np.float64 for array in arrays)
        and (found.losses.ndim, found.evaluation.outputs.ndim) == (1, 2)
        and found.spread.shape == found.losses.shape
        and found.params_spread.shape == (len(list(parts(found.params))),)
        and all(widths)
    )
