"""Gradients of the plain reference against finite differences of its loss."""

from __future__ import annotations

import numpy as np

from backends.contract import Array, Params, Problem, views
from backends.numpy_reference import arithmetic_of, flat, loss_and_gradients
from backends.numpy_reference_affine import Arithmetic
from backends.numpy_reference_layers import take


def worst_gradient(
    problem: Problem, params: Params, arithmetic: Arithmetic | None = None, *, step: float = 1e-6
) -> float:
    """Return by how much a gradient departs most from finite differences of the loss, relative to the largest.

    The batch has all rows. `step` is the difference of a parameter. Each gradient must have the name and the shape of
    its parameter.
    """
    batch, vector = take(problem.inputs, np.arange(len(problem.inputs))), flat(params)

    def at(point: Array) -> tuple[float, Params]:
        named = views(point, problem.layers)
        return loss_and_gradients(problem.layers, named, batch, problem.targets, arithmetic or arithmetic_of(problem))

    shifts = step * np.eye(len(vector))
    numeric = np.array([(at(vector + shift)[0] - at(vector - shift)[0]) / (2 * step) for shift in shifts])
    gradients = at(vector)[1]
    assert shapes(gradients) == shapes(params)
    return float(np.abs(flat(gradients) - numeric).max() / np.abs(numeric).max())


def shapes(params: Params) -> list[dict[str, tuple[int, ...]]]:
    """Return the shape of each part of each layer, by name."""
    return [{name: part.shape for name, part in layer.items()} for layer in params]
