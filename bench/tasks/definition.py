"""Definition of a task: data, model, loss, optimizer, batch size, epochs and metric, independent of any framework."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from backends.contract import Activation, Dense, EmbeddingSum, Layer, Loss, Optimizer
from bench.tasks.datasets.base import Data
from bench.tasks.fields import Count, Seed

Metric = Literal["rmse", "accuracy", "threshold_accuracy"]
Start = Literal["uniform", "gaussian", "one_zero"]


@dataclass(frozen=True, kw_only=True)
class Model:
    """A multilayer perceptron: its hidden layers, activations and weight initialization.

    `start` is the initialization, where n is the number of inputs of the layer:
        uniform    weights and biases are uniform in [-1/sqrt(n), 1/sqrt(n)]
        gaussian   weights and biases are standard normal (mean 0, standard deviation 1)
        one_zero   weights are 1, biases are 0
    """

    hidden: tuple[Count, ...] = ()  # number of units of each hidden layer
    activation: Activation = "relu"  # of the hidden layers
    output_activation: Activation = "identity"
    first_layer: Literal["dense", "embedding_sum"] = "dense"
    start: Start = "uniform"

    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        """Return the layers of a model that maps [rows, inputs] to [rows, outputs]."""
        sizes = (inputs, *self.hidden, outputs)
        activations = (self.activation,) * len(self.hidden) + (self.output_activation,)
        first = EmbeddingSum if self.first_layer == "embedding_sum" else Dense
        kinds = (first, *(Dense for _ in self.hidden))
        return tuple(
            kind(before, after, activation)
            for kind, before, after, activation in zip(kinds, sizes[:-1], sizes[1:], activations, strict=True)
        )


@dataclass(frozen=True, kw_only=True)
class Task:
    """One training task, the same for every backend. All fields except `name` and `summary` are its settings."""

    name: str
    summary: str
    data: Data
    model: Model
    loss: Loss
    optimizer: Optimizer
    batch_size: Count | Literal["all"]  # every backend drops a last batch that is not full, in every epoch
    epochs: Count
    metric: Metric
    check_epochs: Count  # number of epochs that the parity check trains in float64
    seed: Seed = 0
