"""Times one trainer. The clock is an argument, so that tests need not wait."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

import numpy as np

from backends.contract import Array, Params, Trainer
from bench.machine.usage import Usage, between
from bench.records.schema import Steady
from bench.tasks.training import Training

Clock = Callable[[], float]

MIN_STEADY_PASSES = 3  # a median of them bears one that was disturbed
MIN_STEADY_S = 0.5
MAX_PASSES = 200
ENOUGH_S = 1.0  # of steady passes: no further training is begun after that, however few they were
MAX_READINGS = 20  # of the parameters, after as many passes
REREADINGS = 3
PRODUCTS_S = 0.1
MIN_PRODUCTS = 5


@dataclass(frozen=True)
class Measured:
    """Raw times of one trainer in one process, and what it computed in its first training."""

    passes_s: tuple[float, ...]
    resets_s: float
    evaluation_s: float
    checks_s: float
    read_s: tuple[float, ...]
    steady: Steady
    losses: Array  # of the first training's steps
    outputs: Array  # for the rows to evaluate, after the first training
    params: Params  # after the first training
    first_pass: Params  # after its first pass
    again: Params  # after the first pass of the second training, empty where that was not read


class Stopwatch:
    """Tells the time since it was last asked."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.last = clock()

    def lap(self) -> float:
        """Return the seconds since the last lap."""
        before, self.last = self.last, self.clock()
        return self.last - before


class PassTimer:
    """Trains passes and times each; reads the parameters after the first of them, to see whether `train` waited."""

    def __init__(self, trainer: Trainer, clock: Clock, watch: Stopwatch, keep: Container[int]) -> None:
        self.trainer = trainer
        self.clock = clock
        self.watch = watch
        self.keep = keep  # numbers of the passes whose parameters are kept; all would take memory that is measured
        self.kept: dict[int, Params] = {}
        self.passes_s: list[float] = []
        self.read_s: list[float] = []

    def train(self, orders: Sequence[Array]) -> list[Array]:
        """Train a pass by each order; return the losses of each."""
        return [self._train_pass(order) for order in orders]

    def _train_pass(self, order: Array) -> Array:
        before = self.clock()
        losses = self.trainer.train(order)
        self.passes_s.append(self.clock() - before)
        self.watch.lap()
        if len(self.read_s) < MAX_READINGS:
            params = self.trainer.params()
            self.read_s.append(self.watch.lap())
            number = len(self.passes_s) - 1
            if number in self.keep:
                self.kept[number] = params
        return losses


def measure(trainer: Trainer, training: Training, clock: Clock, usage: Callable[[], Usage]) -> Measured:
    """Train, evaluate, and train again from the same start until there are enough steady passes.

    The trainer has been reset. Only calls of `train` are timed as passes; each returns when its work is done. Whether
    it does is looked at after each of the first ones: reading the parameters waits for what was left.
    """
    watch = Stopwatch(clock)
    second = len(training.orders)  # the first pass of the second training
    passes = PassTimer(trainer, clock, watch, keep=(0, second))
    trainer.params()  # a first reading costs more
    checks_s = watch.lap()
    losses = passes.train(training.orders[:1])
    begin = usage()
    checks_s += watch.lap()
    losses += passes.train(training.orders[1:])
    first = (begin, usage())
    checks_s += watch.lap()
    outputs, params = trainer.predict(training.test.inputs), trainer.params()
    evaluation_s = watch.lap()
    begin = usage()
    resets_s, idle_s = _train_again(passes, training)
    windows = (first, (begin, usage()))
    return Measured(
        passes_s=tuple(passes.passes_s),
        resets_s=resets_s,
        evaluation_s=evaluation_s,
        checks_s=checks_s + idle_s + sum(passes.read_s) + watch.lap(),
        read_s=tuple(passes.read_s),
        steady=between(windows),
        losses=np.concatenate(losses),
        outputs=outputs,
        params=params,
        first_pass=passes.kept[0],
        again=passes.kept.get(second, ()),
    )


def _train_again(passes: PassTimer, training: Training) -> tuple[float, float]:
    """Train from the start until there are enough steady passes; return the seconds of resets, and between them."""
    resets_s = idle_s = 0.0
    while _wants_more(passes.passes_s, len(training.orders)):
        idle_s += passes.watch.lap()
        passes.trainer.reset(training.initial)
        resets_s += passes.watch.lap()
        passes.train(training.orders)
    return resets_s, idle_s


def repeat_pass(trainer: Trainer, training: Training) -> Params:
    """Return the parameters after the first pass, taken once more: whoever replays what was seen does not end there."""
    trainer.reset(training.initial)
    trainer.train(training.orders[0])
    return trainer.params()


def reread(trainer: Trainer, clock: Clock, settle: Callable[[], None]) -> tuple[float, ...]:
    """Time reading the parameters when all is long finished; `settle` lets time pass and empties the caches.

    Just after a pass they may not be in a cache either, and what comes from memory takes longer.
    """
    times_s = []
    for _ in range(REREADINGS):
        settle()
        before = clock()
        trainer.params()
        times_s.append(clock() - before)
    return tuple(times_s)


def _wants_more(passes_s: list[float], passes_per_training: int) -> bool:
    steady_s = passes_s[1:]
    if len(passes_s) + passes_per_training > MAX_PASSES or sum(steady_s) >= ENOUGH_S:
        return not steady_s  # one steady pass there must be
    return len(steady_s) < MIN_STEADY_PASSES or sum(steady_s) < MIN_STEADY_S


def fastest_product_s(multiply: Callable[[], None], clock: Clock) -> float:
    """Return the shortest of many calls: what the machine can do, not what it does on average."""
    multiply()  # it may compile
    begin = clock()
    times_s: list[float] = []
    while len(times_s) < MIN_PRODUCTS or clock() - begin < PRODUCTS_S:
        before = clock()
        multiply()
        times_s.append(clock() - before)
    return min(times_s)
