"""Does a backend compute what the task defines? Pure comparisons with the reference, in four tiers.

    gradient     of the first batch, in float64; names the layer
    trajectory   every loss and the parameters at the end of the first epochs, in float64; names the first step
    envelope     every loss of the timed run, compared with what rounding explains
    metric       of the timed run, compared with what rounding explains

The first two allow only float64 rounding. If a training amplifies it beyond their bounds, the trajectory tier also
allows what rounding explains in float64 (see `bench.parity.envelope`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from backends.contract import Array, Params, Precision
from bench.parity.envelope import Envelope, departures, relative_norms
from bench.parity.traces import Trace
from bench.records.schema import Quality

Tier = Literal["gradient", "trajectory", "envelope", "metric"]
TIERS: tuple[Tier, ...] = ("gradient", "trajectory", "envelope", "metric")

GRADIENT_RELATIVE = 1e-10
TRAJECTORY_RELATIVE = 1e-9
LOSS_FLOOR = 1e-12  # absolute tolerance, added to the relative one for losses near zero
MULTIPLE = 8.0  # of the envelope; correct backends reach 1 or 2
TIMED_RELATIVE: dict[Precision, float] = {"float32": 1e-6, "float64": TRAJECTORY_RELATIVE}  # always allowed
METRIC_ROWS = 3  # test rows that may be so close to a decision boundary that rounding decides their class
METRIC_RELATIVE: dict[Precision, float] = {"float32": 1e-6, "float64": TRAJECTORY_RELATIVE}  # of an RMSE
REPEATED = 0.1  # of the distance that a pass moves the parameters; rounding changes a repeated pass far less
ROUNDING = 1e-14  # of the norm of all layers together: allowed for a gradient that should be zero


@dataclass(frozen=True)
class Departure:
    """The largest departure of one kind and, if it is too large, a sentence and the first wrong step."""

    size: float  # relative; for losses and metric of a timed run: as a multiple of what rounding explains
    fault: str = ""
    step: int | None = None  # the first step whose loss is off


def compare_gradients(candidate: Params, reference: Params) -> Departure:
    """Compare weights and biases of each layer by norm(difference) / norm(reference)."""
    return _compare_params(candidate, reference, GRADIENT_RELATIVE, None)


def compare_params(candidate: Params, reference: Params, envelope: Envelope | None = None) -> Departure:
    """Compare parameters after the last step in the same way; what the envelope explains is allowed."""
    departure = _compare_params(candidate, reference, TRAJECTORY_RELATIVE, envelope)
    return Departure(departure.size, departure.fault and f"after the last step {departure.fault}")


def compare_losses(candidate: Array, reference: Array, envelope: Envelope | None = None) -> Departure:
    """Compare losses [steps] in float64 one by one; what the envelope explains is allowed."""
    explained = np.zeros(len(reference)) if envelope is None else envelope.reach
    if candidate.shape != reference.shape:
        return _other_number(candidate, reference)
    off, finite = departures(candidate, reference), np.where(np.isfinite(reference), np.abs(reference), 0)
    allowed = np.maximum(TRAJECTORY_RELATIVE * finite + LOSS_FLOOR, MULTIPLE * explained)
    size = float(np.max(off / np.maximum(finite, LOSS_FLOOR / TRAJECTORY_RELATIVE)))
    return _first(candidate, reference, off, allowed, explained, size)


def compare_traces(
    candidate: Trace, reference: Trace, envelope: Callable[[], Envelope]
) -> tuple[Departure, Departure, Departure]:
    """Compare gradient, losses and parameters in float64; `envelope` is called only if losses or parameters are off."""
    gradient = compare_gradients(candidate.gradient, reference.gradient)
    losses = compare_losses(candidate.losses, reference.losses)
    params = compare_params(candidate.params, reference.params)
    if not gradient.fault and (losses.fault or params.fault):
        explained = envelope()
        losses = compare_losses(candidate.losses, reference.losses, explained)
        params = compare_params(candidate.params, reference.params, explained)
    return gradient, losses, params


def compare_timed_losses(candidate: Array, precision: Precision, envelope: Envelope) -> Departure:
    """Compare all losses [steps] of a timed run with what rounding explains in its precision."""
    if candidate.shape != envelope.losses.shape:
        return _other_number(candidate, envelope.losses)
    off, explained = departures(candidate, envelope.losses), envelope.reach
    finite = np.where(np.isfinite(envelope.losses), np.abs(envelope.losses), 0)
    allowed = np.maximum(TIMED_RELATIVE[precision] * finite + LOSS_FLOOR, MULTIPLE * explained)
    size = float(np.max(_shares(off, allowed))) * MULTIPLE
    return _first(candidate, envelope.losses, off, allowed, explained, size)


def compare_timed_metric(metric: str, value: float | None, precision: Precision, envelope: Envelope) -> Departure:
    """Compare the metric of a timed run with the reference's."""
    floor = METRIC_ROWS / envelope.test_rows
    if metric == "rmse":
        floor = METRIC_RELATIVE[precision] * abs(envelope.metric) if np.isfinite(envelope.metric) else 0.0
    got = np.nan if value is None else value
    off = float(departures(got, envelope.metric))
    allowed = max(floor, MULTIPLE * envelope.metric_spread)
    size = float(_shares(np.array(off), np.array(allowed))) * MULTIPLE
    if off <= allowed:
        return Departure(size)
    return Departure(
        size,
        f"{metric} {got:.6g} where the reference has {envelope.metric:.6g}; "
        f"{_allowance(envelope.metric_spread, allowed)}",
    )


