"""Numbers about what a trainer computed: how far a repeated pass and the predictions are off. Pure."""

from __future__ import annotations

import math
import sys

import numpy as np

from backends.contract import Array, Inputs, Params, Problem, dtype_of, map_params
from backends.numpy_reference_layers import take
from bench.harness.explained import exact_forward

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
    for layer, other_layer in zip(one, other, strict=True):
        for name, part in layer.items():
            exact_a, exact_b = part.astype(np.float64), other_layer[name].astype(np.float64)
            with np.errstate(invalid="ignore", over="ignore"):
                same = (exact_a == exact_b) | (np.isnan(exact_a) & np.isnan(exact_b))
                total += float(np.sum(np.where(same, 0.0, exact_a - exact_b) ** 2))
    return math.sqrt(total)


def prediction_error(problem: Problem, params: Params, inputs: Inputs, outputs: Array) -> float:
    """Return how far `outputs` [rows, outputs] are from the float64 forward pass of the same parameters.

    The unit is what rounding explains for each output: a standard deviation (see `bench.harness.explained`).
    """
    unit = float(np.finfo(dtype_of(params)).eps)
    exact = map_params(lambda part: part.astype(np.float64), params)
    largest, size, ids = 0.0, min(problem.batch_size, CHECKED_ROWS), np.arange(len(inputs))
    for begin in range(0, len(ids), size):
        rows = ids[begin : begin + size]
        with np.errstate(over="ignore", invalid="ignore"):
            right = exact_forward(problem.layers, exact, take(inputs, rows), unit)
        largest = max(largest, _multiple(outputs[rows], right.numbers, right.explained))
    return largest


def _multiple(outputs: Array, right: Array, explained: Array) -> float:
    """Return the largest |outputs - right| / explained; the largest number where only one of them is finite."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        same = (outputs == right) | (np.isnan(outputs) & np.isnan(right))
        multiples = np.where(same, 0.0, np.abs(outputs - right) / explained)
    return float(np.max(np.nan_to_num(multiples, nan=sys.float_info.max), initial=0.0))
