"""What all modes of PyTorch share: model and data on one device. Each mode defines how the steps are taken."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from backends.contract import Array, Inputs, Params, Placement, Predictor, Problem, WordCounts
from backends.torch_layers import LOSSES, SUPPORTED, Batch, Network, put, take


class TorchTrainer(ABC):
    """Model and data on one device; each mode has a class of its own that takes the steps."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        SUPPORTED.require(problem)
        self.problem = problem
        self.device = torch.device("cuda" if placement.device == "gpu" else "cpu")
        self.dtype: torch.dtype = getattr(torch, placement.precision)
        self.model = Network(problem.layers).to(self.device, self.dtype)
        self.loss = LOSSES[problem.loss]
        self.inputs = put(problem.inputs, self.device)
        targets = torch.tensor(problem.targets)
        # F.cross_entropy wants class numbers as int64.
        self.targets = (targets if targets.is_floating_point() else targets.long()).to(self.device)

    @abstractmethod
    def reset(self, params: Params) -> None:
        """Copy `params` in and clear the optimizer's state."""

    def train(self, order: Array) -> Array:
        """Take the steps of `order` [steps, batch]; return their losses [steps]."""
        losses = self.steps(torch.tensor(self.problem.gathered(order)).to(self.device))
        if self.device.type == "cuda":
            torch.cuda.synchronize()  # the losses may be ready before the last update is finished
        return losses.cpu().numpy()

    @abstractmethod
    def steps(self, order: Tensor) -> Tensor:
        """Take the steps of `order` [steps, batch]; return their losses [steps], still on the device."""

    def batch(self, rows: Tensor) -> tuple[Batch, Tensor]:
        """Return inputs and targets of the rows [batch]."""
        if self.problem.full_batch:
            return self.inputs, self.targets
        return take(self.inputs, rows), self.targets[rows]

    @torch.inference_mode()
    def predict(self, inputs: Inputs) -> Array:
        """Return the outputs [rows, outputs]."""
        outputs: Array = self.model(put(inputs, self.device)).cpu().numpy()
        return outputs

    def predictor(self, rows: int) -> Predictor:
        """Return a function of the inputs: `predict`, which takes any number of rows."""
        return self.predict

    def params(self) -> Params:
        """Return copies of the parameters."""
        return self.model.params()

    def peak_device_memory_bytes(self) -> int | None:
        """Return the peak memory of tensors on a GPU; None on the CPU."""
        return torch.cuda.max_memory_allocated() if self.device.type == "cuda" else None


class CompiledPredictions(TorchTrainer):
    """Answers requests by the compiled model, as the modes do that compile the training."""

    def predictor(self, rows: int) -> Predictor:
        """Return a function of the inputs, compiled for their shape or, for words, for any number of them."""
        answer = torch.compile(self.model, dynamic=None if isinstance(self.problem.inputs, WordCounts) else False)

        @torch.inference_mode()
        def predict(inputs: Inputs) -> Array:
            outputs: Array = answer(put(inputs, self.device)).cpu().numpy()
            return outputs

        return predict
