"""Keras on JAX. The code is in keras_backend.py.

Mode:
    fit     a model, `compile` and `fit`, each step compiled by XLA
"""

from __future__ import annotations

import functools
import os

os.environ["KERAS_BACKEND"] = "jax"  # Keras reads it when it is imported

import jax

from backends import keras_backend
from backends.contract import Placement, Problem
from backends.jax_backend import open_product, peak_memory_bytes, set_up

__all__ = ["open_product", "open_trainer"]


def open_trainer(problem: Problem, placement: Placement) -> keras_backend.KerasTrainer:
    """Build and compile the model. Raises `Unsupported` for a GPU that is not there, and for unknown layers."""
    device = set_up(placement)
    peak = functools.partial(peak_memory_bytes, device) if placement.device == "gpu" else None
    return keras_backend.open_trainer(problem, placement, keras_backend.Framework(jax.block_until_ready, peak))
