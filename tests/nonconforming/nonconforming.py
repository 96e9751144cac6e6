"""A backend that is right but for one breach of the contract, which its mode names. Put this folder on PYTHONPATH."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from backends import numpy_backend, numpy_layers
from backends.contract import Dense, EmbeddingSum, Placement, Problem, Trainer, Unsupported, map_params
from backends.numpy_backend import NumpyTrainer
from backends.registry import Entry

PLACEMENT = Placement(mode="loop", device="cpu", precision="float32", threads=1)
LATE_S = 0.02
COMPILING_S = 0.02


class NoArgument(NumpyTrainer):
    def predict(self) -> Any:
        return super().predict(self.problem.inputs)


class NotFinite(NumpyTrainer):
    def train(self, order: Any) -> Any:
        return super().train(order) * np.nan


class OneLoss(NumpyTrainer):
    def train(self, order: Any) -> Any:
        return super().train(order).mean(keepdims=True)


class ListOfLosses(NumpyTrainer):
    def train(self, order: Any) -> Any:
        return list(super().train(order))


class Transposed(NumpyTrainer):
    def params(self) -> Any:
        return map_params(np.transpose, super().params())


class FixedRows(NumpyTrainer):
    def predict(self, inputs: Any) -> Any:
        return super().predict(inputs)[: self.problem.batch_size]


class HostMemory(NumpyTrainer):
    def peak_device_memory_bytes(self) -> int | None:
        return 1


class Replays(NumpyTrainer):
    recorded: Any = None

    def train(self, order: Any) -> Any:
        losses = super().train(order)
        if self.recorded is None or len(self.recorded) < len(losses):
            self.recorded = losses
        return self.recorded[: len(losses)].copy()


class IgnoresOrder(NumpyTrainer):
    first: Any = None

    def train(self, order: Any) -> Any:
        self.first = order if self.first is None else self.first
        return super().train(self.first[: len(order)])


class LateLoss(NumpyTrainer):
    def step(self, inputs: Any, targets: Any) -> float:
        super().step(inputs, targets)
        return float(self.loss(self.forward(inputs), targets, self.outputs_gradient))


class StalePrediction(NumpyTrainer):
    outputs: Any = None

    def predict(self, inputs: Any) -> Any:
        if self.outputs is None:
            self.outputs = super().predict(inputs)
        return self.outputs.copy()


class OldAnswers(NumpyTrainer):
    frozen: Any = None

    def predictor(self, rows: int) -> Any:
        if self.frozen is None:
            self.frozen = NumpyTrainer(self.problem, PLACEMENT)
            self.frozen.reset(self.params())
        return self.frozen.predict


class OneAnswer(NumpyTrainer):
    def predictor(self, rows: int) -> Any:
        answer, kept = super().predictor(rows), []

        def predict(inputs: Any) -> Any:
            kept.append(answer(inputs))
            kept[0][...] = kept[-1]
            return kept[0]

        return predict


class OneRow(NumpyTrainer):
    def predictor(self, rows: int) -> Any:
        return lambda inputs: self.predict(inputs)[:1]


class Forgets(NumpyTrainer):
    def train(self, order: Any) -> Any:
        super().reset(self.params())
        return super().train(order)


class KeepsState(NumpyTrainer):
    def reset(self, params: Any) -> None:
        update = self.update
        super().reset(params)
        self.update = update


class KeepsHalf(NumpyTrainer):
    """Every second step is another one: an odd number of steps before a reset shows in the training after it."""

    taken = 0

    def step(self, inputs: Any, targets: Any) -> float:
        self.taken += 1
        if self.taken % 2 == 0:
            self.values *= 1 + 1e-6
        return super().step(inputs, targets)


class Recompiles(NumpyTrainer):
    compiled = False

    def reset(self, params: Any) -> None:
        super().reset(params)
        self.compiled = False

    def train(self, order: Any) -> Any:
        if not self.compiled:
            time.sleep(COMPILING_S)
        self.compiled = True
        return super().train(order)


class SortsOrder(NumpyTrainer):
    def train(self, order: Any) -> Any:
        losses = super().train(order)
        if order.flags.writeable:
            order.sort(axis=0)
        return losses


class Normalises(NumpyTrainer):
    def predict(self, inputs: Any) -> Any:
        outputs = super().predict(inputs)
        inputs /= 2
        return outputs


class KeepsArrays(NumpyTrainer):
    handed: Any = None

    def reset(self, params: Any) -> None:
        super().reset(params)
        self.handed = params

    def train(self, order: Any) -> Any:
        if self.handed is not None:
            super().reset(self.handed)
        self.handed = None
        return super().train(order)


class GivesViews(NumpyTrainer):
    def params(self) -> Any:
        return self.named


class ReusesLosses(NumpyTrainer):
    buffer_of_losses: Any = None

    def train(self, order: Any) -> Any:
        losses = super().train(order)
        if self.buffer_of_losses is None or len(self.buffer_of_losses) != len(losses):
            self.buffer_of_losses = losses
        self.buffer_of_losses[:] = losses
        return self.buffer_of_losses


class OneBuffer(NumpyTrainer):
    """Keeps the loss of each step as a view of the same memory, as a framework does that uses its buffers again."""

    def train(self, order: Any) -> Any:
        buffer, views = np.empty((), self.values.dtype), []
        for rows in order:
            buffer[...] = self.step(*self.batch(rows))
            views.append(buffer)
        return np.stack(views)


class Single(NumpyTrainer):
    """Computes in float32 whatever is asked for, and hides it."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        super().__init__(problem, replace(placement, precision="float32"))
        self.dtype = placement.dtype

    def train(self, order: Any) -> Any:
        return super().train(order).astype(self.dtype)

    def params(self) -> Any:
        return map_params(lambda part: part.astype(self.dtype), super().params())


