"""Layers, losses and optimizers in JAX: pure functions that JAX can differentiate."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

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
    Params,
    Residual,
    RMSNorm,
    Supported,
    WordCounts,
    inner,
    reads_ids,
)
from backends.jax_sequences import Batch, Named, attention, embedding, layer_norm, mean_pool, rms_norm


def put(inputs: Inputs, device: Any) -> Any:
    """Copy inputs to the device, word counts as flat arrays."""
    batch = inputs.bags(np.arange(len(inputs))) if isinstance(inputs, WordCounts) else inputs
    return jax.device_put(batch, device)


ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "identity": lambda z: z,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "gelu": functools.partial(jax.nn.gelu, approximate=False),  # by default it is an approximation by tanh
}


def dense(layer: Dense, params: Named, x: jax.Array, _batch: Batch) -> jax.Array:
    """Return activation(x W + b); W is kept as [outputs, inputs], see `backends.layout`."""
    return ACTIVATIONS[layer.activation](x @ params["weights"].T + params["bias"])


def embedding_sum(layer: EmbeddingSum, params: Named, x: Bags, batch: Batch) -> jax.Array:
    """Return activation(x W + b) for word counts of the documents of a batch."""
    embeddings = x.counts[:, None] * params["weights"][x.words]
    sums = jax.ops.segment_sum(embeddings, x.documents, batch.rows, indices_are_sorted=True)
    return ACTIVATIONS[layer.activation](sums + params["bias"])


def conv2d(layer: Conv2d, params: Named, x: jax.Array, _batch: Batch) -> jax.Array:
    """Return the convolution of images [rows, height, width, channels].

    XLA's own convolutions take three times as long on a CPU, and ten times in a `scan`; GPUs have good ones.
    """
    product = lax.platform_dependent(
        x,
        params["weights"],
        cpu=functools.partial(as_product, layer),
        default=functools.partial(as_convolution, layer),
    )
    return ACTIVATIONS[layer.activation](product + params["bias"])


def as_convolution(layer: Conv2d, x: jax.Array, weights: jax.Array) -> jax.Array:
    """Return the convolution without bias, by the operation that JAX has for it."""
    top, bottom, left, right = layer.padding
    return lax.conv_general_dilated(
        x,
        weights,
        window_strides=(layer.stride, layer.stride),
        padding=((top, bottom), (left, right)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def as_product(layer: Conv2d, x: jax.Array, weights: jax.Array) -> jax.Array:
    """Return the convolution without bias, as one product of what the kernel sees with the kernel as a matrix.

    The columns of the kernel are put side by side first, and then its rows: fewer copies than one for each of its
    places. `lax.conv_general_dilated_patches` would be a convolution again.
    """
    (height, width), stride = layer.kernel, layer.stride
    down, across, outputs = layer.output(x.shape[1:])
    top, bottom, left, right = layer.padding
    x = jnp.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    ends = stride * (down - 1) + 1, stride * (across - 1) + 1
    x = jnp.concatenate([x[:, :, column : column + ends[1] : stride] for column in range(width)], axis=3)
    x = jnp.concatenate([x[:, row : row + ends[0] : stride] for row in range(height)], axis=3)
    return x @ weights.reshape(-1, outputs)


def windows(layer: MaxPool2d | AveragePool2d, x: jax.Array) -> jax.Array:
    """Return images as [rows, down, row of the window, across, column of the window, channels]."""
    down, across, channels = layer.output(x.shape[1:])
    return x.reshape(-1, down, layer.window, across, layer.window, channels)


def max_pool2d(layer: MaxPool2d, _params: Named, x: jax.Array, _batch: Batch) -> jax.Array:
    """Return the maximum of each window. The gradient of `lax.reduce_window` takes longer on a CPU."""
    return windows(layer, x).max(axis=(2, 4))


def average_pool2d(layer: AveragePool2d, _params: Named, x: jax.Array, _batch: Batch) -> jax.Array:
    """Return the mean of each window."""
    return windows(layer, x).mean(axis=(2, 4))


def flatten(_layer: Flatten, _params: Named, x: jax.Array, batch: Batch) -> jax.Array:
    """Return images as [rows, values]."""
    return x.reshape(batch.rows, -1)


def residual(layer: Residual, params: Named, x: jax.Array, batch: Batch) -> jax.Array:
    """Return the inputs plus what the layers inside make of them."""
    return x + through(layer.layers, inner(layer, params), x, batch)


LAYERS: dict[type, Callable[[Any, Named, Any, Batch], jax.Array]] = {
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


def through(layers: tuple[Layer, ...], params: Params, flow: Any, batch: Batch) -> jax.Array:
    """Return what comes out of the last layer."""
    for layer, named in zip(layers, params, strict=True):
        flow = LAYERS[type(layer)](layer, named, flow, batch)
    return flow


def forward(layers: tuple[Layer, ...], params: Params, inputs: Any, rows: int) -> jax.Array:
    """Return the outputs [rows, outputs] for a batch of `rows` rows: an array [rows, ...], or `Bags` of words."""
    mask = inputs != 0 if reads_ids(layers) else None
    return through(layers, params, inputs, Batch(rows, mask))


def _cross_entropy(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    # log_softmax subtracts the largest output first. Computing logsumexp - output[class] would lose, for a confident
    # prediction, the digits that the gradient depends on.
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(outputs), targets[:, None], axis=1))


LOSSES: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "mse": lambda outputs, targets: jnp.mean(jnp.square(outputs - targets)),
    "half_mse": lambda outputs, targets: jnp.mean(jnp.square(outputs - targets)) / 2,
    "softmax_cross_entropy": _cross_entropy,
}


SUPPORTED = Supported(
    framework="JAX",
    layers=LAYERS,
    activations=ACTIVATIONS,
    losses=LOSSES,
    optimizers=(SGD, Momentum, Adam),
)


class State(NamedTuple):
    """The state of a training: input and output of a step."""

    params: Params  # of dense layers with weights [outputs, inputs]
    slots: tuple[Params, ...]  # of the optimizer: none for SGD, v for Momentum, m and v for Adam
    taken: jax.Array  # number of steps so far


def update(optimizer: Optimizer, state: State, gradients: Params) -> State:
    """Return the state after one step of the optimizer."""
    params, slots, taken = state
    taken = taken + 1
    match optimizer:
        case SGD(learning_rate=rate):
            params = jax.tree.map(lambda p, g: p - rate * g, params, gradients)
        case Momentum(rate, momentum):
            (v,) = slots
            v = jax.tree.map(lambda v, g: momentum * v + g, v, gradients)
            params = jax.tree.map(lambda p, v: p - rate * v, params, v)
            slots = (v,)
        case Adam(rate, beta1, beta2, epsilon):
            m, v = slots
            m = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, m, gradients)
            v = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, v, gradients)
            # In float32, 1 - beta^t loses five digits if beta^t is near 1; expm1 loses none.
            rate = rate / -jnp.expm1(taken * np.log(beta1))
            correction = -jnp.expm1(taken * np.log(beta2))
            params = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v / correction) + epsilon), params, m, v)
            slots = (m, v)
    return State(params, slots, taken)
