"""What rounding explains of the outputs of a model: the forward pass in float64 with the errors of another precision.

A sum of n terms, added one by one, loses sqrt(n) / 3 units in the last place of the root mean square of such sums
(Higham and Mary 2019, A new approach to probabilistic rounding error analysis). The errors of a layer's inputs are
independent, so their squares add up. An activation multiplies them by its slope, of which the largest is taken. Pure.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backends.contract import (
    Attention,
    AveragePool2d,
    Conv2d,
    Dense,
    Embedding,
    EmbeddingSum,
    Flatten,
    Layer,
    LayerNorm,
    MaxPool2d,
    MeanPool,
    Params,
    Residual,
    RMSNorm,
    inner,
)
from backends.numpy_reference_affine import Mask
from backends.numpy_reference_layers import Batch, LocalCounts, in_windows, mask_of, padded, patches
from bench.harness.explained_affine import Flow, Named, affine, shaped
from bench.harness.explained_sequences import attention, embedding, layer_norm, mean_pool, rms_norm


def exact_forward(layers: tuple[Layer, ...], params: Params, batch: Batch, unit: float) -> Flow:
    """Return the outputs of a batch for parameters in float64, and what rounding to `unit` explains of each."""
    mask = mask_of(layers, batch)
    flow = Flow(batch, np.zeros(1))  # the data are exact
    for layer, named in zip(layers, params, strict=True):
        flow = ERRORS[type(layer)](layer, named, flow, unit, mask)
    return flow


def dense(layer: Dense, params: Named, flow: Flow, unit: float, _mask: Mask) -> Flow:
    """Return activation(x W + b), whose sum over the inputs and whose activation round."""
    x = flow.numbers.astype(np.float64)
    both = (each.reshape(-1, layer.inputs) for each in (x, np.broadcast_to(flow.explained, x.shape)))
    return shaped(affine(layer.activation, params, Flow(*both), unit), (*x.shape[:-1], layer.outputs))


def embedding_sum(layer: EmbeddingSum, params: Named, flow: Flow, unit: float, _mask: Mask) -> Flow:
    """Return activation(x W + b) for the words that occur."""
    words: LocalCounts = flow.numbers
    occurring = {**params, "weights": params["weights"][words.present]}
    return affine(
        layer.activation, occurring, Flow(words.counts.astype(np.float64), np.zeros(words.counts.shape)), unit
    )


def conv2d(layer: Conv2d, params: Named, flow: Flow, unit: float, _mask: Mask) -> Flow:
    """Return the convolution: a dense layer for the patch at each place."""
    x = flow.numbers.astype(np.float64)
    both = (x, np.broadcast_to(flow.explained, x.shape))
    seen, explained = (patches(padded(each, layer.padding), layer.kernel, layer.stride) for each in both)
    rows = Flow(seen.reshape(-1, layer.fan_in()), explained.reshape(-1, layer.fan_in()))
    matrix = {**params, "weights": params["weights"].reshape(layer.fan_in(), layer.outputs)}
    return shaped(affine(layer.activation, matrix, rows, unit), (*seen.shape[:3], layer.outputs))


def max_pool2d(layer: MaxPool2d, _: Named, flow: Flow, __: float, _mask: Mask) -> Flow:
    """Return the maximum of each window, which may be off by as much as the value that is off most."""
    explained = np.broadcast_to(flow.explained, flow.numbers.shape)
    return Flow(*(in_windows(each, layer.window).max(axis=0) for each in (flow.numbers, explained)))


def average_pool2d(layer: AveragePool2d, _: Named, flow: Flow, unit: float, _mask: Mask) -> Flow:
    """Return the mean of each window, whose sum rounds."""
    explained = in_windows(np.broadcast_to(flow.explained, flow.numbers.shape), layer.window)
    count = len(explained)
    mean = in_windows(flow.numbers, layer.window).mean(axis=0)
    summed = unit / 3 * np.sqrt(count * np.mean(mean**2))
    return Flow(mean, np.sqrt(np.sum(explained**2, axis=0) / count**2 + summed**2 + (unit * mean) ** 2))


def flatten(_: Flatten, __: Named, flow: Flow, ___: float, _mask: Mask) -> Flow:
    """Return the same numbers in one row."""
    explained = np.broadcast_to(flow.explained, flow.numbers.shape)
    return Flow(*(each.reshape(len(each), -1) for each in (flow.numbers, explained)))


def residual(layer: Residual, params: Named, flow: Flow, unit: float, mask: Mask) -> Flow:
    """Return x + layers(x). Errors of x come to the sum by both ways, so these are not independent and add up whole."""
    found = flow
    for each, named in zip(layer.layers, inner(layer, params), strict=True):
        found = ERRORS[type(each)](each, named, found, unit, mask)
    y = flow.numbers + found.numbers
    return Flow(y, np.hypot(flow.explained + found.explained, unit * y))


ERRORS: dict[type, Callable[..., Flow]] = {
    Dense: dense,
    EmbeddingSum: embedding_sum,
    Conv2d: conv2d,
    MaxPool2d: max_pool2d,
    AveragePool2d: average_pool2d,
    Flatten: flatten,
    Embedding: embedding,
    LayerNorm: layer_norm,
    RMSNorm: rms_norm,
    Attention: attention,
    MeanPool: mean_pool,
    Residual: residual,
}
