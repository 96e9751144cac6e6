"""Layers for sequences of words, which are ids int32 [batch, positions] and then [batch, positions, width].

An id is the number of a word; 0 is padding, which fills the positions behind the last word. Every row has at least one
word: data with another one are refused, as the mean of no words is 0 / 0.

`Attention` and `MeanPool` need to know which positions hold a word. It is not part of x: a backend computes the mask
[batch, positions], true where an id is not 0, once a batch from the inputs of the model, and passes it to each layer
along with x. So these layers are only for models whose first layer is an `Embedding` (see `require_ids`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from backends.layers import Activation, Flops, Layer, Misfit, Shape, Single, WithoutParameters, flow_shapes


@dataclass(frozen=True, kw_only=True)
class Embedding(Single):
    """Word embeddings plus learned positions: y[n, p] = words[x[n, p]] + positions[p]. Only the first layer can be one.

    The row words[0] of the padding starts like any other and is not trained: its gradient is 0. Nothing has to be done
    for that. `Attention` and `MeanPool` let nothing of a padding position reach another one or the outputs, so that the
    gradient of what stands there is exactly 0, and any value of the row gives the same outputs.
    """

    activation: ClassVar[Activation] = "identity"
    words: int  # the padding included: ids are below it
    positions: int
    width: int

    def shapes(self) -> dict[str, Shape]:
        """Return the shapes of both tables."""
        return {"words": (self.words, self.width), "positions": (self.positions, self.width)}

    def fan_in(self) -> int:
        """Return 1: each output is a row of a table."""
        return 1

    def output(self, shape: Shape) -> Shape:
        """Return [positions, width] for [positions]. Raises `Misfit`."""
        if shape != (self.positions,):
            raise Misfit(f"{self} takes inputs of shape {[self.positions]}, and got {list(shape)}")
        return self.positions, self.width

    def flops(self, shape: Shape) -> Flops:
        """Return 0: only sums of products are counted."""
        return Flops(0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Normalization(Single):
    """What layers that normalize over the last axis have in common. Whatever the start of a task, scale starts at 1."""

    activation: ClassVar[Activation] = "identity"
    width: int
    epsilon: float

    def shapes(self) -> dict[str, Shape]:
        """Return the shape of scale."""
        return {"scale": (self.width,)}

    def fan_in(self) -> int:
        """Return the number of values that are normalized together."""
        return self.width

    def output(self, shape: Shape) -> Shape:
        """Return the same shape [..., width]. Raises `Misfit`."""
        if not shape or shape[-1] != self.width:
            raise Misfit(f"{self} takes inputs of shape [..., {self.width}], and got {list(shape)}")
        return shape

    def flops(self, shape: Shape) -> Flops:
        """Return 0: only sums of products are counted."""
        return Flops(0, 0, 0)


class LayerNorm(Normalization):
    """Normalization over the last axis: y = (x - mean) / sqrt(variance + epsilon) * scale + shift.

    The variance is the biased one, the mean of (x - mean)^2 (Ba et al. 2016). Shift starts at 0. When it is not set,
    epsilon is 1e-5 in PyTorch, 1e-3 in Keras and 1e-6 in Flax.
    """

    def shapes(self) -> dict[str, Shape]:
        """Return the shapes of scale and shift."""
        return {"scale": (self.width,), "shift": (self.width,)}


class RMSNorm(Normalization):
    """Normalization over the last axis by the root mean square: y = x / sqrt(mean of x^2 + epsilon) * scale.

    Unlike in `LayerNorm`, no mean is subtracted, and there is no shift (Zhang and Sennrich 2019, Root mean square layer
    normalization). When it is not set, epsilon is 1e-6 in Keras and Flax, and the machine epsilon in PyTorch.
    """


@dataclass(frozen=True, kw_only=True)
class Attention(Single):
    """Multi-head self-attention (Vaswani et al. 2017, 3.2), not causal and without dropout.

    q, k and v are x times query, key and value, plus their biases. With D = width / heads, head h has the columns
    h D to (h + 1) D - 1 of each, and computes for each position the sum over all positions j of softmax_j(s) v[j],
    where s[j] is the dot product of q and k[j], divided by sqrt(D), and minus infinity where j is padding. The heads
    side by side, times output, plus its bias, are y. Padding positions get values too, which count nowhere.

    The bias of the key adds the same number to all scores of a position, which softmax does not see. So its gradient is
    0 but for rounding, and Adam, which divides by its size, takes steps of nothing but rounding: it differs everywhere.
    """

    activation: ClassVar[Activation] = "identity"
    width: int
    heads: int

    def shapes(self) -> dict[str, Shape]:
        """Return the shapes of four matrices [width, width], each followed by its bias."""
        found: dict[str, Shape] = {}
        for name in ("query", "key", "value", "output"):
            found |= {name: (self.width, self.width), f"{name}_bias": (self.width,)}
        return found

    def fan_in(self) -> int:
        """Return the number of rows of each matrix."""
        return self.width

    def output(self, shape: Shape) -> Shape:
        """Return the same shape [positions, width]. Raises `Misfit`, also for a width that heads do not divide."""
        if self.width % self.heads:
            raise Misfit(f"{self} has a width that is no multiple of heads")
        if len(shape) != 2 or shape[1] != self.width:
            raise Misfit(f"{self} takes inputs of shape [positions, {self.width}], and got {list(shape)}")
        return shape

    def flops(self, shape: Shape) -> Flops:
        """Return the operations of four products with matrices, and of two of each position with every other.

        The way back through the latter, and the one to the heads, belong to the gradients of query, key and value.
        """
        product, pairs = 2 * shape[0] * self.width**2, 2 * shape[0] ** 2 * self.width
        return Flops(4 * product + 2 * pairs, 5 * product + 4 * pairs, 3 * product)

    def values(self, shape: Shape) -> int:
        """Return the numbers of q, k, v, what the heads give, and y; and of the scores, before and after softmax."""
        return 5 * shape[0] * self.width + 2 * self.heads * shape[0] ** 2


@dataclass(frozen=True)
class MeanPool(WithoutParameters):
    """The mean over the positions that hold a word; padding counts neither in the sum nor in the number."""

    def output(self, shape: Shape) -> Shape:
        """Return [width] for [positions, width]. Raises `Misfit`."""
        if len(shape) != 2:
            raise Misfit(f"{self} takes inputs of shape [positions, width], and got {list(shape)}")
        return shape[1:]


@dataclass(frozen=True)
class Residual:
    """A sum of what comes in and what layers make of it: y = x + layers(x). `0.scale` is the scale of the first."""

    activation: ClassVar[Activation] = "identity"
    layers: tuple[Layer, ...]

    def shapes(self) -> dict[str, Shape]:
        """Return the shapes of the parameters of its layers, in their order, by dotted names."""
        return {f"{i}.{name}": shape for i, each in enumerate(self.layers) for name, shape in each.shapes().items()}

    def fan_in(self) -> int:
        """Return 1: each of its layers has its own."""
        return 1

    def output(self, shape: Shape) -> Shape:
        """Return the same shape. Raises `Misfit` for one that its layers do not take, or do not give back."""
        if (found := flow_shapes(self.layers, shape)[-1]) != shape:
            raise Misfit(f"{self} adds {list(found)} to {list(shape)}: its layers must keep the shape")
        return shape

    def flops(self, shape: Shape) -> Flops:
        """Return the operations of its layers; the way back to the inputs of the first is part of that to its own."""
        each = [
            layer.flops(before) for layer, before in zip(self.layers, flow_shapes(self.layers, shape)[:-1], strict=True)
        ]
        return Flops(*(sum(part) for part in zip(*each, strict=True)))

    def values(self, shape: Shape) -> int:
        """Return the numbers that all its layers make, and the sum."""
        shapes = flow_shapes(self.layers, shape)
        numbers = (layer.values(before) for layer, before in zip(self.layers, shapes[:-1], strict=True))
        return sum(numbers) + math.prod(shape)

    def inside(self) -> tuple[Layer, ...]:
        """Return its layers."""
        return self.layers


def every(layers: tuple[Layer, ...]) -> Iterator[Layer]:
    """Yield all layers and those that they are made of."""
    for layer in layers:
        yield layer
        yield from every(layer.inside())


def inner(layer: Layer, named: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the parameters of each of the layers that a layer is made of, from its own with their dotted names."""
    return tuple({name: named[f"{i}.{name}"] for name in each.shapes()} for i, each in enumerate(layer.inside()))


