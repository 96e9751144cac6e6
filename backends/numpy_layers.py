"""Layers, losses and optimizers in NumPy, with gradients; most results are written to arrays that are allocated once.

Each class of the table `LAYERS` has four methods:
    __init__             gets a layer, its parameters and their gradients, both by name as views of one vector, and the
                         shape of its inputs [batch, ...]
    forward              returns the outputs; in training it keeps what the way back needs, and most layers write the
                         outputs to an array that is allocated once
    backward             gets inputs and the gradient of the outputs, which it may turn into that of z in place, and
                         writes the gradients of the parameters into the views
    gradient_by_inputs   gets what `backward` left of that gradient, which it may change, and returns that of the
                         inputs; nobody asks the first layer for it
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from backends.contract import (
    SGD,
    Adam,
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
    Momentum,
    Optimizer,
    Params,
    Residual,
    RMSNorm,
    Shape,
    Supported,
    WordCounts,
    flow_shapes,
    inner,
)
from backends.numpy_affine import ACTIVATE, AffineLayer, Mask, Named
from backends.numpy_images import AveragePool2dLayer, Conv2dLayer, FlattenLayer, MaxPool2dLayer
from backends.numpy_sequences import AttentionLayer, EmbeddingLayer, LayerNormLayer, MeanPoolLayer, RMSNormLayer

BLOCK = 32_768  # elements that Adam updates at a time: blocks of five vectors fit into a core's cache together


class LocalCounts(NamedTuple):
    """Word counts of a batch as a dense matrix of only the words that occur in it, so that BLAS can multiply it."""

    present: Array  # numbers of the words that occur in the batch, ascending [present]
    counts: Array  # [batch, present]


Batch = Array | LocalCounts


def take(inputs: Inputs, rows: Array, out: Array | None = None) -> Batch:
    """Return the rows `rows` [batch] of `inputs`; arrays are written to `out` [batch, features] if given."""
    if isinstance(inputs, WordCounts):
        bags = inputs.bags(rows)
        present, columns = np.unique(bags.words, return_inverse=True)
        counts = np.zeros((len(rows), len(present)), bags.counts.dtype)
        counts[bags.documents, columns] = bags.counts
        return LocalCounts(present, counts)
    return np.take(
        inputs, rows, axis=0, out=out, mode="clip"
    )  # unlike the default mode, "clip" writes to `out` directly


class DenseLayer(AffineLayer):
    """A fully connected layer."""

    def __init__(self, layer: Dense, params: Named, gradients: Named, inputs: Shape) -> None:
        super().__init__(layer, params, gradients, (*inputs[:-1], layer.outputs))
        self.inputs_gradient = np.empty((len(self.flat), layer.inputs), self.weights.dtype)

    def forward(self, inputs: Array, training: bool, _mask: Mask) -> Array:
        """Return the outputs [batch, outputs], or [batch, positions, outputs]."""
        rows = inputs.reshape(-1, inputs.shape[-1])
        outputs = self.activated(np.matmul(rows, self.weights, out=self.flat if training else None))
        return outputs.reshape(*inputs.shape[:-1], -1)

    def backward(self, inputs: Array, gradient: Array) -> None:
        """Compute the gradients of weights and bias; turn `gradient` of the outputs into that of z, in place."""
        flat = gradient.reshape(self.flat.shape)
        self.bias_backward(flat)
        np.matmul(inputs.reshape(self.inputs_gradient.shape).T, flat, out=self.weights_gradient)

    def gradient_by_inputs(self, gradient: Array) -> Array:
        """Return the gradient of the inputs from that of z."""
        found = np.matmul(gradient.reshape(self.flat.shape), self.weights.T, out=self.inputs_gradient)
        return found.reshape(*gradient.shape[:-1], -1)


class EmbeddingSumLayer(AffineLayer):
    """A sum of word embeddings. It is the first layer, so nobody asks for the gradient of its inputs."""

    touched: Array | slice = slice(None)  # the rows of the weights' gradient that may be nonzero

    def __init__(self, layer: EmbeddingSum, params: Named, gradients: Named, inputs: Shape) -> None:
        super().__init__(layer, params, gradients, (inputs[0], layer.outputs))

    def forward(self, inputs: LocalCounts, training: bool, _mask: Mask) -> Array:
        """Return the outputs [batch, outputs]."""
        rows, out = self.weights.take(inputs.present, axis=0), self.outputs if training else None
        return self.activated(np.matmul(inputs.counts, rows, out=out))

    def backward(self, inputs: LocalCounts, gradient: Array) -> None:
        """Compute the gradients of weights and bias; turn `gradient` [batch, outputs] of the outputs into that of z."""
        self.bias_backward(gradient)
        self.weights_gradient[self.touched] = 0
        self.touched = inputs.present
        self.weights_gradient[self.touched] = inputs.counts.T @ gradient


class ResidualLayer:
    """The inputs plus what the layers inside make of them."""

    def __init__(self, layer: Residual, params: Named, gradients: Named, inputs: Shape) -> None:
        self.layers = make_layers(layer.layers, inner(layer, params), inner(layer, gradients), inputs)

    def forward(self, inputs: Array, training: bool, mask: Mask) -> Array:
        """Return the outputs, of the shape of the inputs."""
        self.flow = pass_through(self.layers, inputs, training, mask)
        outputs: Array = inputs + self.flow[-1]
        return outputs

    def backward(self, _: Array, gradient: Array) -> None:
        """Compute the gradients of the parameters of the layers inside, and that of their inputs."""
        found = pass_back(self.layers, self.flow, gradient.copy())
        self.inner_gradient = self.layers[0].gradient_by_inputs(found)

    def gradient_by_inputs(self, gradient: Array) -> Array:
        """Return the gradient of the inputs: they go to the sum directly, and through the layers."""
        gradient += self.inner_gradient
        return gradient


LAYERS: dict[type, Callable[[Any, Named, Named, Shape], Any]] = {
    Dense: DenseLayer,
    EmbeddingSum: EmbeddingSumLayer,
    Conv2d: Conv2dLayer,
    MaxPool2d: MaxPool2dLayer,
    AveragePool2d: AveragePool2dLayer,
    Flatten: FlattenLayer,
    Embedding: EmbeddingLayer,
    LayerNorm: LayerNormLayer,
    RMSNorm: RMSNormLayer,
    Attention: AttentionLayer,
    MeanPool: MeanPoolLayer,
    Residual: ResidualLayer,
}


def make_layers(layers: tuple[Layer, ...], params: Params, gradients: Params, inputs: Shape) -> list[Any]:
    """Return the layers of `LAYERS` for inputs of this shape [batch, ...], with views of parameters and gradients."""
    shapes = [(inputs[0], *shape) for shape in flow_shapes(layers, inputs[1:])[:-1]]
    each = zip(layers, params, gradients, shapes, strict=True)
    return [LAYERS[type(layer)](layer, named, slopes, shape) for layer, named, slopes, shape in each]


def pass_through(layers: list[Any], batch: Any, training: bool, mask: Mask) -> list[Any]:
    """Return a batch, followed by the outputs of each layer."""
    flow = [batch]
    for layer in layers:
        flow.append(layer.forward(flow[-1], training, mask))
    return flow


def pass_back(layers: list[Any], flow: list[Any], gradient: Array) -> Array:
    """Compute the gradients of all parameters from that of the outputs, which changes; return that of the first z."""
    for i in reversed(range(len(layers))):
        layers[i].backward(flow[i], gradient)
        if i > 0:  # the gradient of the data is not needed
            gradient = layers[i].gradient_by_inputs(gradient)
    return gradient


def mse(outputs: Array, targets: Array, gradient: Array) -> float:
    """Return the mean squared error; write its gradient with respect to the outputs [batch, outputs]."""
    np.subtract(outputs, targets, out=gradient)
    loss = float(np.vdot(gradient, gradient)) / gradient.size
    gradient *= 2 / gradient.size
    return loss


def half_mse(outputs: Array, targets: Array, gradient: Array) -> float:
    """Return half the mean squared error; write its gradient with respect to the outputs [batch, outputs]."""
    np.subtract(outputs, targets, out=gradient)
    loss = float(np.vdot(gradient, gradient)) / (2 * gradient.size)
    gradient *= 1 / gradient.size
    return loss


def softmax_cross_entropy(outputs: Array, targets: Array, gradient: Array) -> float:
    """Return the mean of log(sum(exp(z))) - z[class]; write its gradient, (softmax(z) - one_hot) / batch."""
    batch = np.arange(len(targets))
    np.subtract(outputs, outputs.max(axis=1, keepdims=True), out=gradient)  # so that exp cannot overflow
    at_class = gradient[batch, targets]
    np.exp(gradient, out=gradient)
    sums = gradient.sum(axis=1, keepdims=True)
    loss = float(np.sum(np.log(sums[:, 0]) - at_class)) / len(targets)
    gradient /= sums
    gradient[batch, targets] -= 1
    gradient *= 1 / len(targets)
    return loss


LOSSES: dict[str, Callable[[Array, Array, Array], float]] = {
    "mse": mse,
    "half_mse": half_mse,
    "softmax_cross_entropy": softmax_cross_entropy,
}


SUPPORTED = Supported(
    framework="NumPy",
    layers=LAYERS,
    activations=ACTIVATE,
    losses=LOSSES,
    optimizers=(SGD, Momentum, Adam),
)


def make_update(optimizer: Optimizer, p: Array, g: Array) -> Callable[[], None]:
    """Return a function that updates `p` [parameters] in place with the gradient `g`; its state starts at zero."""
    match optimizer:
        case SGD(rate):
            return _sgd(rate, p, g)
        case Momentum(rate, momentum):
            return _momentum(rate, momentum, p, g)
        case Adam():
            return _adam(optimizer, p, g)


def _sgd(rate: float, p: Array, g: Array) -> Callable[[], None]:
    def update() -> None:
        np.multiply(g, rate, out=g)
        np.subtract(p, g, out=p)

    return update


def _momentum(rate: float, momentum: float, p: Array, g: Array) -> Callable[[], None]:
    v, scratch = np.zeros_like(p), np.empty_like(p)

    def update() -> None:
        np.multiply(v, momentum, out=v)
        np.add(v, g, out=v)
        np.multiply(v, rate, out=scratch)
        np.subtract(p, scratch, out=p)

    return update


def _adam(adam: Adam, p: Array, g: Array) -> Callable[[], None]:
    """Return Adam's update, with m / (1 - beta1) and v / (1 - beta2) as its state.

    It is the contract's formula with numerator and denominator multiplied by the same `scale`. So all constant factors
    become two numbers per step, and a step takes ten vector operations instead of thirteen.
    """
    m, v, scratch, t = np.zeros_like(p), np.zeros_like(p), np.empty_like(p[:BLOCK]), 0
    # Ten operations on a whole vector would read it from memory ten times; a block stays in the cache.
    blocks = [tuple(whole[i : i + BLOCK] for whole in (p, g, m, v)) for i in range(0, len(p), BLOCK)]

    def update() -> None:
        nonlocal t
        t += 1
        correction1, correction2 = _one_minus_power(adam.beta1, t), _one_minus_power(adam.beta2, t)
        scale = math.sqrt(correction2 / (1 - adam.beta2))
        rate = adam.learning_rate * (1 - adam.beta1) / correction1 * scale
        for block in blocks:
            _adam_block(adam, block, scratch[: len(block[0])], rate, adam.epsilon * scale)

    return update


def _one_minus_power(beta: float, t: int) -> float:
    # For beta = 0.999 and t = 1 the plain difference loses three digits; expm1 loses none. Zero has no logarithm.
    return -math.expm1(t * math.log(beta)) if beta > 0 else 1.0


def _adam_block(adam: Adam, block: tuple[Array, ...], scratch: Array, rate: float, epsilon: float) -> None:
    p, g, m, v = block
    np.multiply(m, adam.beta1, out=m)
    np.add(m, g, out=m)
    np.multiply(v, adam.beta2, out=v)
    np.multiply(g, g, out=scratch)
    np.add(v, scratch, out=v)
    np.sqrt(v, out=scratch)
    np.add(scratch, epsilon, out=scratch)
    np.divide(m, scratch, out=scratch)
    np.multiply(scratch, rate, out=scratch)
    np.subtract(p, scratch, out=p)
