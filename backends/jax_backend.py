"""JAX: pure functions of parameters and data, differentiated and compiled by XLA.

Modes:
    jit     one compiled step, called from a Python loop, the state on the device and its memory reused (donated): what
            JAX's tutorials write
    scan    `lax.scan` over all steps of a pass, compiled as one program: what JAX's users write where the data of a
            pass fit on the device
"""

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
    Array,
    Bags,
    EmbeddingSum,
    Inputs,
    Layer,
    Momentum,
    Optimizer,
    Params,
    Placement,
    Problem,
    Unsupported,
    WordCounts,
)
from backends.layout import turned

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "identity": lambda z: z,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
}


def _cross_entropy(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    # log_softmax subtracts the largest output first: logsumexp less the output at the class would lose, in a confident
    # prediction, the digits that its gradient is made of.
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(outputs), targets[:, None], axis=1))


LOSSES: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "mse": lambda outputs, targets: jnp.mean(jnp.square(outputs - targets)),
    "half_mse": lambda outputs, targets: jnp.mean(jnp.square(outputs - targets)) / 2,
    "softmax_cross_entropy": _cross_entropy,
}

Data = tuple[Any, jax.Array]  # inputs as an array or as bags of words, and targets
Batches = tuple[Any, Bags | None]  # row ids, and the words of those rows; of one step, or of all with an axis more


class State(NamedTuple):
    """What a step takes and gives."""

    params: Params
    slots: tuple[Params, ...]  # the optimizer's: none for SGD, v for Momentum, m and v for Adam
    taken: jax.Array  # steps so far


def open_trainer(problem: Problem, placement: Placement) -> JaxTrainer:
    """Put the data on the device. Raises `Unsupported` without a GPU build and a GPU for a GPU."""
    # JAX has no setting for its number of threads on the CPU: it takes the cores that the process may run on.
    jax.config.update("jax_enable_x64", placement.precision == "float64")
    jax.config.update("jax_default_matmul_precision", "highest")  # no TF32
    try:
        device = jax.devices(placement.device)[0]
    except RuntimeError as error:
        raise Unsupported(f"JAX {jax.__version__} finds no {placement.device.upper()} device") from error
    return JaxTrainer(problem, placement.mode, device)


def open_product(size: int, placement: Placement) -> Callable[[], None]:
    """Return a function that multiplies two matrices [size, size]."""
    matrix = jax.device_put(np.ones((size, size), placement.dtype), jax.devices(placement.device)[0])
    multiply = jax.jit(jnp.matmul)

    def product() -> None:
        jax.block_until_ready(multiply(matrix, matrix))

    return product


def forward(layers: tuple[Layer, ...], params: Params, flow: Any, rows: int) -> jax.Array:
    """Return the outputs [rows, outputs] for a batch of `rows` rows, an array or bags of words.

    Dense layers have weights [outputs, inputs], see `backends.layout`.
    """
    for layer, (weights, bias) in zip(layers, params, strict=True):
        if isinstance(layer, EmbeddingSum):
            embeddings = flow.counts[:, None] * weights[flow.words]
            product = jax.ops.segment_sum(embeddings, flow.documents, rows, indices_are_sorted=True)
        else:
            product = flow @ weights.T
        flow = ACTIVATIONS[layer.activation](product + bias)
    return flow


jitted_forward = jax.jit(forward, static_argnums=(0, 3))


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
            # 1 - beta^t loses five digits in float32 when beta^t is near 1; expm1 loses none.
            rate = rate / -jnp.expm1(taken * np.log(beta1))
            correction = -jnp.expm1(taken * np.log(beta2))
            params = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v / correction) + epsilon), params, m, v)
            slots = (m, v)
    return State(params, slots, taken)


