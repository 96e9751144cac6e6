"""PyTorch: a module, automatic gradients and `torch.optim`.

Modes:
    eager         the loop that PyTorch's tutorials teach: forward, loss, `backward`, `optimizer.step`, one operation at
                  a time, with the data on the device and gathered there; what most people write
    dataloader    the tutorials' loop to the letter: the batches from a `DataLoader`, which collates them row by row in
                  host memory, and `loss.item()` after each step; what beginners write, and many others
                  (torch_dataloader.py)
    compile       the loop of `eager`, but through `torch.compile(model)`: forward and backward of the model are
                  compiled; loss, optimizer and loop are not. What most users of the compiler write
    compile-pass  a whole pass as one function through `torch.compile`: a `torch.while_loop` over steps of gathering,
                  forward, gradients and update in place; what somebody writes who knows the compiler and counts
                  microseconds. A single step is that function where words are gathered before it, because their number
                  differs from step to step, and on a GPU, which would wait for the loop's condition at every step
                  (torch_compile_pass.py)
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from backends.contract import Params, Placement, Problem, Unsupported
from backends.torch_compile_pass import CompilePassTrainer
from backends.torch_dataloader import DataLoaderTrainer
from backends.torch_layers import Batch, make_optimizer
from backends.torch_trainer import TorchTrainer


def open_trainer(problem: Problem, placement: Placement) -> TorchTrainer:
    """Put model and data on the device. Raises `Unsupported` without CUDA for a GPU."""
    if placement.device == "gpu" and not torch.cuda.is_available():
        raise Unsupported(f"PyTorch {torch.__version__} finds no CUDA device")
    torch.set_num_threads(placement.threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    trainers: dict[str, Callable[[Problem, Placement], TorchTrainer]] = {
        "eager": LoopTrainer,
        "dataloader": DataLoaderTrainer,
        "compile": LoopTrainer,
        "compile-pass": CompilePassTrainer,
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


class LoopTrainer(TorchTrainer):
    """The tutorials' loop over rows gathered on the device, through the model as it is or compiled."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        super().__init__(problem, placement)
        # The compiled model shares its parameters with the plain one, which predicts: for other rows than a batch
        # has, and without gradients, the compiled one would be compiled again.
        self.forward: Callable[[Batch], Tensor] = compiled(self.model) if placement.mode == "compile" else self.model

    def reset(self, params: Params) -> None:
        """Copy `params` in, in place, so that nothing is compiled anew, and start the optimizer afresh."""
        self.model.load(params)
        self.optimizer = make_optimizer(self.problem.optimizer, self.model)

    def steps(self, order: Tensor) -> Tensor:
        """Take the steps one by one; return their losses [steps]."""
        return torch.stack([self.step(*self.batch(rows)) for rows in order])

    def step(self, inputs: Batch, targets: Tensor) -> Tensor:
        """Take one step; return the loss before it."""
        self.optimizer.zero_grad()
        loss = self.loss(self.forward(inputs), targets)
        loss.backward()
        self.optimizer.step()
        return loss.detach()


def compiled(model: nn.Module) -> Callable[[Batch], Tensor]:
    """Return the model through `torch.compile`.

    Words are the only inputs whose shape changes from step to step: PyTorch compiles for the first number of them, and
    once more, at the second, for any number.
    """
    torch.compiler.reset()  # an earlier trainer's compilations would count against the limit of this one's
    return torch.compile(model)
