"""Layers, losses and optimizers in TensorFlow: functions of variables, differentiated by a `GradientTape`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from backends.contract import (
    SGD,
    Adam,
    Bags,
    Dense,
    EmbeddingSum,
    Inputs,
    Layer,
    Momentum,
    Optimizer,
    Supported,
    WordCounts,
)


def put(inputs: Inputs | Bags) -> Any:
    """Copy inputs to the device that `tf.device` names, word counts as flat arrays."""
    if isinstance(inputs, WordCounts):
        inputs = inputs.bags(np.arange(len(inputs)))
    return Bags(*map(tf.constant, inputs)) if isinstance(inputs, Bags) else tf.constant(inputs)


ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "identity": tf.identity,
    "sigmoid": tf.sigmoid,
    "tanh": tf.tanh,
    "relu": tf.nn.relu,
}


class LayerVariables(NamedTuple):
    """The variables of one layer."""

    weights: tf.Variable  # [outputs, inputs] of dense layers, see `backends.layout`; embeddings are [inputs, outputs]
    bias: tf.Variable  # [outputs]


def make_variables(layer: Layer, dtype: str) -> LayerVariables:
    """Return the variables of a layer, all zero."""
    dense, embeddings = (layer.outputs, layer.inputs), (layer.inputs, layer.outputs)
    shape = embeddings if isinstance(layer, EmbeddingSum) else dense
    return LayerVariables(tf.Variable(tf.zeros(shape, dtype)), tf.Variable(tf.zeros(layer.outputs, dtype)))


def forward(layers: tuple[Layer, ...], variables: tuple[LayerVariables, ...], flow: Any, rows: int) -> tf.Tensor:
    """Return the outputs [rows, outputs] for a batch of `rows` rows: a tensor [rows, inputs], or `Bags` of words."""
    for layer, (weights, bias) in zip(layers, variables, strict=True):
        if isinstance(layer, EmbeddingSum):
            embeddings = flow.counts[:, None] * tf.gather(weights, flow.words)
            product = tf.math.unsorted_segment_sum(embeddings, flow.documents, rows)
        else:
            product = tf.matmul(flow, weights, transpose_b=True)
        flow = ACTIVATIONS[layer.activation](product + bias)
    return flow


def _cross_entropy(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=outputs))


LOSSES: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "mse": lambda outputs, targets: tf.reduce_mean(tf.math.squared_difference(outputs, targets)),
    "half_mse": lambda outputs, targets: tf.reduce_mean(tf.math.squared_difference(outputs, targets)) / 2,
    "softmax_cross_entropy": _cross_entropy,
}


SUPPORTED = Supported(
    framework="TensorFlow",
    layers=(Dense, EmbeddingSum),
    activations=ACTIVATIONS,
    losses=LOSSES,
    optimizers=(SGD, Momentum, Adam),
)


@tf.autograph.experimental.do_not_convert  # AutoGraph does not know `match`, and nothing here needs converting
def update(
    optimizer: Optimizer,
    variables: list[tf.Variable],
    gradients: list[tf.Tensor],
    slots: list[list[tf.Variable]],
    taken: tf.Variable,
) -> None:
    """Take one step of the optimizer, in place; `taken` counts this step too."""
    for i, (p, g) in enumerate(zip(variables, gradients, strict=True)):
        g = tf.convert_to_tensor(g)  # the gradient of a gather is sparse: rows that are still to be added up
        match optimizer:
            case SGD(rate):
                p.assign_sub(rate * g)
            case Momentum(rate, momentum):
                v = slots[0][i]
                v.assign(momentum * v + g)
                p.assign_sub(rate * v)
            case Adam(rate, beta1, beta2, epsilon):
                m, v = slots[0][i], slots[1][i]
                m.assign(beta1 * m + (1 - beta1) * g)
                v.assign(beta2 * v + (1 - beta2) * g * g)
                # In float32, 1 - beta^t loses five digits if beta^t is near 1; expm1 loses none.
                rate = rate / -tf.math.expm1(taken * np.log(beta1))
                correction = -tf.math.expm1(taken * np.log(beta2))
                p.assign_sub(rate * m / (tf.sqrt(v / correction) + epsilon))
