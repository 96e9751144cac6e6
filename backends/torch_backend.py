"""PyTorch: a module, automatic gradients and `torch.optim`.

Modes:
    eager         the loop of PyTorch's tutorials: forward, loss, `backward`, `optimizer.step`, one operation at a time,
                  with the data on the device and gathered there; what most people write
    dataloader    exactly the tutorials' loop: batches from a `DataLoader`, which collates them row by row in host
                  memory, and `loss.item()` after each step; what beginners and many others write
                  (torch_dataloader.py)
    compile       the loop of `eager` with `torch.compile(model)`: forward and backward of the model are compiled; loss,
                  optimizer and loop are not. What most users of the compiler write
    compile-pass  a whole pass as one function compiled by `torch.compile`: a `torch.while_loop` over steps of
                  gathering, forward, gradients and in-place update; what experts write when microseconds matter. On a
                  GPU, a compiled step that is recorded as a CUDA graph and replayed. For word counts only a single step
                  is compiled, because the number of words differs from step to step (torch_compile_pass.py)
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from backends.contract import Params, Placement, Problem, Unsupported
from backends.torch_compile_pass import CompilePassTrainer
from backends.torch_dataloader import DataLoaderTrainer
from backends.torch_layers import Batch, make_optimizer
from backends.torch_trainer import CompiledPredictions, TorchTrainer


def open_trainer(problem: Problem, placement: Placement) -> TorchTrainer:
    """Put model and data on the device.

    Raises `Unsupported` if the device is a GPU and CUDA finds none, for unknown layers, and for a compiled mode that
    would compile nothing.
    """
    set_up(placement)
    if placement.mode.startswith("compile") and not compiles():
        raise Unsupported("torch.compile is switched off here, by TORCHDYNAMO_DISABLE or a setting like it")
    trainers: dict[str, Callable[[Problem, Placement], TorchTrainer]] = {
        "eager": LoopTrainer,
        "dataloader": DataLoaderTrainer,
        "compile": CompiledLoopTrainer,
        "compile-pass": CompilePassTrainer,
    }
    return trainers[placement.mode](problem, placement)


def set_up(placement: Placement) -> None:
    """Set the number of threads, and products without TF32. Raises `Unsupported` for a GPU that CUDA does not find."""
    if placement.device == "gpu" and not torch.cuda.is_available():
        raise Unsupported(f"PyTorch {torch.__version__} finds no CUDA device")
    torch.set_num_threads(placement.threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False  # of convolutions, where it is on by default


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
    """The tutorials' loop, with rows gathered on the device."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        super().__init__(problem, placement)
        self.forward: Callable[[Batch], Tensor] = self.model

    def reset(self, params: Params) -> None:
        """Copy `params` in, in place, so that nothing is compiled again, and make a new optimizer."""
        self.model.load(params)
        self.optimizer = make_optimizer(self.problem.optimizer, self.model)

    def steps(self, order: Tensor) -> Tensor:
        """Take the steps one by one; return their losses [steps]."""
        return torch.stack([self.step(*self.batch(rows)) for rows in order])

    def step(self, inputs: Batch, targets: Tensor) -> Tensor:
        """Take one step; return the loss before the update."""
        self.optimizer.zero_grad()
        loss = self.loss(self.forward(inputs), targets)
        loss.backward()
        self.optimizer.step()
        return loss.detach()


class CompiledLoopTrainer(CompiledPredictions, LoopTrainer):
    """The tutorials' loop with the compiled model."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        super().__init__(problem, placement)
        # It shares its parameters with the plain model. `predict` uses that one, because the compiled one would be
        # compiled again for another number of rows, and for computing without gradients.
        self.forward = compiled(self.model)


def compiles() -> bool:
    """Return whether `torch.compile` compiles; switched off, it returns what it is given and says nothing."""
    seen = []

    def keep(graph: torch.fx.GraphModule, _: list[Tensor]) -> Callable[..., object]:
        seen.append(graph)
        return graph.forward

    torch.compile(lambda x: x + 1, backend=keep)(torch.zeros(1))
    return bool(seen)


def compiled(model: nn.Module) -> Callable[[Batch], Tensor]:
    """Return the model compiled by `torch.compile`.

    Words are the only inputs whose shape changes from step to step. PyTorch compiles for the number of words of the
    first step and, at the second step, once more for any number.
    """
    torch.compiler.reset()  # an earlier trainer's compilations would count towards the limit of recompilations
    return torch.compile(model)
