"""The reference: the formulas of `backends.contract` in plain NumPy, with which parity compares every backend.

Read it together with the contract: one line per operation, pure functions, no array changed in place. It is not a
backend for users. Theirs is `backends.numpy_backend`, which is tuned for speed and is compared with this one like all
others.

Gradients follow the chain rule, from the loss back to the first layer. For a layer with inputs x [batch, inputs],
z = x W + b and y = activation(z), both [batch, outputs]:
    d loss / d z = activation'(z) * d loss / d y        [batch, outputs], element by element
    d loss / d W = x^T (d loss / d z)                   [inputs, outputs]
    d loss / d b = sum over the batch of d loss / d z   [outputs]
    d loss / d x = (d loss / d z) W^T                   [batch, inputs], which is d loss / d y of the layer before
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
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
    LayerParams,
    Momentum,
    Params,
    Placement,
    Problem,
    Supported,
    Unsupported,
    WordCounts,
)


class Batch(NamedTuple):
    """The inputs of a batch; for word counts, only the columns of words that occur in it.

    A column of zeros adds nothing to x W, and the gradient of its row of W is zero.
    """

    columns: Array | slice  # their numbers, ascending
    inputs: Array  # [batch, columns]


def take(inputs: Inputs, rows: Array) -> Batch:
    """Return the rows `rows` [batch] of `inputs`."""
    if not isinstance(inputs, WordCounts):
        return Batch(slice(None), inputs[rows])
    bags = inputs.bags(rows)
    words, columns = np.unique(bags.words, return_inverse=True)
    counts = np.zeros((len(rows), len(words)), bags.counts.dtype)
    counts[bags.documents, columns] = bags.counts
    return Batch(words, counts)


def affine(x: Array, weights: Array, bias: Array) -> Array:
    """Return z = x W + b [batch, outputs]."""
    return x @ weights + bias


def layer_gradients(x: Array, gradient: Array) -> LayerParams:
    """Return the gradients of W and b from the inputs x [batch, inputs] and the gradient of z [batch, outputs].

    The loss is a mean over the batch: the division by the batch size is already part of `gradient`.
    """
    return LayerParams(x.T @ gradient, gradient.sum(axis=0))


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + exp(-z)), written with tanh because exp(-z) overflows for z far below zero."""
    return (1 + np.tanh(z / 2)) / 2


class Activation(NamedTuple):
    """y = function(z), and its derivative as a function of y; all are [batch, outputs]."""

    function: Callable[[Array], Array]
    derivative: Callable[[Array], Array]


ACTIVATIONS = {
    "identity": Activation(lambda z: z, np.ones_like),
    "sigmoid": Activation(sigmoid, lambda y: y * (1 - y)),
    "tanh": Activation(np.tanh, lambda y: 1 - y**2),
    "relu": Activation(lambda z: np.maximum(z, 0), lambda y: y > 0),
}

LossAndGradient = tuple[float, Array]  # the loss, and its gradient with respect to the outputs [batch, outputs]


def mse(outputs: Array, targets: Array) -> LossAndGradient:
    """Return the mean of (z - target)^2 over batch and outputs, and its gradient."""
    off = outputs - targets
    return float(np.sum(off**2)) / off.size, 2 * off / off.size


def half_mse(outputs: Array, targets: Array) -> LossAndGradient:
    """Return half the mean of (z - target)^2 over batch and outputs, and its gradient."""
    off = outputs - targets
    return float(np.sum(off**2)) / (2 * off.size), off / off.size


def softmax_cross_entropy(outputs: Array, targets: Array) -> LossAndGradient:
    """Return the mean over the batch of log(sum(exp(z))) - z[class], and its gradient, (softmax(z) - one_hot) / batch.

    Subtracting the largest z of a row from the whole row changes neither of them, and exp(z) cannot overflow.
    """
    z = outputs - outputs.max(axis=1, keepdims=True)
    one_hot = targets[:, None] == np.arange(z.shape[1])  # [batch, outputs]
    sums = np.exp(z).sum(axis=1, keepdims=True)
    loss = np.mean(np.log(sums[:, 0]) - z[one_hot])
    return float(loss), (np.exp(z) / sums - one_hot) / len(targets)