class JaxTrainer:
    """Data and state on one device, and a compiled function that takes a step, or all steps of a pass."""

    def __init__(self, problem: Problem, mode: str, device: Any) -> None:
        self.problem = problem
        self.device = device
        self.words = problem.inputs if isinstance(problem.inputs, WordCounts) else None
        self.capacity = self.words.capacity(problem.batch_size) if self.words else 0
        # Words are gathered on the host, where each step's number of them is known, and padded to one shape.
        self.inputs = None if self.words and not problem.full_batch else self.put(problem.inputs)
        self.targets = jax.device_put(problem.targets, device)
        # The state that goes in is never used again: the one that comes out takes its memory.
        self.jitted_step = jax.jit(self.step, donate_argnums=1)
        self.steps = self.loop if mode == "jit" else jax.jit(self.scan, donate_argnums=1)

    def put(self, inputs: Inputs) -> Any:
        """Copy inputs to the device, word counts as flat arrays."""
        batch = inputs.bags(np.arange(len(inputs))) if isinstance(inputs, WordCounts) else inputs
        return jax.device_put(batch, self.device)

    def reset(self, params: Params) -> None:
        """Copy `params` in and clear the optimizer's state; compiled functions know only the shapes, which stay."""
        params = turned(self.problem.layers, params)
        zeros = jax.tree.map(np.zeros_like, params)
        taken = np.zeros((), params[0].bias.dtype)
        params = jax.tree.map(np.array, params)  # on the CPU JAX goes on to use the memory that it is handed
        self.state: State = jax.device_put(State(params, (zeros,) * self.problem.optimizer.slots, taken), self.device)

    def step(self, data: Data, state: State, batch: Batches) -> tuple[State, jax.Array]:
        """Return the state after a step, and the loss before it. Pure."""
        inputs, targets = data
        rows, words = batch
        if not self.problem.full_batch:
            inputs = words if self.words else inputs[rows]
            targets = targets[rows]

        def loss_of(params: Params) -> jax.Array:
            outputs = forward(self.problem.layers, params, inputs, self.problem.batch_size)
            return LOSSES[self.problem.loss](outputs, targets)

        loss, gradients = jax.value_and_grad(loss_of)(state.params)
        return update(self.problem.optimizer, state, gradients), loss

    def train(self, order: Array) -> Array:
        """Take the steps of `order` [steps, batch]; return their losses [steps]."""
        words = None
        if self.words and not self.problem.full_batch:
            words = self.words.padded_bags(order, self.capacity)
        # State and data are committed to the device: what a compiled function is given beside them follows.
        self.state, losses = self.steps((self.inputs, self.targets), self.state, (self.problem.gathered(order), words))
        jax.block_until_ready(self.state)  # JAX returns before the work is done, on the CPU too
        return np.asarray(losses)

    def loop(self, data: Data, state: State, batches: Batches) -> tuple[State, jax.Array]:
        """Return the state after all steps, and their losses [steps], by a compiled step in a Python loop."""
        order, words = batches
        losses = []
        for i, rows in enumerate(order):
            batch = rows, None if words is None else Bags(*(part[i] for part in words))
            state, loss = self.jitted_step(data, state, batch)
            losses.append(loss)
        return state, jnp.stack(losses)

    def scan(self, data: Data, state: State, batches: Batches) -> tuple[State, jax.Array]:
        """Return the state after all steps, and their losses [steps]. Pure."""
        return lax.scan(functools.partial(self.step, data), state, batches)

    def predict(self, inputs: Inputs) -> Array:
        """Return the outputs [rows, outputs]."""
        return np.asarray(jitted_forward(self.problem.layers, self.state.params, self.put(inputs), len(inputs)))

    def params(self) -> Params:
        """Return copies of weights and biases."""
        return turned(self.problem.layers, jax.tree.map(np.array, self.state.params))

    def peak_device_memory_bytes(self) -> int | None:
        """Return the most memory that arrays have taken on a GPU."""
        return self.device.memory_stats()["peak_bytes_in_use"] if self.device.platform == "gpu" else None
