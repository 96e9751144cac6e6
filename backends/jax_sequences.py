"""Layers for sequences in JAX.

`jax.nn.dot_product_attention` is not used: it computes its softmax in float32 whatever the type of its inputs (JAX
0.10), so that it could not be checked in float64; and on a CPU it is the same operations as those written out here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from backends.contract import Attention, Embedding, LayerNorm, MeanPool, RMSNorm

Named = Mapping[str, jax.Array]  # the parameters of a layer, by name


class Batch(NamedTuple):
    """What layers may need to know of a batch beside the flow."""

    rows: int
    mask: Any  # which positions hold a word [rows, positions]; None if the inputs are no ids of words


def embedding(_layer: Embedding, params: Named, ids: jax.Array, _batch: Batch) -> jax.Array:
    """Return word embeddings plus those of the positions."""
    return params["words"][ids] + params["positions"]


def layer_norm(layer: LayerNorm, params: Named, x: jax.Array, _batch: Batch) -> jax.Array:
    """Return the values normalized over the last axis."""
    normal = jax.nn.standardize(x, axis=-1, epsilon=layer.epsilon)
    return normal * params["scale"] + params["shift"]


def rms_norm(layer: RMSNorm, params: Named, x: jax.Array, _batch: Batch) -> jax.Array:
    """Return the values normalized over the last axis by their root mean square."""
    square = jnp.mean(jnp.square(x), axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(square + layer.epsilon) * params["scale"]


def attention(layer: Attention, params: Named, x: jax.Array, batch: Batch) -> jax.Array:
    """Return multi-head self-attention. One product gives q, k and v."""
    names, size = ("query", "key", "value"), layer.width // layer.heads
    weights = jnp.concatenate([params[name] for name in names], axis=1)
    biases = jnp.concatenate([params[f"{name}_bias"] for name in names])
    apart = (x @ weights + biases).reshape(*x.shape[:2], 3, layer.heads, size)
    q, k, v = jnp.moveaxis(apart, (2, 3), (0, 2))  # each [rows, heads, positions, size]
    scores = q @ k.swapaxes(2, 3) / math.sqrt(size)
    scores = jnp.where(batch.mask[:, None, None, :], scores, -jnp.inf)
    heads = jax.nn.softmax(scores) @ v
    return heads.swapaxes(1, 2).reshape(x.shape) @ params["output"] + params["output_bias"]


def mean_pool(_layer: MeanPool, _params: Named, x: jax.Array, batch: Batch) -> jax.Array:
    """Return the mean over the positions that hold a word."""
    return jnp.mean(x, axis=1, where=batch.mask[:, :, None])
