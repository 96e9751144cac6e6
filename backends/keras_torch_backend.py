"""Keras on PyTorch. The code is in keras_backend.py.

Mode:
    fit     a model, `compile` and `fit`, each step one operation at a time: Keras's default there
"""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "torch"  # Keras reads it when it is imported

import torch

from backends import keras_backend
from backends.contract import Placement, Problem
from backends.torch_backend import open_product, set_up

__all__ = ["open_product", "open_trainer"]


def open_trainer(problem: Problem, placement: Placement) -> keras_backend.KerasTrainer:
    """Build and compile the model. Raises `Unsupported` for a GPU that is not there, and for unknown layers."""
    set_up(placement)
    return keras_backend.open_trainer(problem, placement, ON_GPU if placement.device == "gpu" else keras_backend.ON_CPU)


def wait(_: object) -> None:
    """Wait for everything that the GPU has been given to do."""
    torch.cuda.synchronize()


ON_GPU = keras_backend.Framework(wait, torch.cuda.max_memory_allocated)
