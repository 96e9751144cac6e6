"""JAX: pure functions of parameters and data, differentiated and compiled by XLA.

Modes:
    jit     one compiled step, called from a Python loop, the state on the device and its memory reused (donated): as in
            JAX's tutorials
    scan    `lax.scan` over all steps of a pass, compiled as one program: what JAX's users write if the data of a pass
            fit on the device
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from backends.contract import (
    Array,
    Bags,
    Inputs,
    Layer,
    Loss,
    Optimizer,
    Params,
    Placement,
    Predictor,
    Problem,
    Unsupported,
    WordCounts,
    dtype_of,
)
from backends.jax_layers import LOSSES, SUPPORTED, State, forward, put, update
from backends.layout import transposed


def open_trainer(problem: Problem, placement: Placement) -> JaxTrainer:
    """Put the data on the device.

    Raises `Unsupported` for a GPU without a GPU or a GPU build of JAX, for unknown layers, and if compilation is
    switched off.
    """
    if jax.config.jax_disable_jit:
        raise Unsupported("compilation is switched off here, by JAX_DISABLE_JIT; both modes compile")
    return JaxTrainer(problem, placement.mode, set_up(placement))


def set_up(placement: Placement) -> Any:
    """Choose the precision; return the device. Raises `Unsupported` for a GPU without a GPU or a GPU build of JAX."""
    # JAX has no setting for the number of threads on the CPU: it uses the cores that the process may run on.
    jax.config.update("jax_enable_x64", placement.precision == "float64")
    jax.config.update("jax_default_matmul_precision", "highest")  # no TF32
    try:
        return jax.devices(placement.device)[0]
    except RuntimeError as error:
        raise Unsupported(f"JAX {jax.__version__} finds no {placement.device.upper()} device") from error


def peak_memory_bytes(device: Any) -> int:
    """Return the peak memory of arrays on a GPU."""
    peak: int = device.memory_stats()["peak_bytes_in_use"]
    return peak


def open_product(size: int, placement: Placement) -> Callable[[], None]:
    """Return a function that multiplies two matrices [size, size]."""
    matrix = jax.device_put(np.ones((size, size), placement.dtype), jax.devices(placement.device)[0])
    multiply = jax.jit(jnp.matmul)

    def product() -> None:
        jax.block_until_ready(multiply(matrix, matrix))

    return product


@dataclass(frozen=True)
class Recipe:
    """What a step is compiled for: all of a problem but the data."""

    layers: tuple[Layer, ...]
    loss: Loss
    optimizer: Optimizer
    batch_size: int
    full_batch: bool


Data = tuple[Any, jax.Array]  # all inputs (None if each batch has its own words), and targets
Batches = tuple[Any, Bags | None]  # row numbers and their words; for a pass, with one more axis


def step(recipe: Recipe, data: Data, state: State, batch: Batches) -> tuple[State, jax.Array]:
    """Return the state after a step, and the loss before it. Pure."""
    inputs, targets = data
    rows, words = batch
    if not recipe.full_batch:
        inputs = inputs[rows] if words is None else words
        targets = targets[rows]

    def loss_of(params: Params) -> jax.Array:
        return LOSSES[recipe.loss](forward(recipe.layers, params, inputs, recipe.batch_size), targets)

    loss, gradients = jax.value_and_grad(loss_of)(state.params)
    return update(recipe.optimizer, state, gradients), loss


def scan(recipe: Recipe, data: Data, state: State, batches: Batches) -> tuple[State, jax.Array]:
    """Return the state after all steps, and their losses [steps]. Pure."""
    return lax.scan(functools.partial(step, recipe, data), state, batches)


jitted_forward = jax.jit(forward, static_argnums=(0, 3))


class JaxTrainer:
    """Data and state on one device, and a compiled function for one step or for all steps of a pass."""

    def __init__(self, problem: Problem, mode: str, device: Any) -> None:
        SUPPORTED.require(problem)
        self.problem = problem
        self.device = device
        self.words = problem.inputs if isinstance(problem.inputs, WordCounts) else None
        self.capacity = self.words.capacity(problem.batch_size) if self.words else 0
        # Words are gathered on the host, where their number in each step is known, and padded to one shape.
        self.inputs = None if self.words and not problem.full_batch else put(problem.inputs, device)
        self.targets = jax.device_put(problem.targets, device)
        recipe = Recipe(problem.layers, problem.loss, problem.optimizer, problem.batch_size, problem.full_batch)
        # The input state is not used again, so the output state can reuse its memory.
        self.jitted_step = jax.jit(functools.partial(step, recipe), donate_argnums=1)
        self.steps = self.loop if mode == "jit" else jax.jit(functools.partial(scan, recipe), donate_argnums=1)

    def reset(self, params: Params) -> None:
        """Copy `params` in and clear the optimizer's state. Shapes stay the same, so nothing is compiled again."""
        params = transposed(self.problem.layers, params)
        zeros = jax.tree.map(np.zeros_like, params)
        taken = np.zeros((), dtype_of(params))
        params = jax.tree.map(np.array, params)  # on the CPU, JAX may use the caller's memory
        self.state: State = jax.device_put(State(params, (zeros,) * self.problem.optimizer.slots, taken), self.device)

    def train(self, order: Array) -> Array:
        """Take the steps of `order` [steps, batch]; return their losses [steps]."""
        words = None
        if self.words and not self.problem.full_batch:
            words = self.words.padded_bags(order, self.capacity)
        # State and data are committed to the device, so JAX puts the other arguments there too.
        self.state, losses = self.steps((self.inputs, self.targets), self.state, (self.problem.gathered(order), words))
        jax.block_until_ready(self.state)  # JAX returns before the work is finished, also on the CPU
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

    def predict(self, inputs: Inputs) -> Array:
        """Return the outputs [rows, outputs]."""
        return np.asarray(jitted_forward(self.problem.layers, self.state.params, put(inputs, self.device), len(inputs)))

    def predictor(self, rows: int) -> Predictor:
        """Return a compiled function of the inputs, which calls itself with the words padded if there are any."""
        answer = jax.jit(lambda params, inputs: forward(self.problem.layers, params, inputs, rows))

        def predict(inputs: Inputs) -> Array:
            # The parameters are committed to the device, so JAX puts the inputs there too.
            batch = inputs.rounded_bags() if isinstance(inputs, WordCounts) else inputs
            return np.asarray(answer(self.state.params, batch))

        return predict

    def params(self) -> Params:
        """Return copies of the parameters."""
        return transposed(self.problem.layers, jax.tree.map(np.array, self.state.params))

    def peak_device_memory_bytes(self) -> int | None:
        """Return the peak memory of arrays on a GPU; None on the CPU."""
        return peak_memory_bytes(self.device) if self.device.platform == "gpu" else None
