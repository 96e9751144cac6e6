"""Layers: what each computes, which parameters it has, and what it costs. Imports no framework.

A layer says all that the rest of the suite needs to know of it. Seeding draws the parameters in the order of `shapes`;
the estimate of memory, the count of operations, the parity check and the conformance checks loop over them by name.

For inputs x [batch, inputs], weights W [inputs, outputs] and bias b [outputs], both layers compute
y = activation(x W + b), [batch, outputs].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
Activation = Literal["identity", "sigmoid", "tanh", "relu"]
Params = tuple[Mapping[str, Array], ...]  # one mapping a layer, from the names of `Layer.shapes` to arrays


class Misfit(ValueError):
    """Raised for inputs that do not fit a layer; the message has the layer and both shapes."""


class Unsupported(Exception):
    """Raised by `open_trainer` if the backend does not support the problem or placement; users see the message."""


class Flops(NamedTuple):
    """Operations of a layer for one row; a multiplication and an addition are two."""

    forward: int
    params_gradient: int  # of the gradient of its parameters
    inputs_gradient: int  # of the gradient of its inputs, which the first layer of a model does not compute


class Layer(Protocol):
    """One layer. Its fields say what it computes; shapes of inputs and outputs are those of one row."""

    def shapes(self) -> dict[str, Shape]:
        """Return the shapes of the parameters by name, in the order in which they are drawn."""

    def fan_in(self) -> int:
        """Return the number of inputs that each output depends on, which sets the scale of the initial weights."""

    def output(self, shape: Shape) -> Shape:
        """Return the shape of the outputs. Raises `Misfit` for inputs of a shape that does not fit."""

    def flops(self, shape: Shape) -> Flops:
        """Return the operations for inputs of this shape."""


@dataclass(frozen=True)
class Dense:
    """A fully connected layer with bias and activation: y = activation(x W + b), x an array [batch, inputs]."""

    inputs: int
    outputs: int
    activation: Activation

    def shapes(self) -> dict[str, Shape]:
        """Return the shapes of weights and bias."""
        return {"weights": (self.inputs, self.outputs), "bias": (self.outputs,)}

    def fan_in(self) -> int:
        """Return the number of inputs."""
        return self.inputs

    def output(self, shape: Shape) -> Shape:
        """Return [outputs] for [inputs]. Raises `Misfit`."""
        require_shape(self, shape, (self.inputs,))
        return (self.outputs,)

    def flops(self, shape: Shape) -> Flops:
        """Return the operations of the three matrix products."""
        product = 2 * self.inputs * self.outputs
        return Flops(product, product, product)


@dataclass(frozen=True)
class EmbeddingSum:
    """A sum of word embeddings with bias and activation. Only the first layer can be one; its input is word counts.

    It sums the rows of W for the words that occur, weighted by their counts: the product x W without its zeros.
    """

    inputs: int  # size of the vocabulary
    outputs: int
    activation: Activation

    def shapes(self) -> dict[str, Shape]:
        """Return the shapes of weights and bias."""
        return {"weights": (self.inputs, self.outputs), "bias": (self.outputs,)}

    def fan_in(self) -> int:
        """Return the size of the vocabulary: each word may occur."""
        return self.inputs

    def output(self, shape: Shape) -> Shape:
        """Return [outputs] for [vocabulary]. Raises `Misfit`."""
        require_shape(self, shape, (self.inputs,))
        return (self.outputs,)

    def flops(self, shape: Shape) -> Flops:
        """Return the operations for [words], the number of words that occur: the others cost nothing."""
        product = 2 * shape[0] * self.outputs
        return Flops(product, product, 0)


def require_shape(layer: Layer, got: Shape, wanted: Shape) -> None:
    """Raise `Misfit` unless the inputs of a layer have the wanted shape."""
    if got != wanted:
        raise Misfit(f"{layer} takes inputs of shape {list(wanted)}, and got {list(got)}")


def output_shapes(layers: Collection[Layer], inputs: Shape) -> list[Shape]:
    """Return the shapes of the outputs of each layer, of one row, for inputs of this shape. Raises `Misfit`."""
    found = [inputs]
    for layer in layers:
        found.append(layer.output(found[-1]))
    return found[1:]


def require_layers(layers: Collection[Layer], known: Collection[type], framework: str) -> None:
    """Raise `Unsupported` for the first layer whose type is not among those that a backend knows."""
    for layer in layers:
        if type(layer) not in known:
            names = ", ".join(each.__name__ for each in known)
            raise Unsupported(f"{framework} has no layer {type(layer).__name__} here; it has {names}")


def map_params(change: Callable[..., Array], *params: Params) -> Params:
    """Return parameters whose arrays are `change` of the arrays of the same layer and name."""
    return tuple(
        {name: change(*(each[name] for each in layers)) for name in layers[0]} for layers in zip(*params, strict=True)
    )


def parts(params: Params) -> Iterator[Array]:
    """Yield every array, layer by layer, in the order of `Layer.shapes`."""
    for layer in params:
        yield from layer.values()


def views(vector: Array, layers: Collection[Layer]) -> Params:
    """Return the parameters as views of a vector that holds all of them, one after the other."""
    found, start = [], 0
    for layer in layers:
        named = {}
        for name, shape in layer.shapes().items():
            end = start + math.prod(shape)
            named[name] = vector[start:end].reshape(shape)
            start = end
        found.append(named)
    return tuple(found)


def parameter_count(layers: Collection[Layer]) -> int:
    """Return the number of parameters of all layers."""
    return sum(math.prod(shape) for layer in layers for shape in layer.shapes().values())


def dtype_of(params: Params) -> np.dtype[Any]:
    """Return the type of the parameters, which all of them have."""
    return next(parts(params)).dtype