class Double(NumpyTrainer):
    """Computes in float64 whatever is asked for."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        inputs, targets = problem.inputs.astype("float64"), problem.targets
        targets = targets if targets.dtype.kind == "i" else targets.astype("float64")
        problem = replace(problem, inputs=inputs, targets=targets)
        super().__init__(problem, replace(placement, precision="float64"))


class TooFast(NumpyTrainer):
    def __init__(self, problem: Problem, placement: Placement) -> None:
        rate = 1.01 * problem.optimizer.learning_rate
        super().__init__(replace(problem, optimizer=replace(problem.optimizer, learning_rate=rate)), placement)


class Unfinished(NumpyTrainer):
    done_s = 0.0

    def train(self, order: Any) -> Any:
        losses = super().train(order)
        self.done_s = time.monotonic() + LATE_S
        return losses

    def params(self) -> Any:
        time.sleep(max(0.0, self.done_s - time.monotonic()))
        return super().params()


class AnyLayer(NumpyTrainer):
    """Computes each layer that is no embedding as a dense one."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        layers = [
            layer if isinstance(layer, EmbeddingSum) else Dense(layer.inputs, layer.outputs, layer.activation)
            for layer in problem.layers
        ]
        super().__init__(replace(problem, layers=tuple(layers)), placement)


class LooksUpLoss(NumpyTrainer):
    def __init__(self, problem: Problem, placement: Placement) -> None:
        numpy_layers.LOSSES[problem.loss]
        super().__init__(problem, placement)


class KeepsACache(NumpyTrainer):
    """Finds compiled code of earlier processes, in a folder that a variable of its own sets."""

    def train(self, order: Any) -> Any:
        folder = Path(os.environ["ELSEWHERE"])
        folder.mkdir(exist_ok=True)
        (folder / "compiled.bin").write_bytes(b"code")
        return super().train(order)


