"""Keras on TensorFlow. The code is in keras_backend.py.

Mode:
    fit     a model, `compile` and `fit`, each step compiled by XLA: Keras's default there
"""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"  # Keras reads it when it is imported

from backends import keras_backend
from backends.contract import Placement, Problem, Unsupported
from backends.tensorflow_backend import open_product, set_threads

__all__ = ["open_product", "open_trainer"]


def open_trainer(problem: Problem, placement: Placement) -> keras_backend.KerasTrainer:
    """Build and compile the model. Raises `Unsupported` unless the device is the CPU, and for unknown layers."""
    if placement.device != "cpu":
        raise Unsupported("Keras on TensorFlow runs on the CPU only: it has not been tested on a GPU")
    set_threads(placement.threads)
    return keras_backend.open_trainer(problem, placement, keras_backend.ON_CPU)
