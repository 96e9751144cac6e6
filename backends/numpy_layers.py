"""Layers, losses and optimizers in NumPy, with gradients; most results are written to arrays that are allocated once.

The derivative of every activation is written as a function of its output, so layers do not keep pre-activations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from backends.contract import (
    SGD,
    Adam,
    Array,
    Dense,
    EmbeddingSum,
    Inputs,
    Layer,
    Momentum,
    Optimizer,
    Supported,
    WordCounts,
)

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


def _identity(_: Array) -> None:
    pass


def _sigmoid(z: Array) -> None:
    # 1 / (1 + exp(-z)) overflows for large negative z; tanh does not, and the two are the same function.
    z *= 0.5
    np.tanh(z, out=z)
    z += 1
    z *= 0.5


def _tanh(z: Array) -> None:
    np.tanh(z, out=z)


def _relu(z: Array) -> None:
    np.maximum(z, 0, out=z)


ACTIVATE: dict[str, Callable[[Array], None]] = {  # z [batch, outputs] becomes activation(z), in place
    "identity": _identity,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "relu": _relu,
}


def _through_identity(_: Array, __: Array) -> None:
    pass


def _through_sigmoid(gradient: Array, outputs: Array) -> None:
    gradient *= outputs * (1 - outputs)


def _through_tanh(gradient: Array, outputs: Array) -> None:
    gradient *= 1 - outputs * outputs


def _through_relu(gradient: Array, outputs: Array) -> None:
    gradient *= outputs > 0


BACK_THROUGH: dict[
    str, Callable[[Array, Array], None]
] = {  # turn the gradient of y = activation(z) into that of z, in place
    "identity": _through_identity,
    "sigmoid": _through_sigmoid,
    "tanh": _through_tanh,
    "relu": _through_relu,
}


class NumpyLayer:
    """One layer for batches of one size: its parameters, their gradients, and its outputs."""

    def __init__(self, layer: Layer, values: Array, gradients: Array, batch_size: int) -> None:
        """Make weights and bias views of `values`, and their gradients of `gradients`, both [(inputs + 1) outputs]."""
        shape, split = (layer.inputs, layer.outputs), layer.inputs * layer.outputs
        self.weights, self.bias = values[:split].reshape(shape), values[split:]
        self.weights_gradient, self.bias_gradient = gradients[:split].reshape(shape), gradients[split:]
        self.outputs = np.empty((batch_size, layer.outputs), values.dtype)
        self.inputs_gradient = np.empty((batch_size, layer.inputs), values.dtype)
        self.ones = np.ones(batch_size, values.dtype)
        self.touched: Array | slice = slice(None)  # the rows of the weights' gradient that may be nonzero
        self.activate = ACTIVATE[layer.activation]
        self.back_through = BACK_THROUGH[layer.activation]

    def forward(self, inputs: Batch, out: Array | None = None) -> Array:
        """Return the outputs [batch, outputs], in `out` if given."""
        if isinstance(inputs, LocalCounts):
            outputs = np.matmul(inputs.counts, self.weights.take(inputs.present, axis=0), out=out)
        else:
            outputs = np.matmul(inputs, self.weights, out=out)
        outputs += self.bias
        self.activate(outputs)
        return outputs

    def backward(self, inputs: Batch, gradient: Array) -> None:
        """Compute the gradients of weights and bias; turn `gradient` [batch, outputs] of the outputs into that of z."""
        self.back_through(gradient, self.outputs)
        np.dot(self.ones, gradient, out=self.bias_gradient)  # the sum over the batch, faster than `np.sum`
        if isinstance(inputs, LocalCounts):
            self.weights_gradient[self.touched] = 0
            self.touched = inputs.present
            self.weights_gradient[self.touched] = inputs.counts.T @ gradient
        else:
            np.matmul(inputs.T, gradient, out=self.weights_gradient)

    def gradient_by_inputs(self, gradient: Array) -> Array:
        """Return the gradient of the inputs [batch, inputs] from that of z [batch, outputs]."""
        return np.matmul(gradient, self.weights.T, out=self.inputs_gradient)


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
    layers=(Dense, EmbeddingSum),
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
