"""Does a backend compute what the task defines? Pure comparisons with the reference, tier by tier.

    gradient     of the first batch, in float64; names the layer
    trajectory   every loss and the parameters at the end of the first epochs, in float64; names the first step
    prediction   in float64, the outputs for the evaluation rows and their loss after the first epochs; in the timed
                 run, its outputs beside the forward pass of the parameters that the trainer hands out
    envelope     every loss of the timed run, and the end of its repeated pass, compared with what rounding explains
    metric       of the timed run, compared with what rounding explains
    repetition   losses, parameters and outputs of a later training from another start, compared in the same way

What is compared in float64 allows only its rounding. If a training amplifies it beyond these bounds, what rounding
explains in float64 is allowed too (see `bench.parity.envelope`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, get_args

import numpy as np

from backends.contract import Array, Params, Precision, parts
from bench.analysis.tolerance import MULTIPLE
from bench.parity.envelope import Envelope, departures, outputs_off, relative_norms
from bench.parity.traces import Evaluation, Trace
from bench.records.schema import Quality, Tier

TIERS: tuple[Tier, ...] = get_args(Tier)

GRADIENT_RELATIVE = 1e-10
TRAJECTORY_RELATIVE = 1e-9
LOSS_FLOOR = 1e-12  # absolute tolerance, added to the relative one for losses near zero
TIMED_RELATIVE: dict[Precision, float] = {"float32": 1e-6, "float64": TRAJECTORY_RELATIVE}  # always allowed
METRIC_ROWS = 3  # test rows that may be so close to a decision boundary that rounding decides their class
METRIC_RELATIVE: dict[Precision, float] = {"float32": 1e-6, "float64": TRAJECTORY_RELATIVE}  # of an RMSE
ROUNDING = 1e-14  # of the norm of all layers together: allowed for a gradient that should be zero


@dataclass(frozen=True)
class Departure:
    """The largest departure of one kind and, if it is too large, a sentence and the first wrong step."""

    size: float  # relative; for a timed run: as a multiple of what rounding explains
    fault: str = ""
    step: int | None = None  # the first step whose loss is off


# In float64


def compare_gradients(candidate: Params, reference: Params) -> Departure:
    """Compare those of each parameter by norm(difference) / norm(reference)."""
    sizes, fault = _params_off(candidate, reference, GRADIENT_RELATIVE, np.zeros(len(_names(reference))))
    return Departure(float(sizes.max()), fault)


def compare_params(candidate: Params, reference: Params, envelope: Envelope | None = None) -> Departure:
    """Compare parameters after the last step in the same way; what the envelope explains is allowed."""
    explained = np.zeros(len(_names(reference))) if envelope is None else envelope.params_spread
    sizes, fault = _params_off(candidate, reference, TRAJECTORY_RELATIVE, explained)
    return Departure(float(sizes.max()), fault and f"after the last step {fault}")


def compare_losses(candidate: Array, reference: Array, envelope: Envelope | None = None) -> Departure:
    """Compare losses [steps] in float64 one by one; what the envelope explains is allowed."""
    explained = np.zeros(len(reference)) if envelope is None else envelope.reach
    if candidate.shape != reference.shape:
        return _other_number(candidate, reference)
    off, finite = departures(candidate, reference), np.where(np.isfinite(reference), np.abs(reference), 0)
    allowed = np.maximum(TRAJECTORY_RELATIVE * finite + LOSS_FLOOR, MULTIPLE * explained)
    size = float(np.max(off / np.maximum(finite, LOSS_FLOOR / TRAJECTORY_RELATIVE)))
    return _first(candidate, reference, off, allowed, explained, size)


def compare_evaluations(candidate: Evaluation, reference: Evaluation, envelope: Envelope | None = None) -> Departure:
    """Compare outputs for the evaluation rows one by one, and their loss; what the envelope explains is allowed."""
    of_outputs, of_loss = (0.0, 0.0) if envelope is None else (envelope.outputs_spread, envelope.evaluation_loss_spread)
    size, fault = _outputs_off(candidate.outputs, reference.outputs, TRAJECTORY_RELATIVE, of_outputs)
    finite = abs(reference.loss) if np.isfinite(reference.loss) else 0.0
    off, allowed = departures(candidate.loss, reference.loss), TRAJECTORY_RELATIVE * finite + LOSS_FLOOR
    allowed = max(allowed, MULTIPLE * of_loss)
    if not fault and off > allowed:
        fault = (
            f"loss on the evaluation rows {candidate.loss:.9g} where the reference has {reference.loss:.9g}; "
            f"{_allowance(of_loss, allowed)}"
        )
    return Departure(size, fault)


class TraceDepartures(NamedTuple):
    """The departures of a trace, by kind."""

    gradient: Departure
    losses: Departure
    params: Departure
    evaluation: Departure


def compare_traces(candidate: Trace, reference: Trace, envelope: Callable[[], Envelope]) -> TraceDepartures:
    """Compare all of a trace; `envelope` is called only if something but the gradient is off."""

    def compare(explained: Envelope | None) -> TraceDepartures:
        return TraceDepartures(
            compare_gradients(candidate.gradient, reference.gradient),
            compare_losses(candidate.losses, reference.losses, explained),
            compare_params(candidate.params, reference.params, explained),
            compare_evaluations(candidate.evaluation, reference.evaluation, explained),
        )

    found = compare(None)
    return compare(envelope()) if first_fault(found) and not found.gradient.fault else found


# The timed run


def compare_timed_losses(candidate: Array, precision: Precision, envelope: Envelope) -> Departure:
    """Compare all losses [steps] of a timed run with what rounding explains in its precision."""
    if candidate.shape != envelope.losses.shape:
        return _other_number(candidate, envelope.losses)
    off, allowed = departures(candidate, envelope.losses), allowed_losses(precision, envelope)
    return _first(candidate, envelope.losses, off, allowed, envelope.reach, _multiple(off, allowed))


def allowed_losses(precision: Precision, envelope: Envelope) -> Array:
    """Return how far the losses of a timed run may be from those of the float64 run [steps]; infinite for any."""
    finite = np.where(np.isfinite(envelope.losses), np.abs(envelope.losses), 0)
    allowed: Array = np.maximum(TIMED_RELATIVE[precision] * finite + LOSS_FLOOR, MULTIPLE * envelope.reach)
    return allowed


def compare_timed_metric(metric: str, value: float | None, precision: Precision, envelope: Envelope) -> Departure:
    """Compare the metric of a timed run with the reference's."""
    floor = METRIC_ROWS / envelope.test_rows
    if metric == "rmse":
        floor = METRIC_RELATIVE[precision] * abs(envelope.metric) if np.isfinite(envelope.metric) else 0.0
    got = np.nan if value is None else value
    off = float(departures(got, envelope.metric))
    allowed = max(floor, MULTIPLE * envelope.metric_spread)
    if off <= allowed:
        return Departure(_multiple(off, allowed))
    return Departure(
        _multiple(off, allowed),
        f"{metric} {got:.6g} where the reference has {envelope.metric:.6g}; "
        f"{_allowance(envelope.metric_spread, allowed)}",
    )


