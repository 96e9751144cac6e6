"""Whether a backend computes what the task defines: pure comparisons with the NumPy reference in float64.

Two tiers are exact but for rounding, in float64: the gradient of the first batch, and the trajectory of losses and
parameters. The third looks at the timed run itself: the losses of its first steps, before rounding is amplified, and
the metric at its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from backends.contract import Array, Params, Precision
from bench.records import Quality

GRADIENT_RELATIVE = 1e-10
TRAJECTORY_RELATIVE = 1e-9
LOSS_FLOOR = 1e-12  # added to what a loss may depart by, for losses that vanish

EARLY_STEPS = 10
EARLY_RELATIVE: dict[Precision, float] = {"float32": 1e-5, "float64": 1e-9}
ACCURACY_DEPARTURE = 0.005  # share of rows
RMSE_RELATIVE = 0.01


@dataclass(frozen=True)
class Trace:
    """What a backend computed in float64."""

    gradient: Params  # of the first batch
    losses: Array  # of each step, before its update
    params: Params  # after these steps


@dataclass(frozen=True)
class Reference:
    """What the NumPy backend computed in float64: the trace, and the task trained to its end."""

    trace: Trace
    losses: Array  # of all steps
    metric: float


@dataclass(frozen=True)
class Departure:
    """The largest relative departure of one kind, and a sentence where it is too large."""

    size: float
    fault: str = ""


def compare_gradients(candidate: Params, reference: Params) -> Departure:
    """Compare weights and biases of each layer, by the norm of their difference over the reference's."""
    return _compare_params(candidate, reference, "gradient of the first batch", GRADIENT_RELATIVE)


def compare_params(candidate: Params, reference: Params) -> Departure:
    """Compare parameters after the last step, likewise."""
    return _compare_params(candidate, reference, "parameters after the last step", TRAJECTORY_RELATIVE)


def compare_losses(candidate: Array, reference: Array, relative: float = TRAJECTORY_RELATIVE) -> Departure:
    """Compare losses [steps] one by one; the fault names the first step that departs."""
    if candidate.shape != reference.shape:
        return Departure(np.inf, f"{candidate.size} losses for {reference.size} steps")
    off = np.abs(candidate - reference)
    allowed = relative * np.abs(reference) + LOSS_FLOOR
    size = float(np.max(off / np.maximum(np.abs(reference), LOSS_FLOOR / relative)))
    wrong = np.flatnonzero(~(off <= allowed))  # NaN is wrong too
    if wrong.size == 0:
        return Departure(size)
    step = wrong[0]
    fault = f"loss {candidate[step]:.9g} at step {step} where the reference has {reference[step]:.9g}"
    return Departure(size, f"{fault}; more than {relative:g} relative")


def compare_timed(quality: Quality, precision: Precision, reference: Reference) -> tuple[Departure, Departure]:
    """Compare the first losses and the metric of a timed run."""
    early = _early_losses(quality.losses, reference.losses, precision)
    if quality.value is None:
        return early, Departure(np.inf, f"{quality.metric} is not a number")
    off = quality.value - reference.metric
    allowed = RMSE_RELATIVE * reference.metric if quality.metric == "rmse" else ACCURACY_DEPARTURE
    fault = f"{quality.metric} {quality.value:.4g} where the reference has {reference.metric:.4g}"
    return early, Departure(off, "" if abs(off) <= allowed else fault)


def first_fault(departures: Iterable[Departure]) -> str:
    """Return the first sentence of what is wrong, empty where nothing is."""
    return next((departure.fault for departure in departures if departure.fault), "")


def _early_losses(losses: Iterable[float | None], reference: Array, precision: Precision) -> Departure:
    timed = np.array([np.nan if loss is None else loss for loss in losses])
    if timed.shape != reference.shape:
        return Departure(np.inf, f"{timed.size} losses for {reference.size} steps")
    return compare_losses(timed[:EARLY_STEPS], reference[:EARLY_STEPS], EARLY_RELATIVE[precision])


def _compare_params(candidate: Params, reference: Params, what: str, allowed: float) -> Departure:
    if len(candidate) != len(reference):
        return Departure(np.inf, f"{what}: {len(candidate)} layers instead of {len(reference)}")
    worst = Departure(0.0)
    for number, (mine, right) in enumerate(zip(candidate, reference, strict=True), start=1):
        for name, a, b in zip(right._fields, mine, right, strict=True):
            where = f"{what}: {name} of layer {number}"
            if a.shape != b.shape:
                return Departure(np.inf, f"{where} have shape {a.shape} instead of {b.shape}")
            size = float(np.linalg.norm(a - b) / max(np.linalg.norm(b), np.finfo(float).tiny))
            fault = "" if size <= allowed else f"{where} off by {size:.1e}, more than {allowed:g} relative"
            if not size <= worst.size:  # NaN is worst
                worst = Departure(size, fault)
    return worst
