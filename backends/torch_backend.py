"""PyTorch: a module, automatic gradients and `torch.optim`, or one compiled function.

Modes:
    eager     the loop that PyTorch's tutorials teach: forward, loss, `backward`, `optimizer.step`, one operation at a
              time, with the data on the device and gathered there; what most people write
    dataloader  the loop of the tutorials to the letter: the batches from a `DataLoader`, which collates them row by row
              in host memory, and `loss.item()` after each step; what a beginner writes, and many who are none
    compile   a whole pass as one function through `torch.compile`: a `torch.while_loop` over steps of gathering,
              forward, gradients and update in place; what somebody writes who knows the compiler and counts
              microseconds. A step alone is that function where words are gathered before it, each time another number
              of them, and on a GPU, which would wait for the loop's condition at every step
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional as F  # noqa: N812 - as all of PyTorch's users write it
from torch.utils.data import DataLoader, Dataset, TensorDataset

from backends.contract import (
    SGD,
    Adam,
    Array,
    EmbeddingSum,
    Inputs,
    Layer,
    LayerParams,
    Momentum,
    Optimizer,
    Params,
    Placement,
    Problem,
    Unsupported,
    WordCounts,
)

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda z: z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
}
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": F.mse_loss,
    "half_mse": lambda outputs, targets: F.mse_loss(outputs, targets) / 2,
    "softmax_cross_entropy": F.cross_entropy,
}


def open_trainer(problem: Problem, placement: Placement) -> TorchTrainer:
    """Put model and data on the device. Raises `Unsupported` without CUDA for a GPU."""
    if placement.device == "gpu" and not torch.cuda.is_available():
        raise Unsupported(f"PyTorch {torch.__version__} finds no CUDA device")
    torch.set_num_threads(placement.threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    trainers: dict[str, Callable[[Problem, Placement], TorchTrainer]] = {
        "eager": EagerTrainer,
        "compile": CompiledTrainer,
        "dataloader": DataLoaderTrainer,
    }
    return trainers[placement.mode](problem, placement)


def open_product(size: int, placement: Placement) -> Callable[[], None]:
    """Return a function that multiplies two matrices [size, size]."""
    device = torch.device("cuda" if placement.device == "gpu" else "cpu")
    matrix = torch.ones(size, size, dtype=getattr(torch, placement.precision), device=device)
    out = torch.empty_like(matrix)

    def multiply() -> None:
        torch.mm(matrix, matrix, out=out)
        if placement.device == "gpu":
            torch.cuda.synchronize()

    return multiply


class Words(NamedTuple):
    """Documents as `F.embedding_bag` takes them."""

    words: Tensor  # [entries]
    starts: Tensor  # where each document begins, and where the last one ends [documents + 1]
    counts: Tensor  # [entries]


Batch: TypeAlias = "Tensor | Words"


class EmbeddingSumLayer(nn.Module):
    """A sum of word embeddings, each times its count, and a bias."""

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
        self.linear = nn.ModuleList(
            EmbeddingSumLayer(layer.inputs, layer.outputs)
            if isinstance(layer, EmbeddingSum)
            else nn.Linear(layer.inputs, layer.outputs)
            for layer in layers
        )
        self.activations = [ACTIVATIONS[layer.activation] for layer in layers]

    def forward(self, flow: Batch) -> Tensor:
        """Return the outputs [batch, outputs]."""
        for linear, activation in zip(self.linear, self.activations, strict=True):
            flow = activation(linear(flow))
        return flow

    def matrices(self) -> list[tuple[Tensor, Tensor]]:
        """Return weights [inputs, outputs] and bias of each layer, sharing the parameters' memory."""
        # nn.Linear keeps its weights as [outputs, inputs].
        return [
            (layer.weight.detach().T if isinstance(layer, nn.Linear) else layer.weight.detach(), layer.bias.detach())
            for layer in self.linear
        ]


