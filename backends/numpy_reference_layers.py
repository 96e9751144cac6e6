"""Layers of the reference: their formulas and gradients in plain NumPy. Pure functions; no array is changed in place.

Dense layers stand in `backends.numpy_reference_affine`, those for sequences in `backends.numpy_reference_sequences`. A
convolution is a dense layer for the patch of the image that its kernel sees at each place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from backends.contract import (
    Array,
    Attention,
    AveragePool2d,
    Conv2d,
    Dense,
    Embedding,
    EmbeddingSum,
    Flatten,
    Inputs,
    Layer,
    LayerNorm,
    MaxPool2d,
    MeanPool,
    Params,
    Residual,
    RMSNorm,
    Shape,
    WordCounts,
    inner,
    outer,
    reads_ids,
)
from backends.numpy_reference_affine import Arithmetic, Backward, Forward, Mask, Named, dense
from backends.numpy_reference_sequences import attention, embedding, layer_norm, mean_pool, rms_norm


class LocalCounts(NamedTuple):
    """Word counts of a batch, as a matrix of only the words that occur in it.

    A column of zeros adds nothing to x W, and the gradient of its row of W is zero.
    """

    present: Array  # numbers of the words that occur, ascending [present]
    counts: Array  # [batch, present]


Batch = Array | LocalCounts


def take(inputs: Inputs, rows: Array) -> Batch:
    """Return the rows `rows` [batch] of `inputs`."""
    if not isinstance(inputs, WordCounts):
        return inputs[rows]
    bags = inputs.bags(rows)
    present, columns = np.unique(bags.words, return_inverse=True)
    counts = np.zeros((len(rows), len(present)), bags.counts.dtype)
    counts[bags.documents, columns] = bags.counts
    return LocalCounts(present, counts)


def embedding_sum(layer: EmbeddingSum, params: Named, x: LocalCounts, arithmetic: Arithmetic, mask: Mask) -> Forward:
    """Return y = activation(x W + b) for word counts x, computed from the rows of W for the words that occur."""
    occurring = {"weights": params["weights"][x.present], "bias": params["bias"]}
    plain = dense(Dense(len(x.present), layer.outputs, layer.activation), occurring, x.counts, arithmetic, mask)

    def backward(gradient: Array) -> Backward:
        found = plain.backward(gradient)
        weights = np.zeros_like(params["weights"])
        weights[x.present] = found.params["weights"]
        return found._replace(params={**found.params, "weights": weights})

    return Forward(plain.outputs, backward)


def conv2d(layer: Conv2d, params: Named, x: Array, arithmetic: Arithmetic, mask: Mask) -> Forward:
    """Return the convolution of images x [batch, height, width, inputs]: a dense layer for the patch at each place."""
    framed = padded(x, layer.padding)
    seen = patches(framed, layer.kernel, layer.stride)
    size = layer.fan_in()
    at_each = {"weights": params["weights"].reshape(size, layer.outputs), "bias": params["bias"]}
    plain = dense(Dense(size, layer.outputs, layer.activation), at_each, seen.reshape(-1, size), arithmetic, mask)

    def backward(gradient: Array) -> Backward:
        found = plain.backward(gradient.reshape(-1, layer.outputs))

        def inputs() -> Array:
            top, _, left, _ = layer.padding
            back = spread(found.inputs().reshape(seen.shape), framed.shape, layer.stride)
            return back[:, top : top + x.shape[1], left : left + x.shape[2]]

        weights = found.params["weights"].reshape(params["weights"].shape)
        return Backward({**found.params, "weights": weights}, inputs)

    return Forward(plain.outputs.reshape(*seen.shape[:3], layer.outputs), backward)


def padded(images: Array, padding: tuple[int, int, int, int]) -> Array:
    """Return images [batch, height, width, channels] with zeros at the top, the bottom, the left and the right."""
    top, bottom, left, right = padding
    return np.pad(images, ((0, 0), (top, bottom), (left, right), (0, 0)))


def patches(images: Array, kernel: tuple[int, int], stride: int) -> Array:
    """Return what the kernel sees at each place: [batch, places down, places across, *kernel, channels]."""
    windows = np.lib.stride_tricks.sliding_window_view(images, kernel, axis=(1, 2))
    return np.moveaxis(windows[:, ::stride, ::stride], 3, -1)


def spread(gradient: Array, shape: Shape, stride: int) -> Array:
    """Return the gradient of images [*shape] from that of `patches`: each pixel adds up what its patches got."""
    found = np.zeros(shape, gradient.dtype)
    _, down, across, height, width, _ = gradient.shape
    of_kernel = np.ascontiguousarray(np.moveaxis(gradient, (3, 4), (0, 1)))  # only for speed: whole rows are added
    for row, column in np.ndindex(height, width):  # of the kernel
        rows = slice(row, row + stride * down, stride)
        columns = slice(column, column + stride * across, stride)
        found[:, rows, columns] += of_kernel[row, column]
    return found


def max_pool2d(layer: MaxPool2d, _params: Named, x: Array, _: Arithmetic, _mask: Mask) -> Forward:
    """Return the maximum of each window of images x; its gradient goes to the first of the largest values."""
    windows = in_windows(x, layer.window)
    largest = windows.max(axis=0)
    chosen = first_only(windows == largest)

    def backward(gradient: Array) -> Backward:
        return Backward({}, lambda: out_of_windows(chosen * gradient, layer.window))

    return Forward(largest, backward)


def first_only(flags: Array) -> Array:
    """Return flags [places, ...] of which only the first that is true stays true."""
    found, before = [], np.zeros(flags.shape[1:], bool)
    for here in flags:
        found.append(here & ~before)
        before = before | here
    return np.stack(found)


def average_pool2d(layer: AveragePool2d, _params: Named, x: Array, _: Arithmetic, _mask: Mask) -> Forward:
    """Return the mean of each window of images x."""
    windows = in_windows(x, layer.window)

    def backward(gradient: Array) -> Backward:
        shares = np.broadcast_to(gradient / len(windows), windows.shape)
        return Backward({}, lambda: out_of_windows(shares, layer.window))

    return Forward(windows.mean(axis=0), backward)


def in_windows(images: Array, window: int) -> Array:
    """Return the values of windows that do not overlap: [window values, batch, down, across, channels]."""
    return np.stack([images[:, row::window, column::window] for row, column in np.ndindex(window, window)])


def out_of_windows(values: Array, window: int) -> Array:
    """Return images [batch, height, width, channels] from the values of their windows: the inverse of `in_windows`."""
    _, batch, down, across, channels = values.shape
    images = np.empty((batch, down * window, across * window, channels), values.dtype)
    for value, (row, column) in zip(values, np.ndindex(window, window), strict=True):
        images[:, row::window, column::window] = value
    return images


def flatten(_layer: Flatten, _params: Named, x: Array, _: Arithmetic, _mask: Mask) -> Forward:
    """Return images x [batch, height, width, channels] as [batch, values]."""
    return Forward(x.reshape(len(x), -1), lambda gradient: Backward({}, lambda: gradient.reshape(x.shape)))


def residual(layer: Residual, params: Named, x: Array, arithmetic: Arithmetic, mask: Mask) -> Forward:
    """Return x + layers(x)."""
    passed = forward(layer.layers, inner(layer, params), x, arithmetic, mask)

    def backward(gradient: Array) -> Backward:
        found, of_inputs = way_back(passed, gradient)
        return Backward(outer(found), lambda: gradient + of_inputs())

    return Forward(x + passed[-1].outputs, backward)


LAYERS: dict[type, Callable[..., Forward]] = {
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


def mask_of(layers: tuple[Layer, ...], batch: Batch) -> Mask:
    """Return which positions of a batch hold a word, or None if its inputs are no ids of words."""
    return np.asarray(batch != 0) if reads_ids(layers) else None


def forward(
    layers: tuple[Layer, ...], params: Params, batch: Batch, arithmetic: Arithmetic, mask: Mask
) -> list[Forward]:
    """Return what each layer computes, from the first to the last."""
    found: list[Forward] = []
    flow = batch
    for layer, named in zip(layers, params, strict=True):
        found.append(LAYERS[type(layer)](layer, named, flow, arithmetic, mask))
        flow = found[-1].outputs
    return found


def way_back(passed: list[Forward], gradient: Array) -> tuple[Params, Callable[[], Array]]:
    """Return the gradients of the parameters of each layer from that of the outputs, and how to get the inputs'."""
    found: list[Named] = []
    back = passed[-1].backward(gradient)
    found.append(back.params)
    for each in reversed(passed[:-1]):
        back = each.backward(back.inputs())
        found.insert(0, back.params)
    return tuple(found), back.inputs
