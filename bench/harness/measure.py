"""Times one trainer. The clock is an argument, so that tests can use a simulated one."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

import numpy as np

from backends.contract import Array, Params, Trainer
from bench.machine.usage import Usage, between
from bench.records.schema import Steady
from bench.tasks.training import Training

Clock = Callable[[], float]

MAX_READINGS = 20  # of the parameters, one after each of the first passes
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
    outputs: Array  # for the test rows, after the first training
    params: Params  # after the first training
    first_pass: Params  # after its first pass
    again: Params  # after the first pass was repeated from the same start


@dataclass(frozen=True)
class Evaluated:
    """What a trainer predicted after its first training."""

    outputs: Array  # [evaluation rows, outputs]


class Stopwatch:
    """Measures the time between calls of `lap`."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.last = clock()

    def lap(self) -> float:
        """Return the seconds since the last lap."""
        before, self.last = self.last, self.clock()
        return self.last - before


class PassTimer:
    """Trains passes and times each; reading the parameters after the first passes shows whether `train` waited."""

    def __init__(self, trainer: Trainer, clock: Clock, watch: Stopwatch, keep: Container[int]) -> None:
        self.trainer = trainer
        self.clock = clock
        self.watch = watch
        self.keep = keep  # passes whose parameters are kept, by number; all of them would add to the measured memory
        self.kept: dict[int, Params] = {}
        self.passes_s: list[float] = []
        self.read_s: list[float] = []

    def train(self, orders: Sequence[Array]) -> list[Array]:
        """Train one pass for each order; return the losses of each pass."""
        return [self._train_pass(order) for order in orders]

    def _train_pass(self, order: Array) -> Array:
        before = self.clock()
        losses = self.trainer.train(order)
        self.passes_s.append(self.clock() - before)
        self.watch.lap()
        number = len(self.passes_s) - 1
        if number < MAX_READINGS or number in self.keep:
            params = self.trainer.params()
            self.read_s.append(self.watch.lap())
            if number in self.keep:
                self.kept[number] = params
        return losses


def measure(trainer: Trainer, training: Training, clock: Clock, usage: Callable[[], Usage]) -> Measured:
    """Train, evaluate, and repeat the first pass from the same start.

    The trainer has been reset. Only calls of `train` are timed as passes; each must return when its work is finished.
    The first `MAX_READINGS` passes and the repeated one are checked for that: reading the parameters has to wait for
    unfinished work.
    """
    watch = Stopwatch(clock)
    repeated = len(training.orders)  # its number
    passes = PassTimer(trainer, clock, watch, keep=(0, repeated))
    trainer.params()  # the first reading takes longer than later ones
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
    checks_s += watch.lap()
    trainer.reset(training.initial)
    resets_s = watch.lap()
    passes.train(training.orders[:1])
    windows = (first, (begin, usage()))
    return Measured(
        passes_s=tuple(passes.passes_s),
        resets_s=resets_s,
        evaluation_s=evaluation_s,
        checks_s=checks_s + sum(passes.read_s) + watch.lap(),
        read_s=tuple(passes.read_s),
        steady=between(windows),
        losses=np.concatenate(losses),
        outputs=outputs,
        params=params,
        first_pass=passes.kept[0],
        again=passes.kept[repeated],
    )


def reread(trainer: Trainer, initial: Params, clock: Clock, settle: Callable[[], None]) -> tuple[float, ...]:
    """Time reading the parameters when there is no work left; `settle` lets time pass and empties the caches.

    Directly after a pass the parameters may not be in a cache either, and reading from memory takes longer. Each
    reading is of parameters that were set anew to `initial`, because a framework can keep the copy that it has made for
    an earlier reading: on a GPU, a second reading of the same arrays of JAX takes a tenth of the time of the first.
    """
    times_s = []
    for _ in range(REREADINGS):
        trainer.reset(initial)
        settle()
        before = clock()
        trainer.params()
        times_s.append(clock() - before)
    return tuple(times_s)


def fastest_product_s(multiply: Callable[[], None], clock: Clock) -> float:
    """Return the time of the shortest of many calls: the best that the machine can do, not the average."""
    multiply()  # the first call may compile
    begin = clock()
    times_s: list[float] = []
    while len(times_s) < MIN_PRODUCTS or clock() - begin < PRODUCTS_S:
        before = clock()
        multiply()
        times_s.append(clock() - before)
    return min(times_s)