class TorchTrainer(ABC):
    """Model and data on one device; the subclasses take the steps."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        self.problem = problem
        self.device = torch.device("cuda" if placement.device == "gpu" else "cpu")
        self.dtype: torch.dtype = getattr(torch, placement.precision)
        self.model = Network(problem.layers).to(self.device, self.dtype)
        self.loss = LOSSES[problem.loss]
        self.inputs = self.put(problem.inputs)
        targets = torch.tensor(problem.targets)
        # F.cross_entropy wants class numbers as int64.
        self.targets = (targets if targets.is_floating_point() else targets.long()).to(self.device)

    def put(self, inputs: Inputs) -> Batch:
        """Copy inputs to the device."""
        if isinstance(inputs, WordCounts):
            arrays = inputs.words, inputs.starts.astype(np.int32), inputs.counts
            return Words(*(torch.tensor(array).to(self.device) for array in arrays))
        return torch.tensor(inputs).to(self.device)

    def batch(self, rows: Tensor) -> tuple[Batch, Tensor]:
        """Return inputs and targets of the rows [batch]."""
        if self.problem.full_batch:
            return self.inputs, self.targets
        if isinstance(self.inputs, Words):
            return take_words(self.inputs, rows), self.targets[rows]
        return self.inputs[rows], self.targets[rows]

    def train(self, order: Array) -> Array:
        """Take the steps of `order` [steps, batch]; return their losses [steps]."""
        losses = self.steps(torch.tensor(self.problem.gathered(order)).to(self.device))
        if self.device.type == "cuda":
            torch.cuda.synchronize()  # the losses may be there before the last update is done
        return losses.cpu().numpy()

    @abstractmethod
    def reset(self, params: Params) -> None:
        """Copy `params` in and clear the optimizer's state."""

    @abstractmethod
    def steps(self, order: Tensor) -> Tensor:
        """Take the steps of `order` [steps, batch]; return their losses [steps], still on the device."""

    @torch.no_grad()
    def predict(self, inputs: Inputs) -> Array:
        """Return the outputs [rows, outputs]."""
        outputs: Array = self.model(self.put(inputs)).cpu().numpy()
        return outputs

    def params(self) -> Params:
        """Return copies of weights [inputs, outputs] and biases."""
        return tuple(LayerParams(*(part.cpu().numpy().copy() for part in pair)) for pair in self.model.matrices())

    def peak_device_memory_bytes(self) -> int | None:
        """Return the most memory that tensors have taken on a GPU."""
        return torch.cuda.max_memory_allocated() if self.device.type == "cuda" else None

    def load(self, params: Params) -> None:
        """Copy `params` into the model, in place."""
        for target, source in zip(self.model.matrices(), params, strict=True):
            for part, array in zip(target, source, strict=True):
                part.copy_(torch.tensor(array))


def take_words(documents: Words, rows: Tensor) -> Words:
    """Return the documents `rows` [batch], on their device."""
    begins = documents.starts[rows]
    lengths = documents.starts[rows + 1] - begins
    starts = F.pad(lengths.cumsum(0, dtype=torch.int32), (1, 0))
    # Entry i of the batch is entry i - (begin of its document in the batch) + (its begin in the whole).
    shifts = torch.repeat_interleave(begins - starts[:-1], lengths)
    entries = torch.arange(len(shifts), device=rows.device) + shifts
    return Words(documents.words[entries], starts, documents.counts[entries])


class EagerTrainer(TorchTrainer):
    """One operation at a time, with `torch.optim`."""

    def reset(self, params: Params) -> None:
        """Copy `params` in and start the optimizer afresh."""
        self.load(params)
        self.optimizer = make_optimizer(self.problem.optimizer, self.model)

    def steps(self, order: Tensor) -> Tensor:
        """Take the steps one by one."""
        losses = []
        for rows in order:
            inputs, targets = self.batch(rows)
            self.optimizer.zero_grad()
            loss = self.loss(self.model(inputs), targets)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses)


