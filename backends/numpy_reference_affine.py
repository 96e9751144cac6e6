"""What layers of the reference have in common: the product x W + b, activations, dense layers. Pure functions.

Gradients follow the chain rule, from the loss back to the first layer. For a layer with inputs x [batch, inputs],
z = x W + b and y = activation(z), both [batch, outputs]:
    d loss / d z = activation'(z) * d loss / d y        [batch, outputs], element by element
    d loss / d W = x^T (d loss / d z)                   [inputs, outputs]
    d loss / d b = sum over the batch of d loss / d z   [outputs]
    d loss / d x = (d loss / d z) W^T                   [batch, inputs], which is d loss / d y of the layer before
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from backends.contract import Array, Dense


def affine(x: Array, weights: Array, bias: Array) -> Array:
    """Return z = x W + b [batch, outputs]."""
    return x @ weights + bias


def affine_gradients(x: Array, gradient: Array) -> tuple[Array, Array]:
    """Return the gradients of W and b from the inputs x [batch, inputs] and the gradient of z [batch, outputs].

    The loss is a mean over the batch: the division by the batch size is already part of `gradient`.
    """
    return x.T @ gradient, gradient.sum(axis=0)


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + exp(-z)), written with tanh because exp(-z) overflows for z far below zero."""
    return (1 + np.tanh(z / 2)) / 2


def gelu(z: Array) -> Array:
    """Return z times the part of a normal distribution that is below z."""
    return z * normal_below(z)


def normal_below(z: Array) -> Array:
    """Return the part of a normal distribution (mean 0, standard deviation 1) that is below z."""
    from scipy.special import erf  # a worker that does not need it loads no SciPy

    below: Array = (1 + erf(z / math.sqrt(2))) / 2
    return below


def normal_at(z: Array) -> Array:
    """Return the density of that distribution at z, the derivative of `normal_below`."""
    return np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


class Activation(NamedTuple):
    """y = function(z), and its derivative as a function of z and y; all are [batch, outputs]."""

    function: Callable[[Array], Array]
    derivative: Callable[[Array, Array], Array]


ACTIVATIONS = {
    "identity": Activation(lambda z: z, lambda _, y: np.ones_like(y)),
    "sigmoid": Activation(sigmoid, lambda _, y: y * (1 - y)),
    "tanh": Activation(np.tanh, lambda _, y: 1 - y**2),
    "relu": Activation(lambda z: np.maximum(z, 0), lambda _, y: y > 0),
    "gelu": Activation(gelu, lambda z, _: normal_below(z) + z * normal_at(z)),
}

LossAndGradient = tuple[float, Array]  # the loss, and its gradient with respect to the outputs [batch, outputs]


@dataclass(frozen=True)
class Arithmetic:
    """The operations whose rounding errors differ between correct implementations: sums, and powers of Adam's betas.

    They are arguments of a trainer, so that they can be replaced to study rounding (`bench.parity.rounding`). Their
    signatures are those of `affine`, `affine_gradients`, the functions in `LOSSES`, and `one_minus_power`.
    """

    affine: Callable[[Array, Array, Array], Array]
    affine_gradients: Callable[[Array, Array], tuple[Array, Array]]
    loss: Callable[[Array, Array], LossAndGradient]
    one_minus_power: Callable[[float, int], float]


Named = Mapping[str, Array]  # the parameters of a layer, by name
Mask = Array | None  # which positions hold a word [batch, positions]; None if the inputs are no ids of words


class Backward(NamedTuple):
    """The gradients of a layer for a batch."""

    params: Named  # of the parameters, by name
    inputs: Callable[[], Array]  # of the inputs; computed on request, because nobody needs those of the data


class Forward(NamedTuple):
    """The outputs of a layer for a batch [batch, ...], and a function from their gradient to those of the layer."""

    outputs: Array
    backward: Callable[[Array], Backward]


def dense(layer: Dense, params: Named, x: Array, arithmetic: Arithmetic, _mask: Mask) -> Forward:
    """Return y = activation(x W + b) for x [batch, inputs] or [batch, positions, inputs]."""
    rows = x.reshape(math.prod(x.shape[:-1]), layer.inputs)  # -1 is refused where no word of a text is known
    function, derivative = ACTIVATIONS[layer.activation]
    z = arithmetic.affine(rows, params["weights"], params["bias"])
    y = function(z)

    def backward(gradient: Array) -> Backward:
        of_z = gradient.reshape(z.shape) * derivative(z, y)
        weights, bias = arithmetic.affine_gradients(rows, of_z)
        return Backward({"weights": weights, "bias": bias}, lambda: (of_z @ params["weights"].T).reshape(x.shape))

    return Forward(y.reshape(*x.shape[:-1], layer.outputs), backward)
