"""Layers, losses and optimizers in PyTorch: modules and functions with automatic gradients, and `torch.optim`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as all of PyTorch's users write it

from backends.contract import (
    SGD,
    Adam,
    Dense,
    EmbeddingSum,
    Inputs,
    Layer,
    LayerParams,
    Momentum,
    Optimizer,
    Params,
    Supported,
    WordCounts,
)


class Words(NamedTuple):
    """Documents in the format of `F.embedding_bag`."""

    words: Tensor  # [entries]
    starts: Tensor  # start of each document, and end of the last one [documents + 1]
    counts: Tensor  # [entries]


Batch: TypeAlias = "Tensor | Words"


def put(inputs: Inputs, device: torch.device) -> Batch:
    """Copy inputs to the device."""
    if isinstance(inputs, WordCounts):
        arrays = inputs.words, inputs.starts.astype(np.int32), inputs.counts
        return Words(*(torch.tensor(array).to(device) for array in arrays))
    return torch.tensor(inputs).to(device)


def take(inputs: Batch, rows: Tensor) -> Batch:
    """Return the rows `rows` [batch] of `inputs`, on their device."""
    if not isinstance(inputs, Words):
        return inputs[rows]
    begins = inputs.starts[rows]
    lengths = inputs.starts[rows + 1] - begins
    starts = F.pad(lengths.cumsum(0, dtype=torch.int32), (1, 0))
    # Entry i of the batch is entry i - (start of its document in the batch) + (start of the document in `inputs`).
    shifts = torch.repeat_interleave(begins - starts[:-1], lengths)
    entries = torch.arange(len(shifts), device=rows.device) + shifts
    return Words(inputs.words[entries], starts, inputs.counts[entries])


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda z: z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
}


class EmbeddingSumLayer(nn.Module):
    """A sum of word embeddings, each multiplied by its count, and a bias."""

    def __init__(self, vocabulary: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(vocabulary, outputs))
        self.bias = nn.Parameter(torch.empty(outputs))

    def forward(self, batch: Words) -> Tensor:
        """Return [documents, outputs]."""
        words, starts, counts = batch
        sums = F.embedding_bag(
            words, self.weight, starts, mode="sum", per_sample_weights=counts, include_last_offset=True
        )
        return sums + self.bias


class Network(nn.Module):
    """The stack of layers, not yet initialised."""

    def __init__(self, layers: tuple[Layer, ...]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            EmbeddingSumLayer(layer.inputs, layer.outputs)
            if isinstance(layer, EmbeddingSum)
            else nn.Linear(layer.inputs, layer.outputs)
            for layer in layers
        )
        self.activations = [ACTIVATIONS[layer.activation] for layer in layers]

    def forward(self, flow: Batch) -> Tensor:
        """Return the outputs [batch, outputs]."""
        for layer, activation in zip(self.layers, self.activations, strict=True):
            flow = activation(layer(flow))
        return flow

    def load(self, params: Params) -> None:
        """Copy weights [inputs, outputs] and biases into the existing parameter tensors."""
        for target, source in zip(self.matrices(), params, strict=True):
            for part, array in zip(target, source, strict=True):
                part.copy_(torch.tensor(array))

    def params(self) -> Params:
        """Return copies of weights [inputs, outputs] and biases, in host memory."""
        return tuple(LayerParams(*(part.cpu().numpy().copy() for part in pair)) for pair in self.matrices())

    def matrices(self) -> list[tuple[Tensor, Tensor]]:
        """Return weights [inputs, outputs] and bias of each layer, sharing the parameters' memory."""
        # nn.Linear keeps its weights as [outputs, inputs].
        return [
            (layer.weight.detach().T if isinstance(layer, nn.Linear) else layer.weight.detach(), layer.bias.detach())
            for layer in self.layers
        ]


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # outputs [batch, outputs], targets -> mean over the batch
    "mse": F.mse_loss,
    "half_mse": lambda outputs, targets: F.mse_loss(outputs, targets) / 2,
    "softmax_cross_entropy": F.cross_entropy,
}


SUPPORTED = Supported(
    framework="PyTorch",
    layers=(Dense, EmbeddingSum),
    activations=ACTIVATIONS,
    losses=LOSSES,
    optimizers=(SGD, Momentum, Adam),
)


def make_optimizer(optimizer: Optimizer, model: nn.Module) -> torch.optim.Optimizer:
    """Return PyTorch's own optimizer with the same semantics."""
    parameters = model.parameters()
    match optimizer:
        case SGD(rate):
            return torch.optim.SGD(parameters, lr=rate)
        case Momentum(rate, momentum):
            return torch.optim.SGD(parameters, lr=rate, momentum=momentum)
        case Adam(rate, beta1, beta2, epsilon):
            return torch.optim.Adam(parameters, lr=rate, betas=(beta1, beta2), eps=epsilon)
