"""Layers, losses and optimizers in PyTorch: modules and functions with automatic gradients, and `torch.optim`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as all of PyTorch's users write it

from backends.contract import (
    SGD,
    Adam,
    Attention,
    AveragePool2d,
    Conv2d,
    Dense,
    Embedding,
    EmbeddingSum,
    Flatten,
    Inputs,
    Layer,
    LayerNorm,
    MaxPool2d,
    MeanPool,
    Momentum,
    Optimizer,
    Params,
    Residual,
    RMSNorm,
    Supported,
    WordCounts,
    outer,
    reads_ids,
)
from backends.torch_sequences import AttentionLayer, EmbeddingLayer, LayerNormLayer, MeanPoolLayer, RMSNormLayer


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
    tensor = torch.tensor(inputs).to(device)
    # PyTorch's images are [batch, channels, height, width].
    return tensor.permute(0, 3, 1, 2).contiguous() if tensor.ndim == 4 else tensor


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
    "gelu": F.gelu,
}


Mask: TypeAlias = "Tensor | None"  # which positions hold a word [batch, positions]; None if the inputs are no ids


class DenseLayer(nn.Linear):
    """A fully connected layer with its activation."""

    def __init__(self, layer: Dense) -> None:
        super().__init__(layer.inputs, layer.outputs)
        self.activation = ACTIVATIONS[layer.activation]

    def forward(self, x: Tensor, _mask: Mask) -> Tensor:
        """Return [batch, outputs], or [batch, positions, outputs]."""
        return self.activation(super().forward(x))

    def named(self) -> dict[str, Tensor]:
        """Return the parameters in the contract's layout; `nn.Linear` keeps weights as [outputs, inputs]."""
        return {"weights": self.weight.T, "bias": self.bias}


class EmbeddingSumLayer(nn.Module):
    """A sum of word embeddings, each multiplied by its count, with bias and activation."""

    def __init__(self, layer: EmbeddingSum) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(layer.inputs, layer.outputs))
        self.bias = nn.Parameter(torch.empty(layer.outputs))
        self.activation = ACTIVATIONS[layer.activation]

    def forward(self, batch: Words, _mask: Mask) -> Tensor:
        """Return [documents, outputs]."""
        words, starts, counts = batch
        sums = F.embedding_bag(
            words, self.weight, starts, mode="sum", per_sample_weights=counts, include_last_offset=True
        )
        return self.activation(sums + self.bias)

    def named(self) -> dict[str, Tensor]:
        """Return the parameters in the contract's layout."""
        return {"weights": self.weight, "bias": self.bias}


class Conv2dLayer(nn.Conv2d):
    """A convolution with its activation."""

    def __init__(self, layer: Conv2d) -> None:
        top, bottom, left, right = layer.padding
        alike = top == bottom and left == right
        padding = (top, left) if alike else 0
        super().__init__(layer.inputs, layer.outputs, layer.kernel, layer.stride, padding)
        self.around = None if alike else (left, right, top, bottom)  # nn.Conv2d pads both sides by the same number
        self.activation = ACTIVATIONS[layer.activation]

    def forward(self, images: Tensor, _mask: Mask) -> Tensor:
        """Return [batch, channels, height, width]."""
        return self.activation(super().forward(F.pad(images, self.around) if self.around else images))

    def named(self) -> dict[str, Tensor]:
        """Return the parameters in the contract's layout; PyTorch has [outputs, inputs, height, width]."""
        return {"weights": self.weight.permute(2, 3, 1, 0), "bias": self.bias}


class MaxPool2dLayer(nn.MaxPool2d):
    """The maximum of each window."""

    def __init__(self, layer: MaxPool2d) -> None:
        super().__init__(layer.window)

    def forward(self, images: Tensor, _mask: Mask) -> Tensor:
        """Return [batch, channels, height / window, width / window]."""
        return super().forward(images)

    def named(self) -> dict[str, Tensor]:
        """Return nothing: there are no parameters."""
        return {}


class AveragePool2dLayer(nn.AvgPool2d):
    """The mean of each window."""

    def __init__(self, layer: AveragePool2d) -> None:
        super().__init__(layer.window)

    def forward(self, images: Tensor, _mask: Mask) -> Tensor:
        """Return [batch, channels, height / window, width / window]."""
        return super().forward(images)

    def named(self) -> dict[str, Tensor]:
        """Return nothing: there are no parameters."""
        return {}


class FlattenLayer(nn.Module):
    """An image as one row, with the channels last as in the contract."""

    def __init__(self, _: Flatten) -> None:
        super().__init__()

    def forward(self, images: Tensor, _mask: Mask) -> Tensor:
        """Return [batch, values]."""
        return images.permute(0, 2, 3, 1).flatten(1)

    def named(self) -> dict[str, Tensor]:
        """Return nothing: there are no parameters."""
        return {}


class ResidualLayer(nn.Module):
    """The inputs plus what the layers inside make of them."""

    def __init__(self, layer: Residual) -> None:
        super().__init__()
        self.layers = nn.ModuleList(LAYERS[type(each)](each) for each in layer.layers)

    def forward(self, x: Tensor, mask: Mask) -> Tensor:
        """Return a tensor of the same shape."""
        flow = x
        for layer in self.layers:
            flow = layer(flow, mask)
        return x + flow

    def named(self) -> dict[str, Tensor]:
        """Return the parameters of the layers inside, by dotted names."""
        return outer(tuple(layer.named() for layer in self.layers))


LAYERS: dict[type, Callable[[Any], nn.Module]] = {
    Dense: DenseLayer,
    EmbeddingSum: EmbeddingSumLayer,
    Conv2d: Conv2dLayer,
    MaxPool2d: MaxPool2dLayer,
    AveragePool2d: AveragePool2dLayer,
    Flatten: FlattenLayer,
    Embedding: EmbeddingLayer,
    LayerNorm: LayerNormLayer,
    RMSNorm: RMSNormLayer,
    Attention: AttentionLayer,
    MeanPool: MeanPoolLayer,
    Residual: ResidualLayer,
}


class Network(nn.Module):
    """The stack of layers, not yet initialised."""

    def __init__(self, layers: tuple[Layer, ...]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(LAYERS[type(layer)](layer) for layer in layers)
        self.reads_ids = reads_ids(layers)

    def forward(self, flow: Batch) -> Tensor:
        """Return the outputs [batch, outputs]."""
        mask = flow != 0 if self.reads_ids else None
        for layer in self.layers:
            flow = layer(flow, mask)
        return flow

    def load(self, params: Params) -> None:
        """Copy parameters into the existing tensors."""
        for layer, given in zip(self.layers, params, strict=True):
            for name, tensor in layer.named().items():
                tensor.detach().copy_(torch.tensor(given[name]))

    def params(self) -> Params:
        """Return copies of the parameters, in host memory."""
        return tuple(
            {name: tensor.detach().cpu().numpy().copy() for name, tensor in layer.named().items()}
            for layer in self.layers
        )


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # outputs [batch, outputs], targets -> mean over the batch
    "mse": F.mse_loss,
    "half_mse": lambda outputs, targets: F.mse_loss(outputs, targets) / 2,
    "softmax_cross_entropy": F.cross_entropy,
}


SUPPORTED = Supported(
    framework="PyTorch",
    layers=LAYERS,
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