def compare_repeated(quality: Quality, size: float) -> Departure:
    """Return a departure of size `size`, with a fault if the repeated first pass ended at other parameters."""
    if quality.repeated is None or quality.repeated <= REPEATED:
        return Departure(size)
    return Departure(
        size,
        f"the first pass, repeated later, ended at other parameters: off by {quality.repeated:.2g} of the distance "
        "that the first pass moved them; it did not train, or not from the same start",
    )


def timed_losses(quality: Quality) -> Array:
    """Return the losses of a timed run, float64 [steps]."""
    return np.array([np.nan if loss is None else loss for loss in quality.losses])


def first_fault(departures: Iterable[Departure]) -> str:
    """Return the sentence of the first departure with a fault, empty if none has one."""
    return next((departure.fault for departure in departures if departure.fault), "")


def largest_part(candidate: Params, reference: Params) -> str:
    """Return for a sentence which weights or bias differ most, and by how much; the first one if several are equal."""
    off = relative_norms(candidate, reference)
    layer, part = np.unravel_index(int(np.argmax(off)), off.shape)
    return f"{reference[layer]._fields[part]} of layer {layer + 1}, by {off[layer, part]:.1e}"


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


def _compare_params(candidate: Params, reference: Params, relative: float, envelope: Envelope | None) -> Departure:
    if len(candidate) != len(reference):
        return Departure(np.inf, f"there are {len(candidate)} layers instead of {len(reference)}")
    for number, (layer_params, right) in enumerate(zip(candidate, reference, strict=True), start=1):
        for name, a, b in zip(right._fields, layer_params, right, strict=True):
            if a.shape != b.shape:
                return Departure(np.inf, f"{name} of layer {number}: shape {a.shape} instead of {b.shape}")
    with np.errstate(over="ignore"):
        whole = np.sqrt(sum(np.sum(np.square(part)) for layer in reference for part in layer))
    sizes = relative_norms(candidate, reference, floor=ROUNDING / relative * whole)
    explained = np.zeros_like(sizes) if envelope is None else envelope.params_spread
    allowed = np.maximum(relative, MULTIPLE * explained)
    size = float(sizes.max())
    if (sizes <= allowed).all():
        return Departure(size)
    layer, part = np.unravel_index(int(np.argmax(_shares(sizes, allowed))), sizes.shape)
    name = f"{reference[layer]._fields[part]} of layer {layer + 1}"
    if np.isinf(sizes[layer, part]):
        return Departure(size, f"{name}: not finite where the reference is finite, or the other way round")
    allowance = _allowance(explained[layer, part], allowed[layer, part])
    return Departure(size, f"{name}: off by {sizes[layer, part]:.1e} relative; {allowance}")


def _allowance(explained: float, allowed: float) -> str:
    rounding = f"rounding explains {explained:.1e}, " if explained > 0 else ""
    return f"{rounding}{allowed:.1e} is allowed"
