"""What layers in NumPy that compute activation(x W + b) have in common: activations, bias, and arrays allocated once.

Most derivatives are written as functions of the output, so layers do not keep z; only that of gelu is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from backends.contract import Array, Shape

Named = Mapping[str, Array]  # the parameters of a layer, or their gradients, by name
Mask = Array | None  # which positions hold a word [batch, positions]; None if the inputs are no ids of words


def _identity(z: Array) -> Array:
    return z


def _sigmoid(z: Array) -> Array:
    # 1 / (1 + exp(-z)) overflows for large negative z; tanh does not, and the two are the same function.
    z *= 0.5
    np.tanh(z, out=z)
    z += 1
    z *= 0.5
    return z


def _tanh(z: Array) -> Array:
    return np.tanh(z, out=z)


def _relu(z: Array) -> Array:
    return np.maximum(z, 0, out=z)


def _gelu(z: Array) -> tuple[Array, Array]:
    from scipy.special import erf  # only who needs it waits for SciPy to be loaded

    share = erf(z * math.sqrt(0.5))
    share += 1
    share *= 0.5  # the part of a normal distribution that is below z
    kept = z.copy(), share
    z *= share
    return kept


# z [batch, outputs] becomes activation(z), in place; returned is what the way back needs: the outputs, or two arrays
ACTIVATE: dict[str, Callable[[Array], Any]] = {
    "identity": _identity,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "relu": _relu,
    "gelu": _gelu,
}


def _through_identity(_: Array, __: Array) -> None:
    pass


def _through_sigmoid(gradient: Array, outputs: Array) -> None:
    gradient *= outputs * (1 - outputs)


def _through_tanh(gradient: Array, outputs: Array) -> None:
    gradient *= 1 - outputs * outputs


def _through_relu(gradient: Array, outputs: Array) -> None:
    gradient *= outputs > 0


def _through_gelu(gradient: Array, kept: tuple[Array, Array]) -> None:
    z, share = kept
    slope = z * z
    slope *= -0.5
    np.exp(slope, out=slope)
    slope *= z
    slope *= 1 / math.sqrt(2 * math.pi)  # z times the density of the normal distribution at z
    slope += share
    gradient *= slope


# turn the gradient of y = activation(z) into that of z, in place, by what the activation returned
BACK_THROUGH: dict[str, Callable[[Array, Any], None]] = {
    "identity": _through_identity,
    "sigmoid": _through_sigmoid,
    "tanh": _through_tanh,
    "relu": _through_relu,
    "gelu": _through_gelu,
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
        self.activate(np.zeros(1, self.bias.dtype))  # loads what it needs, so that no step has to

    def activated(self, product: Array) -> Array:
        """Turn x W [rows, outputs] into the outputs, in place."""
        product += self.bias
        self.kept = self.activate(product)
        return product

    def bias_backward(self, gradient: Array) -> None:
        """Turn `gradient` [rows, outputs] of the outputs into that of z, and sum it up for the bias."""
        self.back_through(gradient, self.kept)
        np.dot(self.ones, gradient, out=self.bias_gradient)  # the sum over the rows, faster than `np.sum`
