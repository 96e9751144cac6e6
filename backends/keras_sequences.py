"""Layers for sequences in Keras. As `backends.keras_backend`, which uses it, it is not to be imported on its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops

from backends.contract import Attention, Embedding, LayerNorm, MeanPool, RMSNorm


class Batch(NamedTuple):
    """What layers may need to know of a batch beside the flow."""

    rows: int
    mask: Any  # which positions hold a word [rows, positions]; None if the inputs are no ids of words


class EmbeddingLayer(keras.layers.Layer):
    """Word embeddings plus those of the positions."""

    def __init__(self, layer: Embedding) -> None:
        super().__init__()
        self.words = keras.layers.Embedding(layer.words, layer.width)
        self.positions = keras.layers.Embedding(layer.positions, layer.width)
        self.count = layer.positions

    def build(self, shape: Any) -> None:
        """Make the tables, in the order of `Embedding.shapes`."""
        self.words.build(shape)
        self.positions.build(shape)

    def call(self, ids: Any) -> Any:
        """Return [batch, positions, width]."""
        return self.words(ids) + self.positions(ops.arange(self.count, dtype="int32"))


def make_embedding(layer: Embedding, _batch: Batch) -> keras.layers.Layer:
    """Return an embedding; its weights are set later."""
    return EmbeddingLayer(layer)


def make_layer_norm(layer: LayerNorm, _batch: Batch) -> keras.layers.Layer:
    """Return a normalization; Keras's own epsilon is 1e-3."""
    return keras.layers.LayerNormalization(epsilon=layer.epsilon)


def make_rms_norm(layer: RMSNorm, _batch: Batch) -> keras.layers.Layer:
    """Return a normalization by the root mean square."""
    return keras.layers.RMSNormalization(epsilon=layer.epsilon)


def make_attention(layer: Attention, batch: Batch) -> Callable[[Any], Any]:
    """Return self-attention; its weights are set later.

    On TensorFlow and JAX, Keras's fused attention has its softmax in float32. Where scores are asked for, it has not.
    """
    attend = keras.layers.MultiHeadAttention(layer.heads, layer.width // layer.heads)
    if keras.config.floatx() == "float64":
        return lambda x: attend(x, x, attention_mask=batch.mask[:, None, :], return_attention_scores=True)[0]
    return lambda x: attend(x, x, attention_mask=batch.mask[:, None, :])


def make_mean_pool(_layer: MeanPool, batch: Batch) -> Callable[[Any], Any]:
    """Return a mean over the positions that hold a word."""
    pool = keras.layers.GlobalAveragePooling1D()
    return lambda x: pool(x, mask=batch.mask)
