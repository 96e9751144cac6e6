"""Mode `compile-pass` of PyTorch: a whole pass as one compiled function, including the optimizer.

On a GPU, the loop's condition would be waited for at every step. There, a compiled step is recorded as a CUDA graph and
replayed, so that Python and the driver start one thing a step and not one for each kernel. On an H200 a pass of
mnist_mlp, 937 steps, takes 65 ms by this, 362 ms by calls of the compiled step, and 131 ms by calls of a step compiled
with mode="reduce-overhead", PyTorch's own use of CUDA graphs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from backends.contract import SGD, Adam, Momentum, Optimizer, Params, Placement, Problem, Unsupported
from backends.torch_layers import Batch, Words, take
from backends.torch_trainer import CompiledPredictions

LOOP_UPDATES_SINCE = "2.13"  # the first PyTorch whose compiled loop may update tensors in place
FIRST_STEPS = 3  # of a recording, which are carried out: they compile, and let libraries set up what they need


class CompilePassTrainer(CompiledPredictions):
    """A step that updates parameters and optimizer state in place, compiled alone or in a loop."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        """Put model and data on the device. Raises `Unsupported` if a loop on the CPU could not be compiled."""
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
        self.recording: Recording | None = None
        if not self.gathers_words and self.device.type == "cpu":
            if torch.__version__ < LOOP_UPDATES_SINCE:  # PyTorch compares it as a version, not as text
                needed = f"compile-pass needs PyTorch {LOOP_UPDATES_SINCE} on the CPU, for a loop that updates in place"
                raise Unsupported(f"{needed}; this is {torch.__version__}")
            # A loop with in-place updates cannot contain a transform (PyTorch 2.13), only the operations it expands to.
            batch = self.batch(torch.arange(problem.batch_size))
            self.gradients_and_loss = make_fx(self.gradients_and_loss)(self.parameters, *batch)
        torch.compiler.reset()  # an earlier trainer's compilations would count towards the limit of recompilations
        self.one_step = torch.compile(self.plain_step, fullgraph=True, dynamic=False)
        self.whole_pass = torch.compile(self.plain_pass, fullgraph=True)

    def reset(self, params: Params) -> None:
        """Copy `params` in and clear the optimizer's state. The tensors stay the same, so nothing is compiled again."""
        self.model.load(params)
        for slot in self.slots:
            for state in slot.values():
                state.zero_()
        self.taken = 0

    @torch.no_grad()
    def steps(self, order: Tensor) -> Tensor:
        """Take the steps; return their losses [steps]."""
        rates = self.rates(len(order))
        self.taken += len(order)
        if self.gathers_words:
            words = (varying(take(self.inputs, rows)) for rows in order)
            return torch.stack([self.one_step(*batch) for batch in zip(order, words, rates, strict=True)])
        if self.device.type == "cpu":
            losses: Tensor = self.whole_pass(order, rates)
            return losses
        if self.recording and self.recording.order.shape == order.shape:
            return self.recording.replay(order, rates)
        self.recording = Recording(order, rates, self.plain_step)
        return self.recording.losses.clone()

    def plain_pass(self, order: Tensor, rates: Tensor) -> Tensor:
        """Take the steps of `order` [steps, batch]; return their losses [steps]."""

        def goes_on(step: Tensor, losses: Tensor) -> Tensor:
            return step[0] < len(losses)

        # Values carried from one iteration to the next must be new tensors; parameters and optimizer state, which the
        # loop only refers to, may change in place. The step is a tensor [1]: a number would become a constant.
        def body(step: Tensor, losses: Tensor) -> tuple[Tensor, Tensor]:
            loss = self.plain_step(order[step][0], None, rates[step][0])
            return step + 1, losses.index_copy(0, step, loss[None])

        _, losses = torch.while_loop(goes_on, body, (torch.zeros(1, dtype=torch.int64), rates.new_zeros(len(order))))
        return losses

    def plain_step(self, rows: Tensor, words: Words | None, rates: Tensor) -> Tensor:
        """Take one step on the rows [batch], with their words if there are any; return the loss before the update."""
        batch = self.batch(rows) if words is None else (words, self.targets[rows])
        gradients, loss = self.gradients_and_loss(self.parameters, *batch)
        for name, parameter in self.parameters.items():
            update(self.problem.optimizer, parameter, gradients[name], [slot[name] for slot in self.slots], rates)
        return loss

    def rates(self, steps: int) -> Tensor:
        """Return what differs between steps [steps, 2]: Adam's rate and the bias correction of its second moment."""
        optimizer = self.problem.optimizer
        rates = np.full((steps, 2), optimizer.learning_rate)
        if isinstance(optimizer, Adam):
            t = self.taken + 1 + np.arange(steps)
            rates[:, 0] = optimizer.learning_rate / (1 - optimizer.beta1**t)
            rates[:, 1] = 1 / (1 - optimizer.beta2**t)
        return torch.tensor(rates).to(self.device, self.dtype)


class Recording:
    """A compiled step as a CUDA graph. It reads the number of the step, its rows and its rates from fixed tensors."""

    def __init__(self, order: Tensor, rates: Tensor, step: Callable[[Tensor, None, Tensor], Tensor]) -> None:
        """Take the steps of `order` [steps, batch], and record one of them on the way."""
        self.order, self.rates = order.clone(), rates.clone()
        self.losses = rates.new_zeros(len(order))
        self.number = torch.zeros(1, dtype=torch.int64, device=order.device)

        def next_step() -> None:
            loss = step(self.order[self.number][0], None, self.rates[self.number][0])
            self.losses.index_copy_(0, self.number, loss[None])
            self.number.add_(1)

        torch.compiler.reset()  # an earlier recording, of another number of steps, would count as said above
        compiled = torch.compile(next_step, fullgraph=True, dynamic=False)
        for _ in range(min(FIRST_STEPS, len(order))):
            compiled()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):  # nothing is carried out while it records
            compiled()
        for _ in range(FIRST_STEPS, len(order)):
            self.graph.replay()

    def replay(self, order: Tensor, rates: Tensor) -> Tensor:
        """Take the steps of `order` [steps, batch]; return their losses [steps]."""
        self.order.copy_(order)
        self.rates.copy_(rates)
        self.number.zero_()
        for _ in range(len(order)):
            self.graph.replay()
        return self.losses.clone()


def varying(words: Words) -> Words:
    """Return the words, with their number marked as variable, so that one compilation is enough for all batches."""
    torch._dynamo.mark_dynamic(words.words, 0)
    torch._dynamo.mark_dynamic(words.counts, 0)
    return words


def update(optimizer: Optimizer, p: Tensor, g: Tensor, state: list[Tensor], rates: Tensor) -> None:
    """Update one parameter in place, with the step's `rates` [2]."""
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
