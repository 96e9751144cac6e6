"""What rounding explains of the inputs and outputs of a layer, and of activation(x W + b). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from backends.contract import Activation, Array, Shape
from backends.numpy_reference_affine import ACTIVATIONS

Named = Mapping[str, Array]  # the parameters of a layer, by name
SLOPES = dict.fromkeys(("identity", "sigmoid", "tanh", "relu"), 1.0)  # the largest of each activation, or a bound of it
SLOPES["gelu"] = 1.129  # at the square root of 2


class Flow(NamedTuple):
    """The inputs or outputs of a layer in float64, and what rounding explains of each: a standard deviation."""

    numbers: Any  # [batch, ...], or the word counts of a batch
    explained: Array  # of the same shape, or one that can be broadcast to it


def affine(activation: Activation, params: Named, flow: Flow, unit: float) -> Flow:
    """Return activation(x W + b) for x [rows, inputs]."""
    weights, (x, explained) = params["weights"], flow
    z, terms = x @ weights + params["bias"], np.count_nonzero(x, axis=1)[:, None] + 1
    # The sums of a row of more terms than usual, such as a long text, are larger in the same ratio of their roots.
    longer = np.maximum(1.0, terms / np.mean(terms))
    summed = unit / 3 * np.sqrt(np.mean(terms) * np.mean(z**2)) * longer
    y = ACTIVATIONS[activation].function(z)
    of_z = explained**2 @ weights**2 + summed**2 + (unit * z) ** 2
    return Flow(y, np.sqrt(SLOPES[activation] ** 2 * of_z + (unit * y) ** 2))


def shaped(flow: Flow, shape: Shape) -> Flow:
    """Return the same in arrays of another shape."""
    return Flow(*(each.reshape(shape) for each in flow))