LOSSES = {"mse": mse, "half_mse": half_mse, "softmax_cross_entropy": softmax_cross_entropy}


@dataclass(frozen=True)
class Arithmetic:
    """The operations whose rounding errors differ between correct implementations: sums, and powers of Adam's betas.

    They are arguments of a trainer, so that they can be replaced to study rounding (`bench.parity.rounding`). Their
    signatures are those of `affine`, `layer_gradients`, the functions in `LOSSES`, and `one_minus_power`.
    """

    affine: Callable[[Array, Array, Array], Array]
    layer_gradients: Callable[[Array, Array], LayerParams]
    loss: Callable[[Array, Array], LossAndGradient]
    one_minus_power: Callable[[float, int], float]


def one_minus_power(beta: float, t: int) -> float:
    """Return 1 - beta^t to full precision.

    For beta = 0.999 and t = 1 the plain difference loses three digits; expm1(t log(beta)) = beta^t - 1 loses none.
    Zero has no logarithm.
    """
    return -math.expm1(t * math.log(beta)) if beta > 0 else 1.0


def arithmetic_of(problem: Problem) -> Arithmetic:
    """Return the plain operations, with the loss of the problem."""
    return Arithmetic(affine, layer_gradients, LOSSES[problem.loss], one_minus_power)


def forward(layers: tuple[Layer, ...], params: Params, batch: Batch, arithmetic: Arithmetic) -> list[Array]:
    """Return the inputs [batch, columns], followed by the outputs y [batch, outputs] of each layer."""
    flow = [batch.inputs]
    for layer, (weights, bias) in zip(layers, restricted(params, batch), strict=True):
        z = arithmetic.affine(flow[-1], weights, bias)
        flow.append(ACTIVATIONS[layer.activation].function(z))
    return flow


def restricted(params: Params, batch: Batch) -> Params:
    """Return the parameters; of the first layer's weights only the rows that belong to the columns of the batch."""
    first, *others = params
    return (first._replace(weights=first.weights[batch.columns]), *others)


def loss_and_gradients(
    layers: tuple[Layer, ...], params: Params, batch: Batch, targets: Array, arithmetic: Arithmetic
) -> tuple[float, Params]:
    """Return the loss of a batch and its gradients with respect to weights and bias of each layer."""
    flow = forward(layers, params, batch, arithmetic)
    loss, gradient = arithmetic.loss(flow[-1], targets)
    found: list[LayerParams] = []
    for number in reversed(range(len(layers))):
        gradient = gradient * ACTIVATIONS[layers[number].activation].derivative(flow[number + 1])
        found.insert(0, arithmetic.layer_gradients(flow[number], gradient))
        if number > 0:  # the gradient of the data is not needed
            gradient = gradient @ params[number].weights.T
    weights = np.zeros_like(params[0].weights)
    weights[batch.columns] = found[0].weights
    return loss, (found[0]._replace(weights=weights), *found[1:])


def flat(params: Params) -> Array:
    """Return all parameters in one new vector [parameters], because an optimizer treats all of them alike."""
    return np.concatenate([part.ravel() for layer in params for part in layer])


def shaped(vector: Array, layers: tuple[Layer, ...]) -> Params:
    """Return weights and bias of each layer as views of a vector [parameters]: the inverse of `flat`."""
    found, start = [], 0
    for layer in layers:
        bias, end = start + layer.inputs * layer.outputs, start + (layer.inputs + 1) * layer.outputs
        found.append(LayerParams(vector[start:bias].reshape(layer.inputs, layer.outputs), vector[bias:end]))
        start = end
    return tuple(found)


State = tuple[Array, ...]  # the parameters and the optimizer's state (v, or m and v), each [parameters]