class Documents(Dataset):
    """Documents and their classes, one by one."""

    def __init__(self, documents: Words, targets: Tensor) -> None:
        self.documents = documents
        self.targets = targets

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor, Tensor]:
        words, starts, counts = self.documents
        entries = slice(int(starts[row]), int(starts[row + 1]))
        return words[entries], counts[entries], self.targets[row]


def collate(rows: list[tuple[Tensor, Tensor, Tensor]]) -> tuple[Words, Tensor]:
    """Join documents to a batch, as the tutorial on text classification does."""
    words, counts, targets = zip(*rows, strict=True)
    starts = torch.tensor([0, *map(len, words)], dtype=torch.int32).cumsum(0, dtype=torch.int32)
    return Words(torch.cat(words), starts, torch.cat(counts)), torch.stack(targets)


class DataLoaderTrainer(EagerTrainer):
    """The tutorials' loop over a `DataLoader`, the data in host memory."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        super().__init__(problem, placement)
        self.inputs, self.targets = move(self.inputs, "cpu"), self.targets.cpu()

    def loader(self, order: Tensor) -> DataLoader:
        """Return the batches of `order` [steps, batch]."""
        if isinstance(self.inputs, Words):
            every = [list(range(len(self.targets)))] * len(order)
            batches = every if self.problem.full_batch else order.tolist()
            return DataLoader(Documents(self.inputs, self.targets), batch_sampler=batches, collate_fn=collate)
        rows = TensorDataset(self.inputs, self.targets)
        if self.problem.full_batch:  # nothing to collate: without a batch size an index is a batch
            return DataLoader(rows, batch_size=None, sampler=[slice(None)] * len(order))
        return DataLoader(rows, batch_sampler=order.tolist())

    def steps(self, order: Tensor) -> Tensor:
        """Take the steps one by one, and wait for the loss of each."""
        losses = []
        for inputs, targets in self.loader(order):
            self.optimizer.zero_grad()
            loss = self.loss(self.model(move(inputs, self.device)), targets.to(self.device))
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return torch.tensor(losses, dtype=self.dtype)


def move(batch: Batch, device: torch.device | str) -> Batch:
    """Return the batch on a device."""
    return Words(*(part.to(device) for part in batch)) if isinstance(batch, Words) else batch.to(device)


def make_optimizer(optimizer: Optimizer, model: nn.Module) -> torch.optim.Optimizer:
    """Return PyTorch's own optimizer of the same semantics."""
    parameters = model.parameters()
    match optimizer:
        case SGD(rate):
            return torch.optim.SGD(parameters, lr=rate)
        case Momentum(rate, momentum):
            return torch.optim.SGD(parameters, lr=rate, momentum=momentum)
        case Adam(rate, beta1, beta2, epsilon):
            return torch.optim.Adam(parameters, lr=rate, betas=(beta1, beta2), eps=epsilon)


