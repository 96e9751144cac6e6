"""Random data, initial weights and batch order. Each has its own generator and is the same for every backend."""

from __future__ import annotations

from typing import Literal
from zlib import crc32

import numpy as np

from backends.contract import Array, Layer, Params, Shape, outer
from bench.tasks.definition import Start

Purpose = Literal["data", "weights", "order", "rounding", "repetition"]
SEEDS = 2**31  # more than any run has repetitions, so that hardly two are alike


def stream(seed: int, purpose: Purpose, index: int = 0) -> np.random.Generator:
    """Return a generator that is independent of the generators of other seeds, purposes and indices."""
    return np.random.default_rng([seed, crc32(purpose.encode()), index])


def repetition_seed(seed: int, number: int) -> int:
    """Return the seed of the weights and batch orders of repetition `number` of a task whose own seed is `seed`.

    The repetitions 1, 2, ... are the trainings after the first one. Each has another start and another order, the same
    for every backend, so that nothing can be remembered from one training to the next. Number 0 is the first training,
    which has the task's own seed.
    """
    return seed if number == 0 else int(stream(seed, "repetition", number).integers(SEEDS))


def initial_params(layers: tuple[Layer, ...], start: Start, seed: int) -> Params:
    """Return the parameters in float64, drawn layer by layer in the order of `Layer.shapes`."""
    rng = stream(seed, "weights")
    return tuple(_drawn(layer, start, rng) for layer in layers)


def _drawn(layer: Layer, start: Start, rng: np.random.Generator) -> dict[str, Array]:
    if layers := layer.inside():
        return outer(tuple(_drawn(each, start, rng) for each in layers))
    return {name: _initial(name, shape, layer.fan_in(), start, rng) for name, shape in layer.shapes().items()}


FIXED = {"scale": 1.0, "shift": 0.0}  # of a normalization, whose outputs then have mean 0 and variance 1


def _initial(name: str, shape: Shape, fan_in: int, start: Start, rng: np.random.Generator) -> Array:
    if name in FIXED:
        return np.full(shape, FIXED[name])
    match start:
        case "uniform":
            bound = 1 / np.sqrt(fan_in)
            return rng.uniform(-bound, bound, shape)
        case "gaussian":
            return rng.standard_normal(shape)
        case "one_zero":
            return np.zeros(shape) if name.endswith("bias") else np.ones(shape)


def epoch_order(rows: int, batch_size: int, seed: int, epoch: int) -> Array:
    """Return the shuffled row indices of one epoch, int32 [steps, batch], without a last batch that is not full."""
    steps = rows // batch_size
    shuffled = stream(seed, "order", epoch).permutation(rows).astype(np.int32)
    return shuffled[: steps * batch_size].reshape(steps, batch_size)


def full_order(rows: int, steps: int) -> Array:
    """Return the row indices of full-batch steps in their original order, int32 [steps, rows].

    The result is a read-only view that takes the memory of one step.
    """
    return np.broadcast_to(np.arange(rows, dtype=np.int32), (steps, rows))
