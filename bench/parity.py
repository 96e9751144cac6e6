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
RMSE_FLOOR = 1e-5  # times the root of the largest loss, for errors that vanish but for float32
DIVERGED = 1e6  # of a loss
ROUNDING = 1e-14  # of the norm of all layers together: what a gradient that ought to be zero may come to


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
    off = _differences(candidate, reference)
    finite = np.where(np.isfinite(reference), np.abs(reference), 0)
    allowed = relative * finite + LOSS_FLOOR
    size = float(np.max(off / np.maximum(finite, LOSS_FLOOR / relative), initial=0))
    wrong = np.flatnonzero(~(off <= allowed))  # NaN is wrong too
    if wrong.size == 0:
        return Departure(size)
    step = wrong[0]
    fault = f"loss {candidate[step]:.9g} at step {step} where the reference has {reference[step]:.9g}"
    return Departure(size, f"{fault}; more than {relative:g} relative")


def compare_timed(quality: Quality, precision: Precision, reference: Reference) -> tuple[Departure, Departure]:
    """Compare the first losses and the metric of a timed run."""
    early = _early_losses(quality.losses, reference.losses, precision)
    if quality.value is None or not np.isfinite(reference.metric):
        # A training that diverges leaves float32 long before float64, where its numbers have been compared.
        diverged = not np.max(np.abs(reference.losses)) < DIVERGED
        return early, Departure(0.0 if diverged else np.inf, "" if diverged else f"{quality.metric} is not a number")
    off = quality.value - reference.metric
    rmse_allowed = RMSE_RELATIVE * reference.metric + RMSE_FLOOR * np.sqrt(np.max(reference.losses))
    allowed = rmse_allowed if quality.metric == "rmse" else ACCURACY_DEPARTURE
    fault = f"{quality.metric} {quality.value:.4g} where the reference has {reference.metric:.4g}"
    return early, Departure(off, "" if abs(off) <= allowed else fault)


def _relative(differences: Array, scale: float) -> float:
    """Return the norm of differences over a scale; where that is not finite, 1 or 0 for whether there are any."""
    if not np.isfinite(scale):
        return float(np.any(differences != 0))
    return float(np.linalg.norm(differences) / max(scale, np.finfo(float).tiny))


def _differences(candidate: Array, reference: Array) -> Array:
    """Return |candidate - reference|, 0 where both are the same infinity or both no number."""
    with np.errstate(invalid="ignore", over="ignore"):
        same = (candidate == reference) | (np.isnan(candidate) & np.isnan(reference))
        return np.where(same, 0.0, np.abs(candidate - reference))


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
    whole = np.sqrt(sum(np.sum(np.square(part)) for layer in reference for part in layer))
    for number, (mine, right) in enumerate(zip(candidate, reference, strict=True), start=1):
        for name, a, b in zip(right._fields, mine, right, strict=True):
            where = f"{what}: {name} of layer {number}"
            if a.shape != b.shape:
                return Departure(np.inf, f"{where} have shape {a.shape} instead of {b.shape}")
            size = _relative(_differences(a, b), max(np.linalg.norm(b), ROUNDING / allowed * whole))
            fault = "" if size <= allowed else f"{where} off by {size:.1e}, more than {allowed:g} relative"
            if not size <= worst.size:  # NaN is worst
                worst = Departure(size, fault)
    return worst
