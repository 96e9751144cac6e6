"""The reference: the formulas of `backends.contract` in plain NumPy, with which parity compares every backend.

Read it together with the contract: one line per operation, pure functions, no array changed in place. It is not a
backend for users. Theirs is `backends.numpy_backend`, which is tuned for speed and is compared with this one like all
others. Its layers stand in `backends.numpy_reference_layers`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from backends.contract import (
    SGD,
    Adam,
    Array,
    Inputs,
    Layer,
    Momentum,
    Params,
    Placement,
    Predictor,
    Problem,
    Supported,
    Unsupported,
    parts,
    views,
)
from backends.numpy_reference_affine import ACTIVATIONS, Arithmetic, LossAndGradient, affine, affine_gradients
from backends.numpy_reference_layers import LAYERS, Batch, forward, mask_of, take, way_back


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


def one_minus_power(beta: float, t: int) -> float:
    """Return 1 - beta^t to full precision.

    For beta = 0.999 and t = 1 the plain difference loses three digits; expm1(t log(beta)) = beta^t - 1 loses none.
    Zero has no logarithm.
    """
    return -math.expm1(t * math.log(beta)) if beta > 0 else 1.0


def arithmetic_of(problem: Problem) -> Arithmetic:
    """Return the plain operations, with the loss of the problem."""
    return Arithmetic(affine, affine_gradients, LOSSES[problem.loss], one_minus_power)


def loss_and_gradients(
    layers: tuple[Layer, ...], params: Params, batch: Batch, targets: Array, arithmetic: Arithmetic
) -> tuple[float, Params]:
    """Return the loss of a batch and its gradients with respect to the parameters of each layer."""
    passed = forward(layers, params, batch, arithmetic, mask_of(layers, batch))
    loss, gradient = arithmetic.loss(passed[-1].outputs, targets)
    gradients, _ = way_back(passed, gradient)  # nobody needs the gradient of the data
    return loss, gradients


def flat(params: Params) -> Array:
    """Return all parameters in one new vector [parameters], because an optimizer treats all of them alike."""
    return np.concatenate([part.ravel() for part in parts(params)])


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
    layers=LAYERS,
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
        params, targets = views(self.state[0], layers), self.problem.targets[rows]
        loss, gradients = loss_and_gradients(layers, params, batch, targets, self.arithmetic)
        self.steps += 1
        update = OPTIMIZERS[type(optimizer)]
        self.state = update(optimizer, self.steps, self.arithmetic, flat(gradients), *self.state)
        return loss

    def predict(self, inputs: Inputs) -> Array:
        """Return the outputs [rows, outputs], computed one batch at a time to limit the memory."""
        layers, ids, size = self.problem.layers, np.arange(len(inputs)), self.problem.batch_size
        batches = (take(inputs, ids[start : start + size]) for start in range(0, len(ids), size))
        params = views(self.state[0], layers)
        passed = (forward(layers, params, batch, self.arithmetic, mask_of(layers, batch)) for batch in batches)
        return np.concatenate([each[-1].outputs for each in passed])

    def predictor(self, rows: int) -> Predictor:
        """Return `predict`, which takes any number of rows."""
        return self.predict

    def params(self) -> Params:
        """Return copies of the parameters."""
        return views(self.state[0].copy(), self.problem.layers)

    def peak_device_memory_bytes(self) -> int | None:
        """Return None: the reference runs on the CPU only."""
        return None


def open_trainer(problem: Problem, placement: Placement) -> ReferenceTrainer:
    """Return a trainer in the precision of the data. Raises `Unsupported` for GPUs and unknown layers."""
    if placement.device != "cpu":
        raise Unsupported("NumPy computes on the CPU only")
    SUPPORTED.require(problem)
    return ReferenceTrainer(problem, arithmetic_of(problem))
