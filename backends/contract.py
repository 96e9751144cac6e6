"""What a backend is given and what it must do: data types and protocols, NumPy only.

What follows is the only definition of each layer, loss and optimizer. Every backend keeps it, in its own idiom.

Layers, for inputs x [batch, inputs], weights W [inputs, outputs], bias b [outputs]:
    y = activation(x W + b). `Dense` takes x as an array; `EmbeddingSum` takes x as word counts and sums the rows of W
    of the words that occur, which is the same product without its zeros.

Losses, for outputs z [batch, outputs]:
    mse                     mean of (z - target)^2 over batch and outputs
    half_mse                half of that
    softmax_cross_entropy   mean over the batch of log(sum(exp(z))) - z[class]

Optimizers, for parameter p with gradient g, at step t = 1, 2, ...; all state starts at zero:
    SGD        p <- p - learning_rate g
    Momentum   v <- momentum v + g;  p <- p - learning_rate v            (no dampening, not Nesterov's)
    Adam       m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2
               p <- p - learning_rate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
               (Kingma and Ba 2015, algorithm 1: epsilon stands outside the root and after the bias correction)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from backends.words import Bags, WordCounts

__all__ = [
    "SGD",
    "Activation",
    "Adam",
    "Array",
    "Bags",
    "Dense",
    "Device",
    "EmbeddingSum",
    "Inputs",
    "Layer",
    "LayerParams",
    "Loss",
    "Momentum",
    "Optimizer",
    "Params",
    "Placement",
    "Precision",
    "Problem",
    "Trainer",
    "Unsupported",
    "WordCounts",
]

Array = npt.NDArray[Any]
Inputs = Array | WordCounts
Activation = Literal["identity", "sigmoid", "tanh", "relu"]
Loss = Literal["mse", "half_mse", "softmax_cross_entropy"]
Device = Literal["cpu", "gpu"]
Precision = Literal["float32", "float64"]


@dataclass(frozen=True)
class Dense:
    """A matrix product, a bias and an activation."""

    inputs: int
    outputs: int
    activation: Activation


@dataclass(frozen=True)
class EmbeddingSum:
    """A sum of word embeddings, a bias and an activation; always the first layer, for word counts."""

    inputs: int  # size of the vocabulary
    outputs: int
    activation: Activation


Layer = Dense | EmbeddingSum


class LayerParams(NamedTuple):
    """The numbers that one layer learns."""

    weights: Array  # [inputs, outputs]
    bias: Array  # [outputs]


Params = tuple[LayerParams, ...]


@dataclass(frozen=True)
class SGD:
    """Plain gradient descent."""

    slots: ClassVar[int] = 0  # numbers of state that it keeps for each parameter
    learning_rate: float


@dataclass(frozen=True)
class Momentum:
    """Gradient descent along a decaying sum of gradients."""

    slots: ClassVar[int] = 1  # v
    learning_rate: float
    momentum: float = 0.9


@dataclass(frozen=True)
class Adam:
    """Adam with bias correction."""

    slots: ClassVar[int] = 2  # m and v
    learning_rate: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8


Optimizer = SGD | Momentum | Adam


@dataclass(frozen=True)
class Problem:
    """Everything that defines the arithmetic of a training, in the precision it is to be trained in.

    The arrays are read-only and belong to the caller.
    """

    inputs: Inputs  # float [rows, features], or word counts of as many documents
    targets: Array  # float [rows, outputs], or class numbers int32 [rows] for softmax_cross_entropy
    layers: tuple[Layer, ...]
    loss: Loss
    optimizer: Optimizer
    batch_size: int

    @property
    def full_batch(self) -> bool:
        """Whether every step takes all rows in their own order, so that nothing need be gathered."""
        return self.batch_size == len(self.inputs)

    def gathered(self, order: Array) -> Array:
        """Return the row ids to gather, `order` [steps, batch], or [steps, 0] where every step takes all rows."""
        return order[:, :0] if self.full_batch else order


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where and how to train."""

    mode: str
    device: Device
    precision: Precision
    threads: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy type of all numbers that are trained."""
        return np.dtype(self.precision)


class Unsupported(Exception):
    """Raised by `open_trainer` where a backend cannot do what is asked; the message says why, for people."""


class Trainer(Protocol):
    """One model with its data on one device, ready to be trained again and again."""

    def reset(self, params: Params) -> None:
        """Copy `params` in and clear all optimizer state, in place: nothing is compiled anew."""

    def train(self, order: Array) -> Array:
        """Take one step for each row of `order`, int32 [steps, batch]; return the loss before each of them, [steps].

        Returns when the last update is finished on the device. For a full-batch problem every row of `order` is
        0, 1, ..., rows - 1, and only the number of steps matters.
        """

    def predict(self, inputs: Inputs) -> Array:
        """Return the last layer's outputs [rows, outputs] for `inputs` [rows, ...]."""

    def params(self) -> Params:
        """Return copies of the parameters in host memory."""

    def peak_device_memory_bytes(self) -> int | None:
        """Return the most memory that has been in use on a GPU, by the framework's own account; None on the CPU."""


class Backend(Protocol):
    """A module that holds these functions is a backend."""

    def open_trainer(self, problem: Problem, placement: Placement) -> Trainer:
        """Put model and data on the device. Raises `Unsupported`."""

    def open_product(self, size: int, placement: Placement) -> Callable[[], None]:
        """Return a function that multiplies two matrices [size, size] and returns when that is done.

        What it takes bounds how fast the framework can train on this device: nearly all of a large model's time goes
        into matrix products. It is called after `open_trainer`, in the same process.
        """
