"""Times one trainer. The clocks are arguments, so that tests need not wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backends.contract import Array, Params, Trainer
from bench.training import Training

Clock = Callable[[], float]

MIN_STEADY_PASSES = 4
MIN_STEADY_S = 0.5
MAX_PASSES = 200
ENOUGH_S = 5.0  # of passes: no further training is begun after that, however few they were


@dataclass(frozen=True)
class Measured:
    """Raw times of one trainer in one process, and what it computed in its first training."""

    passes_s: tuple[float, ...]
    passes_cpu_s: float
    resets_s: float
    evaluation_s: float
    losses: Array  # of the first training's steps
    outputs: Array  # for the rows to evaluate, after the first training
    params: Params  # after the first training


def measure(trainer: Trainer, training: Training, clock: Clock, cpu_clock: Clock) -> Measured:
    """Train, evaluate, and train again from the same start until there are enough steady passes.

    The trainer has been reset. Only calls of `train` are timed as passes; each returns when its work is done.
    """
    passes_s: list[float] = []
    passes_cpu_s = resets_s = 0.0

    def train_once() -> list[Array]:
        nonlocal passes_cpu_s
        losses = []
        for order in training.orders:
            cpu_before, before = cpu_clock(), clock()
            losses.append(trainer.train(order))
            passes_s.append(clock() - before)
            passes_cpu_s += cpu_clock() - cpu_before
        return losses

    losses = np.concatenate(train_once())
    before = clock()
    outputs = trainer.predict(training.test.inputs)
    evaluation_s = clock() - before
    params = trainer.params()
    while _wants_more(passes_s, len(training.orders)):
        before = clock()
        trainer.reset(training.initial)
        resets_s += clock() - before
        train_once()
    return Measured(tuple(passes_s), passes_cpu_s, resets_s, evaluation_s, losses, outputs, params)


def _wants_more(passes_s: list[float], passes_per_training: int) -> bool:
    steady_s = passes_s[1:]
    if len(passes_s) + passes_per_training > MAX_PASSES or sum(passes_s) > ENOUGH_S:
        return not steady_s  # one steady pass there must be
    return len(steady_s) < MIN_STEADY_PASSES or sum(steady_s) < MIN_STEADY_S
