"""The NumPy backend under other names, some with a fault that the harness must detect, and one without any training.

Modes:
    same, again     the NumPy backend, twice
    slower          the same with 2 % more steps: after every fifty steps, one is taken again
    no_op, by_hand  no training: a pass takes 10 ms, so only the overhead around the passes can differ
    unfinished      returns before its work is done; a fifth of the time it took is still to come
    more_threads    keeps three threads per core busy
    slows_down      each pass takes 3 % longer than the one before
    recompiles      every fifth pass takes a tenth of a second more
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable

import numpy as np

from backends.contract import Array, Inputs, Params, Placement, Predictor, Problem, Trainer
from backends.numpy_backend import NumpyTrainer, open_product

__all__ = ["open_product", "open_trainer"]

STEPS_TO_ONE_MORE = 50
UNFINISHED = 0.2
SLOWS_DOWN = 0.03
RECOMPILES_EVERY, RECOMPILES_S = 5, 0.1
NO_OP_S = 0.01


def open_trainer(problem: Problem, placement: Placement) -> Trainer:
    """Return the trainer of a mode."""
    return TRAINERS[placement.mode](problem, placement)


def spin(seconds: float) -> None:
    """Keep a core busy for some time."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


class MoreSteps(NumpyTrainer):
    """Takes one step more for every `STEPS_TO_ONE_MORE` that it is asked for."""

    asked = 0
    added = 0

    def train(self, order: Array) -> Array:
        """Take the steps, then the first of them again; return the losses of the steps that were asked for."""
        losses = super().train(order)
        self.asked += len(order)
        more = self.asked // STEPS_TO_ONE_MORE - self.added
        if more:
            super().train(order[:more])
            self.added += more
        return losses


class Late(NumpyTrainer):
    """Trains, then waits for a time that depends on how long that took and on the number of calls."""

    def __init__(self, problem: Problem, placement: Placement, late_s: Callable[[float, int], float]) -> None:
        super().__init__(problem, placement)
        self.late_s = late_s
        self.calls = 0

    def train(self, order: Array) -> Array:
        """Take the steps, then wait; return their losses."""
        before = time.perf_counter()
        losses = super().train(order)
        self.calls += 1
        spin(self.late_s(time.perf_counter() - before, self.calls))
        return losses


class Unfinished(NumpyTrainer):
    """Returns from `train` before its work is finished; all other methods wait for it."""

    rest: threading.Thread | None = None

    def train(self, order: Array) -> Array:
        """Take the steps; let a thread go on for another fifth of the time."""
        before = time.perf_counter()
        losses = super().train(order)
        self.rest = threading.Thread(target=time.sleep, args=(UNFINISHED * (time.perf_counter() - before),))
        self.rest.start()
        return losses

    def wait(self) -> None:
        """Wait until the last call of `train` has really finished."""
        if self.rest is not None:
            self.rest.join()

    def params(self) -> Params:
        """Return copies of weights and biases."""
        self.wait()
        return super().params()

    def reset(self, params: Params) -> None:
        """Copy `params` in."""
        self.wait()
        super().reset(params)

    def predict(self, inputs: Inputs) -> Array:
        """Return the outputs [rows, outputs]."""
        self.wait()
        return super().predict(inputs)


class MoreThreads(NumpyTrainer):
    """Lets more threads compute as long as the process lives."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        super().__init__(problem, placement)
        for _ in range(3 * placement.threads):
            threading.Thread(target=_hash_for_ever, daemon=True).start()


def _hash_for_ever() -> None:
    content = bytes(2**20)
    while True:
        hashlib.sha256(content)  # releases Python's global lock meanwhile


class NoOp:
    """Waits 10 ms instead of training."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        self.cache: Params = ()

    def reset(self, params: Params) -> None:
        """Keep the parameters."""
        self.cache = params

    def train(self, order: Array) -> Array:
        """Wait 10 ms; return zeros."""
        spin(NO_OP_S)
        return np.zeros(len(order))

    def predict(self, inputs: Inputs) -> Array:
        """Return zeros [rows, 1]."""
        return np.zeros((len(inputs), 1))

    def predictor(self, rows: int) -> Predictor:
        """Return `predict`."""
        return self.predict

    def params(self) -> Params:
        """Return the parameters of the last `reset`."""
        return self.cache

    def peak_device_memory_bytes(self) -> int | None:
        """Return None: it runs on the CPU only."""
        return None


TRAINERS: dict[str, Callable[[Problem, Placement], Trainer]] = {
    "same": NumpyTrainer,
    "again": NumpyTrainer,
    "slower": MoreSteps,
    "no_op": NoOp,
    "by_hand": NoOp,
    "unfinished": Unfinished,
    "more_threads": MoreThreads,
    "slows_down": lambda problem, placement: Late(
        problem, placement, lambda took_s, calls: SLOWS_DOWN * calls * took_s
    ),
    "recompiles": lambda problem, placement: Late(
        problem, placement, lambda _, calls: RECOMPILES_S if calls % RECOMPILES_EVERY == 0 else 0.0
    ),
}