class SinglePowers(NumpyTrainer):
    """Computes Adam's 1 - beta^t in float32, as a difference."""

    def reset(self, params: Any) -> None:
        precise = numpy_layers._one_minus_power
        super().reset(params)
        inner = self.update

        def update() -> None:
            numpy_layers._one_minus_power = lambda beta, t: float(np.float32(1) - np.float32(beta) ** np.float32(t))
            inner()
            numpy_layers._one_minus_power = precise

        self.update = update


class Exits(NumpyTrainer):
    def predict(self, inputs: Any) -> Any:
        os._exit(7)


class Raises(NumpyTrainer):
    def predict(self, inputs: Any) -> Any:
        raise ZeroDivisionError("nobody divides by zero")


class RaisesLate(NumpyTrainer):
    calls = 0

    def train(self, order: Any) -> Any:
        self.calls += 1
        if self.calls == 4:
            raise RuntimeError("this buffer is in use")
        return super().train(order)


class Hangs(NumpyTrainer):
    def train(self, order: Any) -> Any:
        time.sleep(1000)


TRAINERS: dict[str, Callable[[Problem, Placement], Trainer]] = {
    "right": NumpyTrainer,
    "no_argument": NoArgument,
    "not_finite": NotFinite,
    "one_loss": OneLoss,
    "list_of_losses": ListOfLosses,
    "transposed": Transposed,
    "fixed_rows": FixedRows,
    "host_memory": HostMemory,
    "replays": Replays,
    "ignores_order": IgnoresOrder,
    "late_loss": LateLoss,
    "stale_prediction": StalePrediction,
    "old_answers": OldAnswers,
    "one_answer": OneAnswer,
    "one_row": OneRow,
    "forgets": Forgets,
    "keeps_state": KeepsState,
    "keeps_half": KeepsHalf,
    "recompiles": Recompiles,
    "sorts_order": SortsOrder,
    "normalises": Normalises,
    "keeps_arrays": KeepsArrays,
    "gives_views": GivesViews,
    "reuses_losses": ReusesLosses,
    "one_buffer": OneBuffer,
    "single": Single,
    "double": Double,
    "too_fast": TooFast,
    "unfinished": Unfinished,
    "any_layer": AnyLayer,
    "looks_up_loss": LooksUpLoss,
    "single_powers": SinglePowers,
    "keeps_a_cache": KeepsACache,
    "exits": Exits,
    "raises": Raises,
    "raises_late": RaisesLate,
    "hangs": Hangs,
}
OTHERS = ("any_device", "wrong_error", "no_reason", "no_product", "no_words", "unsupported")
ENTRY = Entry(
    name="nonconforming",
    module="nonconforming",
    modes=(*TRAINERS, *OTHERS),
    framework="numpy",
    distributions=("numpy",),
    install="pip install numpy",
)
NAMELESS = replace(ENTRY, name="nameless", modes=("right",), install="")
MODELESS = replace(ENTRY, name="modeless", modes=("right", "right"))
NOWHERE = replace(ENTRY, name="nowhere", module="no_such_module")
UNLISTED = replace(ENTRY, name="unlisted", distributions=("no-such-distribution",))


def open_trainer(problem: Problem, placement: Placement) -> Trainer:
    mode = placement.mode
    if mode == "unsupported":
        raise Unsupported("this one never works")
    if mode == "no_words" and isinstance(problem.layers[0], EmbeddingSum):
        raise Unsupported("no embeddings here")
    if placement.device != "cpu":
        match mode:
            case "any_device":
                return NumpyTrainer(problem, replace(placement, device="cpu"))
            case "wrong_error":
                raise RuntimeError("no such device")
            case "no_reason":
                raise Unsupported
        raise Unsupported("the CPU only")
    return TRAINERS.get(mode, NumpyTrainer)(problem, placement)


def open_product(size: int, placement: Placement) -> Callable[[], None]:
    if placement.mode == "no_product":
        return lambda: None
    return numpy_backend.open_product(size, placement)