def outer(params: tuple[Mapping[str, Any], ...]) -> dict[str, Any]:
    """Return the parameters of a layer from those of the layers that it is made of: the inverse of `inner`."""
    return {f"{i}.{name}": part for i, named in enumerate(params) for name, part in named.items()}


def reads_ids(layers: tuple[Layer, ...]) -> bool:
    """Return whether the inputs of a model are ids of words."""
    return type(layers[0]) is Embedding


OF_WORDS = (Attention, MeanPool)  # these ask which positions hold a word


def require_ids(layers: tuple[Layer, ...], ids: int) -> None:
    """Raise `Misfit` for layers that do not go with inputs that are ids below `ids`, or with numbers if that is 0."""
    if ids and not reads_ids(layers):
        raise Misfit(f"{layers[0]} takes numbers, and got ids of words; only an Embedding takes them")
    for number, layer in enumerate(every(layers)):
        if type(layer) is Embedding and not ids:
            raise Misfit(f"{layer} takes ids of words, and got numbers")
        if type(layer) is Embedding and (number > 0 or layer.words < ids):
            raise Misfit(f"{layer} must be the first layer, with all {ids} words of the data, the padding included")
        if not reads_ids(layers) and type(layer) in OF_WORDS:
            raise Misfit(f"{layer} needs to know which positions hold words, so the first layer must be an Embedding")