class CompiledTrainer(TorchTrainer):
    """A step that updates parameters and optimizer state in place, compiled alone or in a loop."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        super().__init__(problem, placement)
        self.parameters = {name: parameter.detach() for name, parameter in self.model.named_parameters()}
        self.slots = [
            {n: torch.zeros_like(p) for n, p in self.parameters.items()} for _ in range(problem.optimizer.slots)
        ]
        self.taken = 0
        self.gathers_words = isinstance(self.inputs, Words) and not problem.full_batch

        def loss_of(parameters: dict[str, Tensor], inputs: Batch, targets: Tensor) -> Tensor:
            return self.loss(torch.func.functional_call(self.model, parameters, (inputs,)), targets)

        self.gradients_and_loss: Callable[..., tuple[dict[str, Tensor], Tensor]]
        self.gradients_and_loss = torch.func.grad_and_value(loss_of)
        self.loops = not self.gathers_words and self.device.type == "cpu"
        if self.loops:
            # A loop that updates in place cannot hold a transformation (PyTorch 2.13), only the operations it comes to.
            batch = self.batch(torch.arange(problem.batch_size))
            self.gradients_and_loss = make_fx(self.gradients_and_loss)(self.parameters, *batch)
        torch.compiler.reset()  # an earlier trainer's compilations would count against the limit of this one's
        self.one_step = torch.compile(self.plain_step, fullgraph=True, dynamic=False)
        self.whole_pass = torch.compile(self.plain_pass, fullgraph=True)

    def reset(self, params: Params) -> None:
        """Copy `params` in and clear the optimizer's state; compiled functions go on with the same tensors."""
        self.load(params)
        for slot in self.slots:
            for state in slot.values():
                state.zero_()
        self.taken = 0

    @torch.no_grad()
    def steps(self, order: Tensor) -> Tensor:
        """Call the compiled pass, or the compiled step for each."""
        rates = self.rates(len(order))
        self.taken += len(order)
        if self.loops:
            losses: Tensor = self.whole_pass(order, rates)
            return losses
        words = (varying(take_words(self.inputs, rows)) if self.gathers_words else None for rows in order)
        return torch.stack([self.one_step(*batch) for batch in zip(order, words, rates, strict=True)])

    def plain_pass(self, order: Tensor, rates: Tensor) -> Tensor:
        """Take the steps of `order` [steps, batch]; return their losses [steps]."""

        def goes_on(step: Tensor, losses: Tensor) -> Tensor:
            return step[0] < len(losses)

        # What the loop hands on is new each time round; what it only refers to, parameters and optimizer state, may
        # change in place. The step is a tensor [1], because a number would be fixed when the loop is compiled.
        def body(step: Tensor, losses: Tensor) -> tuple[Tensor, Tensor]:
            loss = self.plain_step(order[step][0], None, rates[step][0])
            return step + 1, losses.index_copy(0, step, loss[None])

        _, losses = torch.while_loop(goes_on, body, (torch.zeros(1, dtype=torch.int64), rates.new_zeros(len(order))))
        return losses

    def plain_step(self, rows: Tensor, words: Words | None, rates: Tensor) -> Tensor:
        """Take one step on the rows [batch], whose words are given where there are any; return the loss before it."""
        batch = self.batch(rows) if words is None else (words, self.targets[rows])
        gradients, loss = self.gradients_and_loss(self.parameters, *batch)
        for name, parameter in self.parameters.items():
            update(self.problem.optimizer, parameter, gradients[name], [slot[name] for slot in self.slots], rates)
        return loss

    def rates(self, steps: int) -> Tensor:
        """Return what changes from step to step [steps, 2]: Adam's rate and the correction of its second moment."""
        optimizer = self.problem.optimizer
        rates = np.full((steps, 2), optimizer.learning_rate)
        if isinstance(optimizer, Adam):
            t = self.taken + 1 + np.arange(steps)
            rates[:, 0] = optimizer.learning_rate / (1 - optimizer.beta1**t)
            rates[:, 1] = 1 / (1 - optimizer.beta2**t)
        return torch.tensor(rates).to(self.device, self.dtype)


def varying(words: Words) -> Words:
    """Return the words, marked as another number of them in each batch: one compilation serves all."""
    torch._dynamo.mark_dynamic(words.words, 0)
    torch._dynamo.mark_dynamic(words.counts, 0)
    return words


def update(optimizer: Optimizer, p: Tensor, g: Tensor, state: list[Tensor], rates: Tensor) -> None:
    """Take one step on one parameter, in place."""
    match optimizer:
        case SGD(rate):
            p.sub_(rate * g)
        case Momentum(rate, momentum):
            (v,) = state
            v.mul_(momentum).add_(g)
            p.sub_(rate * v)
        case Adam(_, beta1, beta2, epsilon):
            m, v = state
            m.mul_(beta1).add_((1 - beta1) * g)
            v.mul_(beta2).add_((1 - beta2) * g * g)
            p.sub_(rates[0] * m / ((v * rates[1]).sqrt() + epsilon))
