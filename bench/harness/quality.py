"""Numbers about what a trainer computed: how far a repeated pass and the predictions are off. Pure."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from backends.contract import (
    Activation,
    Array,
    Dense,
    EmbeddingSum,
    Inputs,
    Params,
    Problem,
    dtype_of,
    map_params,
)
from backends.numpy_reference import ACTIVATIONS, take

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

    The unit is what rounding explains for each output: a standard deviation. A sum of n terms, added one by one, loses
    sqrt(n) / 3 units in the last place of the root mean square of such sums (Higham and Mary 2019, A new approach to
    probabilistic rounding error analysis). The errors of a layer's inputs are independent, so their squares add up. No
    activation of the contract has a slope above 1.
    """
    unit = float(np.finfo(dtype_of(params)).eps)
    exact = map_params(lambda part: part.astype(np.float64), params)
    largest, size, ids = 0.0, min(problem.batch_size, CHECKED_ROWS), np.arange(len(inputs))
    for begin in range(0, len(ids), size):
        rows = ids[begin : begin + size]
        right, explained = _forward(problem, exact, inputs, rows, unit)
        largest = max(largest, _multiple(outputs[rows], right, explained))
    return largest


def _forward(problem: Problem, params: Params, inputs: Inputs, rows: Array, unit: float) -> tuple[Array, Array]:
    """Return the outputs of some rows in float64, and what rounding explains of each [rows, outputs]."""
    batch = take(inputs, rows)
    flow = Flow(batch, np.zeros((len(rows), 1)))  # the data are exact
    with np.errstate(over="ignore", invalid="ignore"):
        for layer, named in zip(problem.layers, params, strict=True):
            flow = ERRORS[type(layer)](layer, named, flow, unit)
    return flow.numbers, flow.explained


class Flow(NamedTuple):
    """The inputs or outputs of a layer in float64, and what rounding explains of each, as a standard deviation."""

    numbers: Any  # [batch, ...], or the word counts of a batch
    explained: Array


def _dense(layer: Dense, params: Mapping[str, Array], flow: Flow, unit: float) -> Flow:
    return _affine(layer.activation, params["weights"], params["bias"], flow, unit)


def _embedding_sum(layer: EmbeddingSum, params: Mapping[str, Array], flow: Flow, unit: float) -> Flow:
    present, counts = flow.numbers
    return _affine(layer.activation, params["weights"][present], params["bias"], Flow(counts, flow.explained), unit)


def _affine(activation: Activation, weights: Array, bias: Array, flow: Flow, unit: float) -> Flow:
    x = flow.numbers.astype(np.float64)
    z, terms = x @ weights + bias, np.count_nonzero(x) / len(x) + 1
    summed = unit / 3 * np.sqrt(terms * np.mean(z**2))
    y = ACTIVATIONS[activation].function(z)
    passed_on = np.broadcast_to(flow.explained, x.shape) ** 2 @ weights**2
    return Flow(y, np.sqrt(passed_on + summed**2 + (unit * z) ** 2 + (unit * y) ** 2))


ERRORS: dict[type, Callable[..., Flow]] = {Dense: _dense, EmbeddingSum: _embedding_sum}


def _multiple(outputs: Array, right: Array, explained: Array) -> float:
    """Return the largest |outputs - right| / explained; the largest number where only one of them is finite."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        same = (outputs == right) | (np.isnan(outputs) & np.isnan(right))
        multiples = np.where(same, 0.0, np.abs(outputs - right) / explained)
    return float(np.max(np.nan_to_num(multiples, nan=sys.float_info.max), initial=0.0))
