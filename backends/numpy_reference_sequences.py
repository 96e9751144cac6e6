"""Layers of the reference for sequences [batch, positions, width], in plain NumPy, one line an operation.

The mask [batch, positions] says which positions hold a word (see `backends.sequences`).
"""

from __future__ import annotations

import math

import numpy as np

from backends.contract import Array, Attention, Embedding, LayerNorm, MeanPool, RMSNorm
from backends.numpy_reference_affine import Arithmetic, Backward, Forward, Mask, Named


def embedding(_layer: Embedding, params: Named, ids: Array, _: Arithmetic, _mask: Mask) -> Forward:
    """Return the row of each word plus that of its position, for ids [batch, positions]."""

    def backward(gradient: Array) -> Backward:
        words = np.zeros_like(params["words"])
        np.add.at(words, ids, gradient)  # a word that occurs several times adds up what it gets at each place
        return Backward({"words": words, "positions": gradient.sum(axis=0)}, lambda: np.zeros(ids.shape))

    return Forward(params["words"][ids] + params["positions"], backward)


def layer_norm(layer: LayerNorm, params: Named, x: Array, _: Arithmetic, _mask: Mask) -> Forward:
    """Return (x - mean) / sqrt(variance + epsilon) * scale + shift."""
    off = x - x.mean(axis=-1, keepdims=True)
    variance = np.mean(off**2, axis=-1, keepdims=True)
    deviation = np.sqrt(variance + layer.epsilon)
    normal = off / deviation

    def backward(gradient: Array) -> Backward:
        before = tuple(range(x.ndim - 1))  # all axes but the last
        found = {"scale": np.sum(gradient * normal, axis=before), "shift": gradient.sum(axis=before)}
        of_normal = gradient * params["scale"]
        along = np.mean(of_normal * normal, axis=-1, keepdims=True)
        of_off = (of_normal - normal * along) / deviation
        return Backward(found, lambda: of_off - of_off.mean(axis=-1, keepdims=True))

    return Forward(normal * params["scale"] + params["shift"], backward)


def rms_norm(layer: RMSNorm, params: Named, x: Array, _: Arithmetic, _mask: Mask) -> Forward:
    """Return x / sqrt(mean of x^2 + epsilon) * scale."""
    root = np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + layer.epsilon)
    normal = x / root

    def backward(gradient: Array) -> Backward:
        found = {"scale": np.sum(gradient * normal, axis=tuple(range(x.ndim - 1)))}
        of_normal = gradient * params["scale"]
        along = np.mean(of_normal * normal, axis=-1, keepdims=True)
        return Backward(found, lambda: (of_normal - normal * along) / root)

    return Forward(normal * params["scale"], backward)


def attention(layer: Attention, params: Named, x: Array, arithmetic: Arithmetic, mask: Array) -> Forward:
    """Return the attention of x [batch, positions, width]; scores are [batch, heads, positions, positions]."""
    rows, root = x.reshape(-1, layer.width), math.sqrt(layer.width // layer.heads)
    batch = len(x)
    names = ("query", "key", "value")
    q, k, v = (apart(arithmetic.affine(rows, params[n], params[f"{n}_bias"]), layer.heads, batch) for n in names)
    scores = q @ k.swapaxes(2, 3) / root
    scores = np.where(mask[:, None, None, :], scores, -np.inf)
    shares = softmax(scores)
    heads = together(shares @ v)
    y = arithmetic.affine(heads, params["output"], params["output_bias"])

    def backward(gradient: Array) -> Backward:
        of_y = gradient.reshape(y.shape)
        of_heads = apart(of_y @ params["output"].T, layer.heads, batch)
        of_shares = of_heads @ v.swapaxes(2, 3)
        of_scores = shares * (of_shares - np.sum(shares * of_shares, axis=3, keepdims=True)) / root
        of_q, of_k = of_scores @ k, of_scores.swapaxes(2, 3) @ q
        of_v = shares.swapaxes(2, 3) @ of_heads
        of_products = [*(together(each) for each in (of_q, of_k, of_v)), of_y]
        found = {}
        for name, inputs, of_product in zip((*names, "output"), (rows, rows, rows, heads), of_products, strict=True):
            found[name], found[f"{name}_bias"] = arithmetic.affine_gradients(inputs, of_product)
        of_rows = (of_product @ params[name].T for name, of_product in zip(names, of_products, strict=False))
        return Backward(found, lambda: np.sum(list(of_rows), axis=0).reshape(x.shape))

    return Forward(y.reshape(x.shape), backward)


def softmax(scores: Array) -> Array:
    """Return exp(scores) / their sum over the last axis; the largest is subtracted, so that exp does not overflow."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: Array = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def apart(rows: Array, heads: int, batch: int) -> Array:
    """Return [batch, heads, positions, width / heads] for rows [batch * positions, width]."""
    return rows.reshape(batch, -1, heads, rows.shape[1] // heads).swapaxes(1, 2)


def together(heads: Array) -> Array:
    """Return [batch * positions, width] for [batch, heads, positions, width / heads]: the inverse of `apart`."""
    return heads.swapaxes(1, 2).reshape(-1, heads.shape[1] * heads.shape[3])


def mean_pool(_layer: MeanPool, _params: Named, x: Array, _: Arithmetic, mask: Array) -> Forward:
    """Return the mean of x [batch, positions, width] over the positions that hold a word."""
    shares = mask / mask.sum(axis=1, keepdims=True, dtype=x.dtype)  # [batch, positions]

    def backward(gradient: Array) -> Backward:
        return Backward({}, lambda: shares[:, :, None] * gradient[:, None, :])

    return Forward(np.sum(shares[:, :, None] * x, axis=1), backward)