def sgd(settings: SGD, _t: int, _: Arithmetic, g: Array, p: Array) -> State:
    """Return the parameters after a step."""
    return (p - settings.learning_rate * g,)


def momentum(settings: Momentum, _t: int, _: Arithmetic, g: Array, p: Array, v: Array) -> State:
    """Return the parameters and v after a step."""
    v = settings.momentum * v + g
    p = p - settings.learning_rate * v
    return p, v


def adam(settings: Adam, t: int, arithmetic: Arithmetic, g: Array, p: Array, m: Array, v: Array) -> State:
    """Return the parameters, m and v after step t."""
    m = settings.beta1 * m + (1 - settings.beta1) * g
    v = settings.beta2 * v + (1 - settings.beta2) * g**2
    corrected_m = m / arithmetic.one_minus_power(settings.beta1, t)
    corrected_v = v / arithmetic.one_minus_power(settings.beta2, t)
    p = p - settings.learning_rate * corrected_m / (np.sqrt(corrected_v) + settings.epsilon)
    return p, m, v


OPTIMIZERS: dict[type, Callable[..., State]] = {SGD: sgd, Momentum: momentum, Adam: adam}


SUPPORTED = Supported(
    framework="the reference",
    layers=(Dense, EmbeddingSum),
    activations=ACTIVATIONS,
    losses=LOSSES,
    optimizers=OPTIMIZERS,
)


class ReferenceTrainer:
    """A problem and the state of its training; a `Trainer` of the contract."""

    state: State
    steps: int  # number of steps since the reset

    def __init__(self, problem: Problem, arithmetic: Arithmetic) -> None:
        self.problem = problem
        self.arithmetic = arithmetic
        # If every step takes all rows, they are gathered only once: gathering can take as long as the step.
        self.whole = take(problem.inputs, np.arange(problem.batch_size)) if problem.full_batch else None

    def reset(self, params: Params) -> None:
        """Start from a copy of `params`, at step 0, with zeros as the optimizer's state."""
        p = flat(params)
        self.state = (p, *[np.zeros_like(p)] * self.problem.optimizer.slots)
        self.steps = 0

    def train(self, order: Array) -> Array:
        """Take the steps of `order` [steps, batch]; return their losses [steps]."""
        return np.array([self.step(rows) for rows in order], self.state[0].dtype)

    def step(self, rows: Array) -> float:
        """Take one step on the rows [batch]; return the loss before it."""
        layers, optimizer = self.problem.layers, self.problem.optimizer
        batch = take(self.problem.inputs, rows) if self.whole is None else self.whole
        params, targets = shaped(self.state[0], layers), self.problem.targets[rows]
        loss, gradients = loss_and_gradients(layers, params, batch, targets, self.arithmetic)
        self.steps += 1
        update = OPTIMIZERS[type(optimizer)]
        self.state = update(optimizer, self.steps, self.arithmetic, flat(gradients), *self.state)
        return loss

    def predict(self, inputs: Inputs) -> Array:
        """Return the outputs [rows, outputs], computed one batch at a time to limit the memory."""
        layers, ids, size = self.problem.layers, np.arange(len(inputs)), self.problem.batch_size
        batches = (take(inputs, ids[start : start + size]) for start in range(0, len(ids), size))
        params = shaped(self.state[0], layers)
        return np.concatenate([forward(layers, params, batch, self.arithmetic)[-1] for batch in batches])

    def params(self) -> Params:
        """Return copies of weights and biases."""
        return shaped(self.state[0].copy(), self.problem.layers)

    def peak_device_memory_bytes(self) -> int | None:
        """Return None: the reference runs on the CPU only."""
        return None


def open_trainer(problem: Problem, placement: Placement) -> ReferenceTrainer:
    """Return a trainer in the precision of the data. Raises `Unsupported` unless the device is the CPU."""
    if placement.device != "cpu":
        raise Unsupported("NumPy computes on the CPU only")
    SUPPORTED.require(problem)
    return ReferenceTrainer(problem, arithmetic_of(problem))
