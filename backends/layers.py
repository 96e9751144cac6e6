"""Layers: what each computes, which parameters it has, and what it costs. Imports no framework.

A layer says all that the rest of the suite needs to know of it. Seeding draws the parameters in the order of `shapes`;
the estimate of memory, the count of operations, the parity check and the conformance checks loop over them by name.

`Dense` and `EmbeddingSum` compute y = activation(x W + b), [batch, outputs], for inputs x [batch, inputs], weights
W [inputs, outputs] and bias b [outputs]. Images are [batch, height, width, channels]. Those for sequences, which are
[batch, positions, width], stand in `backends.sequences`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
Activation = Literal["identity", "sigmoid", "tanh", "relu", "gelu"]  # see `backends.contract`
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

    @property
    def activation(self) -> Activation:
        """The function that is applied to each of its outputs; `identity` for a layer without one."""

    def shapes(self) -> dict[str, Shape]:
        """Return the shapes of the parameters by name, in the order in which they are drawn.

        The name decides about the initial values (`bench.tasks.seeding`). Whatever the start of a task, `scale` is 1
        and `shift` is 0. With the start `one_zero`, names that end with `bias` are 0 and all others 1. Else all are
        drawn alike, `uniform` with the bound 1 / sqrt(fan_in).
        """

    def fan_in(self) -> int:
        """Return the number of inputs that each output depends on, which sets the scale of the initial weights."""

    def output(self, shape: Shape) -> Shape:
        """Return the shape of the outputs. Raises `Misfit` for inputs of a shape that does not fit."""

    def flops(self, shape: Shape) -> Flops:
        """Return the operations for inputs of this shape."""

    def values(self, shape: Shape) -> int:
        """Return how many numbers the forward pass makes of inputs of this shape: its outputs and all before them."""

    def inside(self) -> tuple[Layer, ...]:
        """Return the layers that it is made of; their parameters have dotted names, such as `1.weights`."""


class Single:
    """What layers that are not made of others have in common."""

    def values(self: Layer, shape: Shape) -> int:
        """Return the number of outputs."""
        return math.prod(self.output(shape))

    def inside(self) -> tuple[Layer, ...]:
        """Return nothing."""
        return ()


@dataclass(frozen=True)
class Affine(Single):
    """What layers that compute activation(x W + b) for rows x [batch, inputs] have in common."""

    inputs: int
    outputs: int
    activation: Activation

    def shapes(self) -> dict[str, Shape]:
        """Return the shapes of weights and bias."""
        return {"weights": (self.inputs, self.outputs), "bias": (self.outputs,)}

    def fan_in(self) -> int:
        """Return the number of inputs: each output depends on all of them."""
        return self.inputs

    def output(self, shape: Shape) -> Shape:
        """Return [outputs] for [inputs]. Raises `Misfit`."""
        if shape != (self.inputs,):
            raise Misfit(f"{self} takes inputs of shape {[self.inputs]}, and got {list(shape)}")
        return (self.outputs,)


class Dense(Affine):
    """A fully connected layer with bias and activation: y = activation(x W + b), x an array [batch, inputs].

    In x [batch, positions, inputs] each position is a row of its own.
    """

    def output(self, shape: Shape) -> Shape:
        """Return [outputs] for [inputs], [positions, outputs] for [positions, inputs]. Raises `Misfit`."""
        if len(shape) not in (1, 2) or shape[-1] != self.inputs:
            raise Misfit(
                f"{self} takes inputs of shape [positions, {self.inputs}] or {[self.inputs]}, and got {list(shape)}"
            )
        return (*shape[:-1], self.outputs)

    def flops(self, shape: Shape) -> Flops:
        """Return the operations of the three matrix products."""
        product = 2 * math.prod(shape) * self.outputs
        return Flops(product, product, product)


class EmbeddingSum(Affine):
    """A sum of word embeddings with bias and activation. Only the first layer can be one; its input is word counts.

    It sums the rows of W for the words that occur, weighted by their counts: the product x W without its zeros. Its
    inputs are the words of the vocabulary.
    """

    def flops(self, shape: Shape) -> Flops:
        """Return the operations for [words], the number of words that occur: the others cost nothing."""
        product = 2 * shape[0] * self.outputs
        return Flops(product, product, 0)


@dataclass(frozen=True, kw_only=True)
class Conv2d(Single):
    """A convolution of images with bias and activation; as in all frameworks, the kernel is not flipped.

    With zeros around the image, y[i, j, o] is the activation of
    b[o] + the sum over k, l, c of x[stride i + k - top, stride j + l - left, c] W[k, l, c, o].
    """

    inputs: int  # channels
    outputs: int  # channels
    kernel: tuple[int, int]  # height, width
    stride: int
    padding: tuple[int, int, int, int]  # rows of zeros at the top and the bottom, columns at the left and the right
    activation: Activation

    def shapes(self) -> dict[str, Shape]:
        """Return the shapes of weights [kernel height, kernel width, inputs, outputs] and bias."""
        return {"weights": (*self.kernel, self.inputs, self.outputs), "bias": (self.outputs,)}

    def fan_in(self) -> int:
        """Return the number of values under the kernel."""
        return math.prod(self.kernel) * self.inputs

    def output(self, shape: Shape) -> Shape:
        """Return [height, width, outputs] for [height, width, inputs]. Raises `Misfit`."""
        if len(shape) != 3 or shape[2] != self.inputs:
            raise Misfit(f"{self} takes inputs of shape [height, width, {self.inputs}], and got {list(shape)}")
        top, bottom, left, right = self.padding
        spare = shape[0] + top + bottom - self.kernel[0], shape[1] + left + right - self.kernel[1]
        if min(spare) < 0:
            raise Misfit(f"{self} takes inputs as large as its kernel, and got {list(shape)}")
        return spare[0] // self.stride + 1, spare[1] // self.stride + 1, self.outputs

    def flops(self, shape: Shape) -> Flops:
        """Return the operations of the three sums over the kernel at each place, those with zeros included."""
        product = 2 * self.fan_in() * math.prod(self.output(shape))
        return Flops(product, product, product)


class WithoutParameters(Single):
    """What layers without parameters have in common."""

    activation: ClassVar[Activation] = "identity"

    def shapes(self) -> dict[str, Shape]:
        """Return nothing: there are no parameters."""
        return {}

    def fan_in(self) -> int:
        """Return 1: there are no weights that it could scale."""
        return 1

    def flops(self, shape: Shape) -> Flops:
        """Return 0: only sums of products are counted."""
        return Flops(0, 0, 0)


@dataclass(frozen=True)
class Pool2d(WithoutParameters):
    """What layers that make one value of each window of an image have in common; windows do not overlap."""

    window: int  # height and width

    def output(self, shape: Shape) -> Shape:
        """Return [height / window, width / window, channels] for [height, width, channels].

        Raises `Misfit` unless windows fill the image.
        """
        if len(shape) != 3 or shape[0] % self.window or shape[1] % self.window:
            raise Misfit(
                f"{self} takes inputs of shape [height, width, channels] with height and width that are multiples of "
                f"{self.window}, and got {list(shape)}"
            )
        return shape[0] // self.window, shape[1] // self.window, shape[2]


class MaxPool2d(Pool2d):
    """The maximum of each window of images.

    If several values of a window are the largest, the gradient goes to any of them, or is shared, as frameworks differ
    in that. Where a ReLU comes before, such values are zeros that pass no gradient on, or come from equal patches.
    """


class AveragePool2d(Pool2d):
    """The mean of each window of images; there is no padding to be counted."""


@dataclass(frozen=True)
class Flatten(WithoutParameters):
    """The values of an image in one row, in the order height, width, channel."""

    def output(self, shape: Shape) -> Shape:
        """Return [height * width * channels] for [height, width, channels]. Raises `Misfit`."""
        if len(shape) != 3:
            raise Misfit(f"{self} takes inputs of shape [height, width, channels], and got {list(shape)}")
        return (math.prod(shape),)


def flow_shapes(layers: Collection[Layer], inputs: Shape) -> list[Shape]:
    """Return the shape of one row of the inputs, followed by those of the outputs of each layer. Raises `Misfit`."""
    found = [inputs]
    for layer in layers:
        found.append(layer.output(found[-1]))
    return found


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
