"""What rounding explains of the outputs of a model: the forward pass in float64 with the errors of another precision.

A sum of n terms, added one by one, loses sqrt(n) / 3 units in the last place of the root mean square of such sums
(Higham and Mary 2019, A new approach to probabilistic rounding error analysis). The errors of a layer's inputs are
independent, so their squares add up. No activation of the contract has a slope above 1. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from backends.contract import (
    Activation,
    Array,
    AveragePool2d,
    Conv2d,
    Dense,
    EmbeddingSum,
    Flatten,
    Layer,
    MaxPool2d,
    Params,
)
from backends.numpy_reference_layers import ACTIVATIONS, Batch, LocalCounts, in_windows, padded, patches

Named = Mapping[str, Array]  # the parameters of a layer, by name


class Flow(NamedTuple):
    """The inputs or outputs of a layer in float64, and what rounding explains of each: a standard deviation."""

    numbers: Any  # [batch, ...], or the word counts of a batch
    explained: Array  # of the same shape, or one that can be broadcast to it


def exact_forward(layers: tuple[Layer, ...], params: Params, batch: Batch, unit: float) -> Flow:
    """Return the outputs of a batch for parameters in float64, and what rounding to `unit` explains of each."""
    flow = Flow(batch, np.zeros(1))  # the data are exact
    for layer, named in zip(layers, params, strict=True):
        flow = ERRORS[type(layer)](layer, named, flow, unit)
    return flow


def dense(layer: Dense, params: Named, flow: Flow, unit: float) -> Flow:
    """Return activation(x W + b), whose sum over the inputs and whose activation round."""
    x = flow.numbers.astype(np.float64)
    return affine(layer.activation, params, Flow(x, np.broadcast_to(flow.explained, x.shape)), unit)


def embedding_sum(layer: EmbeddingSum, params: Named, flow: Flow, unit: float) -> Flow:
    """Return activation(x W + b) for the words that occur."""
    words: LocalCounts = flow.numbers
    occurring = {**params, "weights": params["weights"][words.present]}
    return affine(
        layer.activation, occurring, Flow(words.counts.astype(np.float64), np.zeros(words.counts.shape)), unit
    )


def conv2d(layer: Conv2d, params: Named, flow: Flow, unit: float) -> Flow:
    """Return the convolution: a dense layer for the patch at each place."""
    x = flow.numbers.astype(np.float64)
    both = (x, np.broadcast_to(flow.explained, x.shape))
    seen, explained = (patches(padded(each, layer.padding), layer.kernel, layer.stride) for each in both)
    rows = Flow(seen.reshape(-1, layer.fan_in()), explained.reshape(-1, layer.fan_in()))
    matrix = {**params, "weights": params["weights"].reshape(layer.fan_in(), layer.outputs)}
    return Flow(*(each.reshape(*seen.shape[:3], -1) for each in affine(layer.activation, matrix, rows, unit)))


def affine(activation: Activation, params: Named, flow: Flow, unit: float) -> Flow:
    """Return activation(x W + b) for x [rows, inputs]."""
    weights, (x, explained) = params["weights"], flow
    z, terms = x @ weights + params["bias"], np.count_nonzero(x, axis=1)[:, None] + 1
    # The sums of a row of more terms than usual, such as a long text, are larger in the same ratio of their roots.
    longer = np.maximum(1.0, terms / np.mean(terms))
    summed = unit / 3 * np.sqrt(np.mean(terms) * np.mean(z**2)) * longer
    y = ACTIVATIONS[activation].function(z)
    return Flow(y, np.sqrt(explained**2 @ weights**2 + summed**2 + (unit * z) ** 2 + (unit * y) ** 2))


def max_pool2d(layer: MaxPool2d, _: Named, flow: Flow, __: float) -> Flow:
    """Return the maximum of each window, which may be off by as much as the value that is off most."""
    explained = np.broadcast_to(flow.explained, flow.numbers.shape)
    return Flow(*(in_windows(each, layer.window).max(axis=3) for each in (flow.numbers, explained)))


def average_pool2d(layer: AveragePool2d, _: Named, flow: Flow, unit: float) -> Flow:
    """Return the mean of each window, whose sum rounds."""
    explained = in_windows(np.broadcast_to(flow.explained, flow.numbers.shape), layer.window)
    count = explained.shape[3]
    mean = in_windows(flow.numbers, layer.window).mean(axis=3)
    summed = unit / 3 * np.sqrt(count * np.mean(mean**2))
    return Flow(mean, np.sqrt(np.sum(explained**2, axis=3) / count**2 + summed**2 + (unit * mean) ** 2))


def flatten(_: Flatten, __: Named, flow: Flow, ___: float) -> Flow:
    """Return the same numbers in one row."""
    explained = np.broadcast_to(flow.explained, flow.numbers.shape)
    return Flow(*(each.reshape(len(each), -1) for each in (flow.numbers, explained)))


ERRORS: dict[type, Callable[..., Flow]] = {
    Dense: dense,
    EmbeddingSum: embedding_sum,
    Conv2d: conv2d,
    MaxPool2d: max_pool2d,
    AveragePool2d: average_pool2d,
    Flatten: flatten,
}
