"""Keras on JAX. The code is in keras_backend.py.

Mode:
    fit     a model, `compile` and `fit`, each step compiled by XLA
"""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "jax"  # Keras reads it when it is imported

import jax

from backends import keras_backend
from backends.contract import Placement, Problem
from backends.jax_backend import open_product

__all__ = ["open_product", "open_trainer"]


def open_trainer(problem: Problem, placement: Placement) -> keras_backend.KerasTrainer:
    """Build and compile the model. Raises `Unsupported` unless the device is the CPU."""
    jax.config.update("jax_enable_x64", placement.precision == "float64")
    jax.config.update("jax_default_matmul_precision", "highest")
    return keras_backend.open_trainer(problem, placement, wait_for=jax.block_until_ready)
