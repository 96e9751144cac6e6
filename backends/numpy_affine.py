"""What layers in NumPy that compute activation(x W + b) have in common: activations, bias, and arrays allocated once.

The derivative of every activation is written as a function of its output, so layers do not keep pre-activations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from backends.contract import Array, Shape

Named = Mapping[str, Array]  # the parameters of a layer, or their gradients, by name


def _identity(_: Array) -> None:
    pass


def _sigmoid(z: Array) -> None:
    # 1 / (1 + exp(-z)) overflows for large negative z; tanh does not, and the two are the same function.
    z *= 0.5
    np.tanh(z, out=z)
    z += 1
    z *= 0.5


def _tanh(z: Array) -> None:
    np.tanh(z, out=z)


def _relu(z: Array) -> None:
    np.maximum(z, 0, out=z)


ACTIVATE: dict[str, Callable[[Array], None]] = {  # z [batch, outputs] becomes activation(z), in place
    "identity": _identity,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "relu": _relu,
}


def _through_identity(_: Array, __: Array) -> None:
    pass


def _through_sigmoid(gradient: Array, outputs: Array) -> None:
    gradient *= outputs * (1 - outputs)


def _through_tanh(gradient: Array, outputs: Array) -> None:
    gradient *= 1 - outputs * outputs


def _through_relu(gradient: Array, outputs: Array) -> None:
    gradient *= outputs > 0


BACK_THROUGH: dict[
    str, Callable[[Array, Array], None]
] = {  # turn the gradient of y = activation(z) into that of z, in place
    "identity": _through_identity,
    "sigmoid": _through_sigmoid,
    "tanh": _through_tanh,
    "relu": _through_relu,
}


class AffineLayer:
    """What layers that compute activation(x W + b) share, for batches of one size."""

    def __init__(self, layer: Any, params: Named, gradients: Named, outputs: Shape) -> None:
        """Keep the arrays of the parameters and of their gradients, and allocate the outputs [*outputs]."""
        columns = outputs[-1]
        self.weights, self.bias = params["weights"].reshape(-1, columns), params["bias"]
        self.weights_gradient, self.bias_gradient = gradients["weights"].reshape(-1, columns), gradients["bias"]
        self.outputs = np.empty(outputs, self.bias.dtype)
        self.flat = self.outputs.reshape(-1, columns)
        self.ones = np.ones(len(self.flat), self.bias.dtype)
        self.activate = ACTIVATE[layer.activation]
        self.back_through = BACK_THROUGH[layer.activation]

    def activated(self, product: Array) -> Array:
        """Turn x W [rows, outputs] into the outputs, in place."""
        product += self.bias
        self.activate(product)
        return product

    def bias_backward(self, gradient: Array) -> None:
        """Turn `gradient` [rows, outputs] of the outputs into that of z, and sum it up for the bias."""
        self.back_through(gradient, self.flat)
        np.dot(self.ones, gradient, out=self.bias_gradient)  # the sum over the rows, faster than `np.sum`
