"""What a task is: data, model, loss, optimizer, batch, epochs and metric, nothing of any framework."""

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
    """Layers between the data's features and its outputs, and how their weights start.

    Starts: `uniform` draws weights and biases from ±1/√inputs of the layer; `gaussian` from a normal distribution of
    deviation 1; `one_zero` sets weights to 1 and biases to 0.
    """

    hidden: tuple[Count, ...] = ()  # neurons of each hidden layer
    activation: Activation = "relu"  # of the hidden layers
    output_activation: Activation = "identity"
    first_layer: Literal["dense", "embedding_sum"] = "dense"
    start: Start = "uniform"

    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        """Return the layers for `inputs` features and `outputs` outputs."""
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
    """One training, defined once for every backend. Its fields, but name and summary, are its settings."""

    name: str
    summary: str
    data: Data
    model: Model
    loss: Loss
    optimizer: Optimizer
    batch_size: Count | Literal["all"]  # a last batch that is not full is left out, in every epoch and everywhere
    epochs: Count
    metric: Metric
    check_epochs: Count  # how many of them parity follows in float64
    seed: Seed = 0
