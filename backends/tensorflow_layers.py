"""Layers, losses and optimizers in TensorFlow: functions of variables, differentiated by a `GradientTape`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from backends.contract import (
    SGD,
    Adam,
    Attention,
    AveragePool2d,
    Bags,
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
    Momentum,
    Optimizer,
    Residual,
    RMSNorm,
    Supported,
    WordCounts,
    inner,
    reads_ids,
)
from backends.layout import transposed
from backends.tensorflow_sequences import Batch, Named, attention, embedding, layer_norm, mean_pool, rms_norm


def put(inputs: Inputs | Bags) -> Any:
    """Copy inputs to the device that `tf.device` names, word counts as flat arrays."""
    if isinstance(inputs, WordCounts):
        inputs = inputs.bags(np.arange(len(inputs)))
    return Bags(*map(tf.constant, inputs)) if isinstance(inputs, Bags) else tf.constant(inputs)


def gelu(z: tf.Tensor) -> tf.Tensor:
    """Return z (1 + erf(z / sqrt(2))) / 2. `tf.nn.gelu` has sqrt(2) in float32 only, which is 1e-8 off in float64."""
    return 0.5 * z * (1 + tf.math.erf(z * np.sqrt(0.5)))


ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "identity": tf.identity,
    "sigmoid": tf.sigmoid,
    "tanh": tf.tanh,
    "relu": tf.nn.relu,
    "gelu": gelu,
}


def make_variables(layers: tuple[Layer, ...], dtype: str) -> tuple[dict[str, tf.Variable], ...]:
    """Return the variables of each layer by name, all zero, in the layout of `backends.layout`."""
    zeros = tuple({name: np.zeros(shape, dtype) for name, shape in layer.shapes().items()} for layer in layers)
    return tuple({name: tf.Variable(zero) for name, zero in named.items()} for named in transposed(layers, zeros))


def dense(layer: Dense, variables: Named, x: tf.Tensor, batch: Batch) -> tf.Tensor:
    """Return activation(x W + b); W is kept as [outputs, inputs]."""
    if x.shape.rank == 3:  # each position is a row; a product of 3 axes would give a gradient of W for each document
        rows = tf.reshape(x, (-1, layer.inputs))
        return tf.reshape(dense(layer, variables, rows, batch), (batch.rows, x.shape[1], layer.outputs))
    product = tf.matmul(x, variables["weights"], transpose_b=True)
    return ACTIVATIONS[layer.activation](product + variables["bias"])


def embedding_sum(layer: EmbeddingSum, variables: Named, x: Bags, batch: Batch) -> tf.Tensor:
    """Return activation(x W + b) for word counts of the documents of a batch."""
    embeddings = x.counts[:, None] * tf.gather(variables["weights"], x.words)
    sums = tf.math.unsorted_segment_sum(embeddings, x.documents, batch.rows)
    return ACTIVATIONS[layer.activation](sums + variables["bias"])


def conv2d(layer: Conv2d, variables: Named, x: tf.Tensor, batch: Batch) -> tf.Tensor:
    """Return the convolution of images [rows, height, width, channels]; TensorFlow's layouts are the contract's."""
    top, bottom, left, right = layer.padding
    padding = [[0, 0], [top, bottom], [left, right], [0, 0]]
    if batch.by_xla:
        product = as_product(layer, variables["weights"], tf.pad(x, padding))
    else:
        product = tf.nn.conv2d(x, variables["weights"], layer.stride, padding)
    return ACTIVATIONS[layer.activation](product + variables["bias"])


def as_product(layer: Conv2d, weights: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Return the convolution of padded images as one product of what the kernel sees with the kernel as a matrix.

    XLA's own convolutions take seven times as long on a CPU; in `backends.jax_layers` the same is done for JAX.
    """
    (height, width), stride = layer.kernel, layer.stride
    down, across = (x.shape[1] - height) // stride + 1, (x.shape[2] - width) // stride + 1
    ends = stride * (down - 1) + 1, stride * (across - 1) + 1
    x = tf.concat([x[:, :, column : column + ends[1] : stride] for column in range(width)], axis=3)
    x = tf.concat([x[:, row : row + ends[0] : stride] for row in range(height)], axis=3)
    product = tf.reshape(x, (-1, layer.fan_in())) @ tf.reshape(weights, (-1, layer.outputs))
    return tf.reshape(product, (-1, down, across, layer.outputs))


def max_pool2d(layer: MaxPool2d, _variables: Named, x: tf.Tensor, _batch: Batch) -> tf.Tensor:
    """Return the maximum of each window."""
    return tf.nn.max_pool2d(x, layer.window, layer.window, "VALID")


def average_pool2d(layer: AveragePool2d, _variables: Named, x: tf.Tensor, _batch: Batch) -> tf.Tensor:
    """Return the mean of each window."""
    return tf.nn.avg_pool2d(x, layer.window, layer.window, "VALID")


def flatten(_layer: Flatten, _variables: Named, x: tf.Tensor, batch: Batch) -> tf.Tensor:
    """Return images as [rows, values]."""
    return tf.reshape(x, (batch.rows, -1))


def residual(layer: Residual, variables: Named, x: tf.Tensor, batch: Batch) -> tf.Tensor:
    """Return the inputs plus what the layers inside make of them."""
    return x + through(layer.layers, inner(layer, variables), x, batch)


LAYERS: dict[type, Callable[[Any, Named, Any, Batch], tf.Tensor]] = {
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


def through(layers: tuple[Layer, ...], variables: tuple[Named, ...], flow: Any, batch: Batch) -> tf.Tensor:
    """Return what comes out of the last layer."""
    for layer, named in zip(layers, variables, strict=True):
        flow = LAYERS[type(layer)](layer, named, flow, batch)
    return flow


def forward(
    layers: tuple[Layer, ...], variables: tuple[Named, ...], inputs: Any, rows: int, *, by_xla: bool
) -> tf.Tensor:
    """Return the outputs [rows, outputs] for a batch of `rows` rows: a tensor [rows, ...], or `Bags` of words.

    `by_xla` says whether XLA compiles them for a CPU.
    """
    mask = tf.not_equal(inputs, 0) if reads_ids(layers) else None
    return through(layers, variables, inputs, Batch(rows, mask, by_xla))


def _cross_entropy(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=outputs))


LOSSES: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "mse": lambda outputs, targets: tf.reduce_mean(tf.math.squared_difference(outputs, targets)),
    "half_mse": lambda outputs, targets: tf.reduce_mean(tf.math.squared_difference(outputs, targets)) / 2,
    "softmax_cross_entropy": _cross_entropy,
}


SUPPORTED = Supported(
    framework="TensorFlow",
    layers=LAYERS,
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
