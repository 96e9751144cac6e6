"""Mode `dataloader` of PyTorch: exactly the loop of its tutorials."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from backends.contract import Params, Placement, Problem
from backends.torch_layers import Batch, Words, make_optimizer
from backends.torch_trainer import TorchTrainer


class DataLoaderTrainer(TorchTrainer):
    """The tutorials' loop over a `DataLoader`, the data in host memory."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        super().__init__(problem, placement)
        self.inputs, self.targets = move(self.inputs, "cpu"), self.targets.cpu()

    def reset(self, params: Params) -> None:
        """Copy `params` in and make a new optimizer."""
        self.model.load(params)
        self.optimizer = make_optimizer(self.problem.optimizer, self.model)

    def steps(self, order: Tensor) -> Tensor:
        """Take the steps one by one, waiting for the loss of each; return the losses [steps]."""
        losses = []
        for inputs, targets in self.loader(order):
            self.optimizer.zero_grad()
            loss = self.loss(self.model(move(inputs, self.device)), targets.to(self.device))
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return torch.tensor(losses, dtype=self.dtype)

    def loader(self, order: Tensor) -> DataLoader:
        """Return the batches of `order` [steps, batch]."""
        if isinstance(self.inputs, Words):
            every = [list(range(len(self.targets)))] * len(order)
            batches = every if self.problem.full_batch else order.tolist()
            return DataLoader(Documents(self.inputs, self.targets), batch_sampler=batches, collate_fn=collate)
        rows = TensorDataset(self.inputs, self.targets)
        if self.problem.full_batch:  # nothing to collate: without a batch size, an index gives a whole batch
            return DataLoader(rows, batch_size=None, sampler=[slice(None)] * len(order))
        return DataLoader(rows, batch_sampler=order.tolist())


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
    """Join documents to a batch, as in the tutorial on text classification."""
    words, counts, targets = zip(*rows, strict=True)
    starts = torch.tensor([0, *map(len, words)], dtype=torch.int32).cumsum(0, dtype=torch.int32)
    return Words(torch.cat(words), starts, torch.cat(counts)), torch.stack(targets)


def move(batch: Batch, device: torch.device | str) -> Batch:
    """Return the batch on a device."""
    return Words(*(part.to(device) for part in batch)) if isinstance(batch, Words) else batch.to(device)
