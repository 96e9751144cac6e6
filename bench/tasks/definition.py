"""Definition of a task: data, model, loss, optimizer, batch size, epochs and metric, independent of any framework."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

from backends.contract import Activation, Dense, EmbeddingSum, Layer, Loss, Optimizer, Shape
from bench.tasks.datasets.base import Data
from bench.tasks.fields import Count, Seed

Metric = Literal["rmse", "accuracy", "threshold_accuracy"]
Start = Literal["uniform", "gaussian", "one_zero"]


class Architecture(Protocol):
    """What a task needs to know of a model, a frozen dataclass whose fields are the settings `model.*` of the task."""

    @property
    def start(self) -> Start:
        """The initialization, where n is the number of inputs that an output of the layer depends on.

        uniform    weights and biases are uniform in [-1/sqrt(n), 1/sqrt(n)]
        gaussian   weights and biases are standard normal (mean 0, standard deviation 1)
        one_zero   weights are 1, biases are 0
        """

    @property
    def takes_counts(self) -> bool:
        """Whether the first layer takes word counts as they are; otherwise they become an array [rows, vocabulary]."""

    def layers(self, inputs: Shape, outputs: int, words: int = 0, /) -> tuple[Layer, ...]:
        """Return the layers that map inputs of this shape of a row to [rows, outputs]. May raise `Misfit`.

        `words` is the number of ids, the padding included, if the inputs are ids of words.
        """


@dataclass(frozen=True, kw_only=True)
class Model:
    """A multilayer perceptron: its hidden layers, activations and initialization (see `Architecture.start`)."""

    hidden: tuple[Count, ...] = ()  # number of units of each hidden layer
    activation: Activation = "relu"  # of the hidden layers
    output_activation: Activation = "identity"
    first_layer: Literal["dense", "embedding_sum"] = "dense"
    start: Start = "uniform"

    @property
    def takes_counts(self) -> bool:
        """Whether the first layer is a sum of word embeddings."""
        return self.first_layer == "embedding_sum"

    def layers(self, inputs: Shape, outputs: int, _words: int = 0, /) -> tuple[Layer, ...]:
        """Return the layers that map [rows, inputs] to [rows, outputs]."""
        sizes = (math.prod(inputs), *self.hidden, outputs)
        activations = (self.activation,) * len(self.hidden) + (self.output_activation,)
        first = EmbeddingSum if self.takes_counts else Dense
        kinds = (first, *(Dense for _ in self.hidden))
        return tuple(
            kind(before, after, activation)
            for kind, before, after, activation in zip(kinds, sizes[:-1], sizes[1:], activations, strict=True)
        )


@dataclass(frozen=True)
class Stack:
    """Any layers, one behind the other, written out. They are no settings, and must fit the data as they are."""

    stack: tuple[Layer, ...]
    start: Start = "uniform"

    @property
    def takes_counts(self) -> bool:
        """Whether the first layer is a sum of word embeddings."""
        return type(self.stack[0]) is EmbeddingSum

    def layers(self, _inputs: Shape, _outputs: int, _words: int = 0, /) -> tuple[Layer, ...]:
        """Return these layers, for data of any shape; who asks has to see whether they fit."""
        return self.stack


@dataclass(frozen=True, kw_only=True)
class Task:
    """One training task, the same for every backend. All fields except `name` and `summary` are its settings."""

    name: str
    summary: str
    data: Data
    model: Architecture
    loss: Loss
    optimizer: Optimizer
    batch_size: Count | Literal["all"]  # every backend drops a last batch that is not full, in every epoch
    epochs: Count
    metric: Metric
    check_epochs: Count  # number of epochs that the parity check trains in float64
    seed: Seed = 0

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of the model for the size of the data that is known before they are loaded. May raise `Misfit`."""
        size = self.data.size
        return self.model.layers(size.shape, size.outputs, size.ids)
