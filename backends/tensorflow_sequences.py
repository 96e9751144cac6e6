"""Layers for sequences in TensorFlow, which has no fused attention outside of Keras: products, softmax, products."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from backends.contract import Attention, Embedding, LayerNorm, MeanPool, RMSNorm

Named = Mapping[str, tf.Variable]  # the variables of a layer, by name


class Batch(NamedTuple):
    """What layers may need to know of a batch beside the flow."""

    rows: int
    mask: Any  # which positions hold a word [rows, positions]; None if the inputs are no ids of words
    by_xla: bool  # whether XLA compiles the layers, for a CPU


def embedding(_layer: Embedding, variables: Named, ids: tf.Tensor, _batch: Batch) -> tf.Tensor:
    """Return word embeddings plus those of the positions."""
    return tf.gather(variables["words"], ids) + variables["positions"]


def layer_norm(layer: LayerNorm, variables: Named, x: tf.Tensor, _batch: Batch) -> tf.Tensor:
    """Return the values normalized over the last axis."""
    mean, variance = tf.nn.moments(x, axes=-1, keepdims=True)
    return tf.nn.batch_normalization(x, mean, variance, variables["shift"], variables["scale"], layer.epsilon)


def rms_norm(layer: RMSNorm, variables: Named, x: tf.Tensor, _batch: Batch) -> tf.Tensor:
    """Return the values normalized over the last axis by their root mean square; only Keras has a function for it."""
    square = tf.reduce_mean(tf.square(x), axis=-1, keepdims=True)
    return x * tf.math.rsqrt(square + layer.epsilon) * variables["scale"]


def attention(layer: Attention, variables: Named, x: tf.Tensor, batch: Batch) -> tf.Tensor:
    """Return multi-head self-attention. One product gives q, k and v."""
    positions, size = x.shape[1], layer.width // layer.heads
    names = ("query", "key", "value")
    weights = tf.concat([variables[name] for name in names], axis=1)
    biases = tf.concat([variables[f"{name}_bias"] for name in names], axis=0)
    products = tf.matmul(tf.reshape(x, (-1, layer.width)), weights) + biases
    apart = tf.reshape(products, (batch.rows, positions, 3, layer.heads, size))
    q, k, v = tf.unstack(tf.transpose(apart, (2, 0, 3, 1, 4)))  # each [rows, heads, positions, size]
    scores = tf.matmul(q, k, transpose_b=True) / math.sqrt(size)
    scores = tf.where(batch.mask[:, None, None, :], scores, -math.inf)
    heads = tf.transpose(tf.matmul(tf.nn.softmax(scores), v), (0, 2, 1, 3))
    product = tf.matmul(tf.reshape(heads, (-1, layer.width)), variables["output"]) + variables["output_bias"]
    return tf.reshape(product, (batch.rows, positions, layer.width))


def mean_pool(_layer: MeanPool, _variables: Named, x: tf.Tensor, batch: Batch) -> tf.Tensor:
    """Return the mean over the positions that hold a word."""
    counted = tf.cast(batch.mask, x.dtype)[:, :, None]
    return tf.reduce_sum(x * counted, axis=1) / tf.reduce_sum(counted, axis=1)