def compare_repeated(quality: Quality, precision: Precision, envelope: Envelope) -> Departure:
    """Compare where the repeated first pass ended with where the first pass did, by what rounding explains of that."""
    off, allowed = quality.repeated or 0.0, max(TIMED_RELATIVE[precision], MULTIPLE * envelope.pass_spread)
    if off <= allowed:
        return Departure(_multiple(off, allowed))
    return Departure(
        _multiple(off, allowed),
        f"the first pass, repeated later, ended at other parameters: off by {off:.2g} of the distance that the first "
        f"pass moved them; {_allowance(envelope.pass_spread, allowed)}; it did not take the same steps, or not from "
        "the same parameters, or the reset kept some of the optimizer's state",
    )


def compare_predicted(quality: Quality) -> Departure:
    """Compare the outputs for the evaluation rows with the forward pass of the trainer's own parameters."""
    off = quality.predicted or 0.0
    if off <= MULTIPLE:
        return Departure(off)
    return Departure(
        off,
        f"the outputs for the evaluation rows are not those of the parameters: off by {off:.2g} times what rounding "
        f"explains, {MULTIPLE:g} is allowed; they were computed in a lower precision, or from other parameters",
    )


def compare_repetition(
    losses: Array, params: Params, outputs: Array, precision: Precision, envelope: Envelope
) -> Departure:
    """Compare losses [steps], final parameters and outputs of a later training with those of the same start."""
    relative = TIMED_RELATIVE[precision]
    of_losses = compare_timed_losses(losses.astype(np.float64), precision, envelope)
    sizes, params_fault = _params_off(params, envelope.params, relative, envelope.params_spread, of_float64=False)
    off, outputs_fault = _outputs_off(outputs, envelope.evaluation.outputs, relative, envelope.outputs_spread)
    multiples = (
        of_losses.size,
        _multiple(sizes, np.maximum(relative, MULTIPLE * envelope.params_spread)),
        _multiple(off, max(relative, MULTIPLE * envelope.outputs_spread)),
    )
    after = params_fault and f"after the last step {params_fault}"
    if of_losses.fault and after:
        of_losses = Departure(of_losses.size, f"{of_losses.fault}; {after}", of_losses.step)
    return Departure(max(multiples), of_losses.fault or after or outputs_fault, of_losses.step)


def timed_losses(quality: Quality) -> Array:
    """Return the losses of a timed run, float64 [steps]."""
    return np.array([np.nan if loss is None else loss for loss in quality.losses])


