"""A backend that trains with something else than its row says, which its mode names. Put this folder on PYTHONPATH."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import threadpoolctl

from backends.contract import Array, Inputs, Params, Placement, Predictor, Problem, Trainer, map_params
from backends.numpy_backend import NumpyTrainer, open_product

__all__ = ["open_product", "open_trainer"]


class Casting:
    """Trains in another type than that of what it takes and hands out."""

    def __init__(self, open_inner: Callable[[Problem, Placement], Any], problem: Problem, placement: Placement) -> None:
        problem = replace(problem, inputs=self.inner(problem.inputs), targets=self.inner(problem.targets))
        self.trainer: Trainer = open_inner(problem, replace(placement, precision=self.dtype))
        self.outer = placement.dtype

    dtype: Any = "float64"

    def inner(self, array: Any) -> Any:
        return array.astype(self.dtype)

    def reset(self, params: Params) -> None:
        self.trainer.reset(map_params(self.inner, params))

    def train(self, order: Array) -> Array:
        return self.trainer.train(order).astype(self.outer)

    def predict(self, inputs: Inputs) -> Array:
        return self.trainer.predict(self.inner(inputs)).astype(self.outer)

    def predictor(self, rows: int) -> Predictor:
        return self.predict

    def params(self) -> Params:
        return map_params(lambda part: part.astype(self.outer), self.trainer.params())

    def peak_device_memory_bytes(self) -> None:
        return None


class CastingFromHalf(Casting):
    """Trains in float16."""

    dtype = np.dtype("float16").name


def double(problem: Problem, placement: Placement) -> Any:
    return Casting(NumpyTrainer, problem, placement)


def half(problem: Problem, placement: Placement) -> Any:
    return CastingFromHalf(NumpyTrainer, problem, placement)


def blas_threads(problem: Problem, placement: Placement) -> Any:
    threadpoolctl.threadpool_limits(placement.threads + 1)
    return NumpyTrainer(problem, placement)


def torch_eager(problem: Problem, placement: Placement) -> Any:
    """Return PyTorch's trainer, with everything set right that an earlier mode has left."""
    import torch

    from backends import torch_backend

    threadpoolctl.threadpool_limits(placement.threads)
    torch.backends.fp32_precision = "ieee"
    return torch_backend.open_trainer(problem, replace(placement, mode="eager"))


def torch_double(problem: Problem, placement: Placement) -> Any:
    return Casting(torch_eager, problem, placement)


def torch_threads(problem: Problem, placement: Placement) -> Any:
    import torch

    trainer = torch_eager(problem, placement)
    torch.set_num_threads(placement.threads + 1)
    return trainer


def torch_bfloat16_products(problem: Problem, placement: Placement) -> Any:
    import torch

    trainer = torch_eager(problem, placement)
    torch.backends.fp32_precision = "bf16"
    return trainer


MODES: dict[str, Callable[[Problem, Placement], Any]] = {
    mode.__name__: mode for mode in (double, half, blas_threads, torch_double, torch_threads, torch_bfloat16_products)
}


def open_trainer(problem: Problem, placement: Placement) -> Any:
    return MODES[placement.mode](problem, placement)
