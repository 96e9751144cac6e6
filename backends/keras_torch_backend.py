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
from backends.torch_backend import open_product

__all__ = ["open_product", "open_trainer"]


def open_trainer(problem: Problem, placement: Placement) -> keras_backend.KerasTrainer:
    """Build and compile the model. Raises `Unsupported` unless the device is the CPU."""
    torch.set_num_threads(placement.threads)
    return keras_backend.open_trainer(problem, placement, wait_for=list)  # on the CPU there is nothing to wait for