# Sentences


def first_fault(departures: Iterable[Departure]) -> str:
    """Return the sentence of the first departure with a fault, empty if none has one."""
    return next((departure.fault for departure in departures if departure.fault), "")


def largest_part(candidate: Params, reference: Params) -> str:
    """Return for a sentence which parameters differ most, and by how much.

    If several differ as much, the first of them; if none does, what that says of a wrong loss.
    """
    off = relative_norms(candidate, reference)
    if off.max() <= TRAJECTORY_RELATIVE:
        return "the parameters before this step are right: the loss itself is wrong, or that of other rows"
    worst = int(np.argmax(off))
    return f"largest difference at this step: {_names(reference)[worst]}, by {off[worst]:.1e}"


def _names(params: Params) -> list[str]:
    """Return what to call each part in a sentence, in the order of `relative_norms`."""
    return [f"{name} of layer {number}" for number, layer in enumerate(params, start=1) for name in layer]


def _first(candidate: Array, reference: Array, off: Array, allowed: Array, explained: Array, size: float) -> Departure:
    """Return the departure, with the first step that is off by more than allowed."""
    wrong = np.flatnonzero(~(off <= allowed))
    if wrong.size == 0:
        return Departure(size)
    step = int(wrong[0])
    with np.errstate(invalid="ignore"):
        off_by, explains, allows = np.array([off[step], explained[step], allowed[step]]) / max(
            abs(reference[step]), np.finfo(float).tiny
        )
    return Departure(
        size,
        f"first wrong at step {step} of {len(reference)}: loss {candidate[step]:.9g} where the reference has "
        f"{reference[step]:.9g}, off by {off_by:.1e} relative; {_allowance(explains, allows)}",
        step,
    )


def _other_number(candidate: Array, reference: Array) -> Departure:
    return Departure(np.inf, f"{candidate.size} losses for {reference.size} steps")


def _shares(off: Array, allowed: Array) -> Array:
    """Return off / allowed: 0 where nothing is off or anything is allowed, infinite where nothing is allowed."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(off == 0, 0.0, np.where(np.isinf(allowed), 0.0, off / allowed))


def _multiple(off: Array | float, allowed: Array | float) -> float:
    """Return the largest departure as a multiple of what rounding explains."""
    if np.shape(off) != np.shape(allowed):  # other shapes than the reference's
        return np.inf
    return float(np.max(_shares(np.asarray(off), np.asarray(allowed)))) * MULTIPLE


def _params_off(
    candidate: Params, reference: Params, relative: float, explained: Array, *, of_float64: bool = True
) -> tuple[Array, str]:
    """Return the relative differences [parts], or infinity for other shapes, and a sentence if one is too large."""
    if len(candidate) != len(reference):
        return np.array(np.inf), f"there are {len(candidate)} layers instead of {len(reference)}"
    for number, (layer, right) in enumerate(zip(candidate, reference, strict=True), start=1):
        if set(layer) != set(right):
            return np.array(np.inf), f"layer {number}: {', '.join(layer) or 'nothing'} instead of {', '.join(right)}"
        for name, part in right.items():
            if layer[name].shape != part.shape:
                return np.array(np.inf), f"{name} of layer {number}: shape {layer[name].shape} instead of {part.shape}"
    with np.errstate(over="ignore"):
        whole = np.sqrt(sum(np.sum(np.square(part)) for part in parts(reference)))
    floor = ROUNDING / relative * whole if of_float64 else 0.0
    sizes = relative_norms(candidate, reference, floor)
    allowed = np.maximum(relative, MULTIPLE * explained)
    if (sizes <= allowed).all():
        return sizes, ""
    worst = int(np.argmax(_shares(sizes, allowed)))
    name = _names(reference)[worst]
    if np.isinf(sizes[worst]):
        return sizes, f"{name}: not finite where the reference is finite, or the other way round"
    return sizes, f"{name}: off by {sizes[worst]:.1e} relative; {_allowance(explained[worst], allowed[worst])}"


def _outputs_off(candidate: Array, reference: Array, relative: float, explained: float) -> tuple[float, str]:
    """Return the largest difference of an output, or infinity for other shapes, and a sentence if it is too large."""
    if candidate.shape != reference.shape:
        return np.inf, f"outputs of shape {candidate.shape} instead of {reference.shape}"
    off, allowed = outputs_off(candidate, reference), max(relative, MULTIPLE * explained)
    told = f"outputs for the evaluation rows: off by {off:.1e} of their root mean square"
    return off, "" if off <= allowed else f"{told}; {_allowance(explained, allowed)}"


def _allowance(explained: float, allowed: float) -> str:
    rounding = f"rounding explains {explained:.1e}, " if explained > 0 else ""
    return f"{rounding}{allowed:.1e} is allowed"
