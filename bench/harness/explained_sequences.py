"""What rounding explains of the layers for sequences [batch, positions, width]. Pure.

A function of several numbers passes on the errors of each by its derivative (see `bench.harness.explained`).
"""

from __future__ import annotations

import math

import numpy as np

from backends.contract import Array, Attention, Embedding, LayerNorm, MeanPool, RMSNorm
from backends.numpy_reference_affine import Mask
from backends.numpy_reference_sequences import apart, softmax, together
from bench.harness.explained_affine import Flow, Named, affine, shaped


def embedding(_layer: Embedding, params: Named, flow: Flow, unit: float, _mask: Mask) -> Flow:
    """Return the row of each word plus that of its position; one sum rounds."""
    y = params["words"][flow.numbers] + params["positions"]
    return Flow(y, unit * np.abs(y))


def layer_norm(layer: LayerNorm, params: Named, flow: Flow, unit: float, _mask: Mask) -> Flow:
    """Return the normalized values. Both sums over the last axis, whose errors all values share, round."""
    x, explained = flow
    mean = x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt(np.mean((x - mean) ** 2, axis=-1, keepdims=True) + layer.epsilon)
    normal = (x - mean) / deviation
    own = explained**2 + (unit * np.abs(x)) ** 2
    shared = np.mean(own, axis=-1, keepdims=True) / layer.width
    of_sums = unit**2 / 9 * layer.width * (np.mean(x**2, axis=-1, keepdims=True) / layer.width)
    of_normal = (own + (shared + of_sums) * (1 + normal**2)) / deviation**2 + (2 * unit * normal) ** 2
    y = normal * params["scale"] + params["shift"]
    return Flow(y, np.sqrt(of_normal * params["scale"] ** 2 + (unit * normal * params["scale"]) ** 2 + (unit * y) ** 2))


def rms_norm(layer: RMSNorm, params: Named, flow: Flow, unit: float, _mask: Mask) -> Flow:
    """Return the values divided by their root mean square, whose sum over the last axis, shared by all, rounds."""
    x, explained = flow
    root = np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + layer.epsilon)
    normal = x / root
    shared = np.mean((normal * explained) ** 2, axis=-1, keepdims=True) / layer.width
    of_sum = (unit / 6) ** 2 * layer.width  # the root halves what a sum of `width` terms loses
    of_normal = (explained**2 + normal**2 * shared) / root**2 + normal**2 * (of_sum + (2 * unit) ** 2)
    y = normal * params["scale"]
    return Flow(y, np.sqrt(of_normal * params["scale"] ** 2 + (unit * y) ** 2))


def attention(layer: Attention, params: Named, flow: Flow, unit: float, mask: Array) -> Flow:
    """Return what attention gives. Products, scores, their softmax and the sums of values by it round."""
    shape, root = flow.numbers.shape, math.sqrt(layer.width // layer.heads)
    rows = shaped(flow, (-1, layer.width))

    def projected(name: str, inputs: Flow) -> Flow:
        return affine("identity", {"weights": params[name], "bias": params[f"{name}_bias"]}, inputs, unit)

    q, k, v = (
        Flow(*(apart(each, layer.heads, len(flow.numbers)) for each in projected(name, rows)))
        for name in ("query", "key", "value")
    )
    scores = product(q, Flow(*(each.swapaxes(2, 3) for each in k)), unit)
    of_scores = (scores.explained / root) ** 2 + (unit * scores.numbers / root) ** 2
    shares = softmax(np.where(mask[:, None, None, :], scores.numbers / root, -np.inf))
    among = np.sum(shares**2 * of_scores, axis=3, keepdims=True)
    of_shares = shares * np.sqrt((1 - 2 * shares).clip(0) * of_scores + among + (2 * unit) ** 2)
    heads = product(Flow(shares, of_shares), v, unit)
    return shaped(projected("output", Flow(*map(together, heads))), shape)


def product(left: Flow, right: Flow, unit: float) -> Flow:
    """Return the product of matrices that are both off [..., rows, terms] and [..., terms, columns]."""
    y = left.numbers @ right.numbers
    passed_on = left.explained**2 @ right.numbers**2 + left.numbers**2 @ right.explained**2
    summed = unit / 3 * np.sqrt(left.numbers.shape[-1] * np.mean(y**2))
    return Flow(y, np.sqrt(passed_on + summed**2 + (unit * y) ** 2))


def mean_pool(_layer: MeanPool, _: Named, flow: Flow, unit: float, mask: Array) -> Flow:
    """Return the mean over the positions that hold a word, whose sum rounds."""
    shares = mask[:, :, None] / mask.sum(axis=1)[:, None, None]
    mean = np.sum(shares * flow.numbers, axis=1)
    summed = unit / 3 * np.sqrt(mask.shape[1] * np.mean(mean**2))
    return Flow(mean, np.sqrt(np.sum((shares * flow.explained) ** 2, axis=1) + summed**2 + (unit * mean) ** 2))
