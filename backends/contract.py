"""Interface of a backend: the types of its input and the protocols that it implements. Imports no framework.

Every backend implements the following definitions of layers, losses and optimizers in its own idiom.

Layers: see `backends.layers`. A backend has a table of those that it knows and refuses others.

Activations, of z element by element:
    identity   z
    sigmoid    1 / (1 + exp(-z))
    tanh       (exp(z) - exp(-z)) / (exp(z) + exp(-z))
    relu       max(z, 0)
    gelu       z (1 + erf(z / sqrt(2))) / 2, exactly, not the approximation by tanh (Hendrycks and Gimpel 2016)

Losses, for outputs z [batch, outputs]:
    mse                     mean of (z - target)^2 over batch and outputs
    half_mse                half of that
    softmax_cross_entropy   mean over the batch of log(sum(exp(z))) - z[class], sum over outputs

Optimizers, for parameter p with gradient g, at step t = 1, 2, ...; m and v start at zero:
    SGD        p <- p - learning_rate g
    Momentum   v <- momentum v + g;  p <- p - learning_rate v            (no dampening, no Nesterov)
    Adam       m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2
               p <- p - learning_rate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
               (Kingma and Ba 2015, algorithm 1: epsilon is added outside the square root, after the bias correction)
               1 - beta^t needs float64, or -expm1(t log(beta)), in float32 too: as a difference in float32 it loses up
               to five digits, which the check of the timed run would not explain by rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Protocol

import numpy as np
from msgspec import Meta

from backends.layers import (
    Activation,
    Array,
    AveragePool2d,
    Conv2d,
    Dense,
    EmbeddingSum,
    Flatten,
    Layer,
    MaxPool2d,
    Misfit,
    Params,
    Shape,
    Unsupported,
    dtype_of,
    flow_shapes,
    map_params,
    parameter_count,
    parts,
    views,
)
from backends.sequences import (
    Attention,
    Embedding,
    LayerNorm,
    MeanPool,
    Residual,
    RMSNorm,
    every,
    inner,
    outer,
    reads_ids,
    require_ids,
)
from backends.words import Bags, WordCounts

__all__ = [
    "SGD",
    "Activation",
    "Adam",
    "Array",
    "Attention",
    "AveragePool2d",
    "Bags",
    "Conv2d",
    "Dense",
    "Device",
    "Embedding",
    "EmbeddingSum",
    "Flatten",
    "Inputs",
    "Layer",
    "LayerNorm",
    "Loss",
    "MaxPool2d",
    "MeanPool",
    "Misfit",
    "Momentum",
    "Optimizer",
    "Params",
    "Placement",
    "Precision",
    "Predictor",
    "Problem",
    "RMSNorm",
    "Residual",
    "Shape",
    "Supported",
    "Trainer",
    "Unsupported",
    "WordCounts",
    "dtype_of",
    "every",
    "flow_shapes",
    "inner",
    "map_params",
    "outer",
    "parameter_count",
    "parts",
    "reads_ids",
    "require_ids",
    "row_shape",
    "views",
]

Inputs = Array | WordCounts  # [rows, ...]
Predictor = Callable[[Inputs], Array]
Loss = Literal["mse", "half_mse", "softmax_cross_entropy"]
Device = Literal["cpu", "gpu"]
Precision = Literal["float32", "float64"]

Positive = Annotated[float, Meta(gt=0)]
Decay = Annotated[float, Meta(ge=0, lt=1)]  # a moving average that forgets nothing would never begin


@dataclass(frozen=True)
class SGD:
    """Gradient descent without momentum."""

    slots: ClassVar[int] = 0  # state values per parameter
    learning_rate: Positive


@dataclass(frozen=True)
class Momentum:
    """Gradient descent with momentum."""

    slots: ClassVar[int] = 1  # v
    learning_rate: Positive
    momentum: Decay = 0.9


@dataclass(frozen=True)
class Adam:
    """Adam with bias correction."""

    slots: ClassVar[int] = 2  # m and v
    learning_rate: Positive
    beta1: Decay = 0.9
    beta2: Decay = 0.999
    epsilon: Positive = 1e-8  # without it, a parameter whose gradient stays 0 would become 0 / 0


Optimizer = SGD | Momentum | Adam


def row_shape(inputs: Inputs) -> Shape:
    """Return the shape of one row of inputs: that of an array, or the size of a vocabulary."""
    return (inputs.vocabulary,) if isinstance(inputs, WordCounts) else inputs.shape[1:]


@dataclass(frozen=True)
class Problem:
    """Everything that defines the computation of a training, with all arrays in the precision of the training.

    The arrays are read-only and belong to the caller.
    """

    inputs: Inputs  # float [rows, ...], or word counts of as many documents as rows
    targets: Array  # float [rows, outputs], or class numbers int32 [rows] for softmax_cross_entropy
    layers: tuple[Layer, ...]
    loss: Loss
    optimizer: Optimizer
    batch_size: int

    @property
    def row_shape(self) -> Shape:
        """Shape of one row of the inputs: its features, or the size of the vocabulary."""
        return row_shape(self.inputs)

    @property
    def full_batch(self) -> bool:
        """Whether every step uses all rows in their original order, so that no rows have to be gathered."""
        return self.batch_size == len(self.inputs)

    def gathered(self, order: Array) -> Array:
        """Return the row indices to gather: `order` [steps, batch], or [steps, 0] for a full-batch problem."""
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
        """The NumPy dtype of `precision`."""
        return np.dtype(self.precision)


@dataclass(frozen=True)
class Supported:
    """What a backend can train. It refuses all else, also what a later version of this contract may add.

    A layer that is computed as if it were another one would be wrong in every backend alike, and parity would say yes.
    """

    framework: str  # its name, for people
    layers: Collection[type]
    activations: Collection[str]
    losses: Collection[str]
    optimizers: Collection[type]

    def require(self, problem: Problem) -> None:
        """Raise `Unsupported` if a problem has anything else."""
        parts = [
            *((type(layer).__name__, type(layer) in self.layers) for layer in every(problem.layers)),
            *((layer.activation, layer.activation in self.activations) for layer in every(problem.layers)),
            (problem.loss, problem.loss in self.losses),
            (type(problem.optimizer).__name__, type(problem.optimizer) in self.optimizers),
        ]
        if unknown := next((name for name, known in parts if not known), ""):
            raise Unsupported(f"the backend of {self.framework} has no {unknown}")


class Trainer(Protocol):
    """A model and its data on one device. It can be trained repeatedly."""

    def reset(self, params: Params) -> None:
        """Set the parameters to `params` and clear the optimizer state, in place, so that nothing is compiled again."""

    def train(self, order: Array) -> Array:
        """Train one step per row of `order`, int32 [steps, batch]; return the losses [steps], each before its update.

        Return only after the device has finished the last update. For a full-batch problem every row of `order` is
        0, 1, ..., rows - 1, and only the number of steps matters.
        """

    def predict(self, inputs: Inputs) -> Array:
        """Return the outputs of the last layer [rows, outputs] for `inputs` [rows, ...] or word counts."""

    def predictor(self, rows: int) -> Predictor:
        """Return a function that answers requests of exactly `rows` rows, as a service in this mode does.

        It gets inputs in host memory and returns outputs [rows, outputs] in host memory, with the parameters of now: it
        need not be right after the next call of `reset` or `train`. It may compile in its first call for each shape.
        Of word counts, all numbers of entries up to the same power of two count as one shape, see
        `WordCounts.rounded_bags`.
        """

    def params(self) -> Params:
        """Return copies of the parameters in host memory."""

    def peak_device_memory_bytes(self) -> int | None:
        """Return the peak GPU memory as reported by the framework; None on the CPU."""


class Backend(Protocol):
    """A backend is a module with these functions."""

    def open_trainer(self, problem: Problem, placement: Placement) -> Trainer:
        """Return a trainer with model and data on the device. Raises `Unsupported`."""

    def open_product(self, size: int, placement: Placement) -> Callable[[], None]:
        """Return a function that multiplies two matrices [size, size] and returns when the product is finished.

        Its time limits how fast the framework can train on this device, because a large model spends nearly all of its
        time in matrix products. The harness calls `open_product` after `open_trainer`, in the same process.
        """
