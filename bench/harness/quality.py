"""Numbers about what a trainer computed: how far a repeated pass and the predictions are off. Pure."""

from __future__ import annotations

import math
import sys

import numpy as np

from backends.contract import Array, Inputs, LayerParams, Params, Problem
from backends.numpy_reference import ACTIVATIONS, restricted, take

CHECKED_ROWS = 1024  # at a time, in float64: a check must not take more memory than the training


def repeated(start: Params, first: Params, last: Params) -> float | None:
    """Return how far the repeated pass ended from the first, relative to how far the first moved from the start.

    None if the first pass did not change the parameters; the largest number where one of them is not finite.
    """
    way, off = _distance(start, first), _distance(first, last)
    if way == 0:
        return None
    share = 0.0 if off == 0 else off / way
    return share if math.isfinite(share) else sys.float_info.max


def _distance(one: Params, other: Params) -> float:
    """Return the norm of the difference; parts that are equal, or not a number in both, differ by 0."""
    total = 0.0
    for layers in zip(one, other, strict=True):
        for a, b in zip(*layers, strict=True):
            exact_a, exact_b = a.astype(np.float64), b.astype(np.float64)
            with np.errstate(invalid="ignore", over="ignore"):
                same = (exact_a == exact_b) | (np.isnan(exact_a) & np.isnan(exact_b))
                total += float(np.sum(np.where(same, 0.0, exact_a - exact_b) ** 2))
    return math.sqrt(total)


def prediction_error(problem: Problem, params: Params, inputs: Inputs, outputs: Array) -> float:
    """Return how far `outputs` [rows, outputs] are from the float64 forward pass of the same parameters.

    The unit is what rounding explains for each output: a standard deviation. A sum of n terms, added one by one, loses
    sqrt(n) / 3 units in the last place of the root mean square of such sums (Higham and Mary 2019, A new approach to
    probabilistic rounding error analysis). The errors of a layer's inputs are independent, so their squares add up. No
    activation of the contract has a slope above 1.
    """
    unit = float(np.finfo(params[0].weights.dtype).eps)
    exact = tuple(LayerParams(*(part.astype(np.float64) for part in layer)) for layer in params)
    largest, size, ids = 0.0, min(problem.batch_size, CHECKED_ROWS), np.arange(len(inputs))
    for begin in range(0, len(ids), size):
        rows = ids[begin : begin + size]
        right, explained = _forward(problem, exact, inputs, rows, unit)
        largest = max(largest, _multiple(outputs[rows], right, explained))
    return largest


def _forward(problem: Problem, params: Params, inputs: Inputs, rows: Array, unit: float) -> tuple[Array, Array]:
    """Return the outputs of some rows in float64, and what rounding explains of each [rows, outputs]."""
    batch = take(inputs, rows)
    y = batch.inputs.astype(np.float64)
    explained = np.zeros_like(y)
    with np.errstate(over="ignore", invalid="ignore"):
        for layer, (weights, bias) in zip(problem.layers, restricted(params, batch), strict=True):
            z, terms = y @ weights + bias, np.count_nonzero(y) / len(y) + 1
            summed = unit / 3 * np.sqrt(terms * np.mean(z**2))
            y = ACTIVATIONS[layer.activation].function(z)
            explained = np.sqrt(explained**2 @ weights**2 + summed**2 + (unit * z) ** 2 + (unit * y) ** 2)
    return y, explained


def _multiple(outputs: Array, right: Array, explained: Array) -> float:
    """Return the largest |outputs - right| / explained; the largest number where only one of them is finite."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        same = (outputs == right) | (np.isnan(outputs) & np.isnan(right))
        multiples = np.where(same, 0.0, np.abs(outputs - right) / explained)
    return float(np.max(np.nan_to_num(multiples, nan=sys.float_info.max), initial=0.0))
