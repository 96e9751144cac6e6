"""Replaces layers of an otherwise right NumPy trainer by others that wrap them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backends.contract import Array, Placement, Problem
from backends.numpy_affine import Mask
from backends.numpy_backend import NumpyTrainer
from backends.numpy_layers import ResidualLayer


def planted(kind: type, wrap: Callable[[Any], Any]) -> Callable[[Problem, Placement], NumpyTrainer]:
    """Return what opens a trainer whose layers of one type are replaced by what `wrap` makes of each."""

    def open_trainer(problem: Problem, placement: Placement) -> NumpyTrainer:
        trainer = NumpyTrainer(problem, placement)
        trainer.layers = wrapped(trainer.layers, kind, wrap)
        return trainer

    return open_trainer


def wrapped(layers: list[Any], kind: type, wrap: Callable[[Any], Any]) -> list[Any]:
    """Return the layers with those of one type replaced, also inside of others."""
    for layer in layers:
        if isinstance(layer, ResidualLayer):
            layer.layers = wrapped(layer.layers, kind, wrap)
    return [wrap(layer) if isinstance(layer, kind) else layer for layer in layers]


class Wrapper:
    """A layer that leaves everything to another one."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def forward(self, inputs: Array, training: bool, mask: Mask) -> Array:
        """Return the outputs of the layer."""
        outputs: Array = self.layer.forward(inputs, training, mask)
        return outputs

    def backward(self, inputs: Array, gradient: Array) -> None:
        """Compute the gradients of the parameters."""
        self.layer.backward(inputs, gradient)

    def gradient_by_inputs(self, gradient: Array) -> Array:
        """Return the gradient of the inputs."""
        found: Array = self.layer.gradient_by_inputs(gradient)
        return found
