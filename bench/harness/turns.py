"""The turns of one process: it trains on, repetition after repetition, and times its passes. Clocks are arguments.

Each repetition begins from another start and goes in another order, so that nothing can be remembered, prepared or
folded by a compiler. Only `train` is timed, and the part of a `reset` that is longer than setting parameters can be: a
trainer that trains in `reset` gains nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from backends.contract import Array, Inputs, Params, Trainer, parts
from bench.harness.measure import Clock
from bench.harness.protocol import TurnReply
from bench.harness.repetition import Repetition
from bench.machine.usage import Usage, between
from bench.tasks.training import Training

TURN_S = 0.1  # of timed passes
LONGEST_TURN_S = 0.3  # from the first timed pass on, where passes are shorter than what is between them
# After a stop the first passes are slower, because other processes have used the caches. Measured (first pass over a
# usual one, on linear_fit and mlp_regression): NumPy 1.07 to 1.15, JAX 1.45 of 0.4 ms and 1.00 of 50 ms, TensorFlow 1.1
# to 2.1 of 0.8 to 4 ms, PyTorch eager 1.5, 1.26 and 1.02 of 18 ms, and 1.08 of 370 ms: some 0.5 ms, and 15 to 30 ms for
# PyTorch. On mnist_mlp, two threads: JAX 1.07 of 240 ms, PyTorch 1.01 of 610 ms.
WARM_UP_S = 0.04  # of whole passes that are not timed, at the beginning of a turn
LONG_PASS_S = 2.0  # of longer passes none is left untimed: what the first milliseconds cost is at most 1.5 % of them
# What `reset` may take for each array of parameters or optimizer state. Measured, copying aside: up to 190 us
# (TensorFlow; JAX 130 us, PyTorch 50 us, NumPy 2 us).
ARRAY_S = 250e-6
COPIES = 4.0  # of the array in NumPy


@dataclass(frozen=True)
class Instruments:
    """What a turn is measured with."""

    clock: Clock
    cpu: Clock  # CPU time of this process; read before and after each pass
    usage: Callable[[], Usage]


class Pass(NamedTuple):
    """The times of one pass."""

    wall_s: float
    cpu_s: float


class Repeater:
    """Trains a trainer again and again, pass by pass; what it began in one turn it goes on with in the next."""

    def __init__(
        self,
        trainer: Trainer,
        training_of: Callable[[int], Training],
        test_inputs: Inputs,
        instruments: Instruments,
        watched: Collection[int] = (),
        usual_s: float = 0.0,
    ) -> None:
        self.trainer = trainer
        self.training_of = training_of  # by the number of the repetition, from 1
        self.test_inputs = test_inputs
        self.instruments = instruments
        self.watched = watched  # repetitions whose results are kept, until the next of them is complete
        self.kept: Repetition | None = None
        self.number = 0  # of the repetition
        self.orders: tuple[Array, ...] = ()  # passes that it still has to train
        self.losses: list[Array] = []  # of the passes that it has trained
        self.reset_share_s = 0.0  # what each pass of the repetition is charged for its reset
        self.read_s: list[float] = []  # in this turn
        self.usual_s = usual_s  # of a pass: the last one; 0 if unknown

    def turn(self, least_s: float = TURN_S) -> TurnReply:
        """Warm up, then time whole passes for at least `least_s` seconds."""
        self.read_s, asked_s = [], self.instruments.clock()
        self._warm_up()
        before = self.instruments.usage()
        passes = self._timed(least_s)
        steady = between(((before, self.instruments.usage()),))
        if self.orders:  # otherwise they have just been read
            self._read()
        return TurnReply(
            passes=len(passes),
            wall_s=sum(each.wall_s for each in passes),
            longest_s=max(each.wall_s for each in passes),
            cpu_s=sum(each.cpu_s for each in passes) + steady.helpers_cpu_s,
            reads=len(self.read_s),
            read_s=sum(self.read_s),
            took_s=self.instruments.clock() - asked_s,
            steady=steady,
        )

    def _timed(self, least_s: float) -> list[Pass]:
        begun_s, wall_s = self.instruments.clock(), 0.0
        passes: list[Pass] = []
        while not passes or (wall_s < least_s and self.instruments.clock() - begun_s < LONGEST_TURN_S):
            passes.append(self._pass())
            wall_s += passes[-1].wall_s
        return passes

    def _warm_up(self) -> None:
        begun_s = self.instruments.clock()
        while self.instruments.clock() - begun_s < WARM_UP_S and self.usual_s < LONG_PASS_S:
            self._pass()

    def _pass(self) -> Pass:
        if not self.orders:
            self._begin()
        order, self.orders = self.orders[0], self.orders[1:]
        cpu_s, before_s = self.instruments.cpu(), self.instruments.clock()
        losses = self.trainer.train(order)
        wall_s = self.instruments.clock() - before_s
        cpu_s = self.instruments.cpu() - cpu_s
        self.usual_s = wall_s
        self.losses.append(losses)
        if not self.orders:
            self._complete()
        return Pass(wall_s + self.reset_share_s, cpu_s)

    def _begin(self) -> None:
        """Begin the next repetition. What its reset takes too long is shared by its passes, timed or not."""
        self.number += 1
        training = self.training_of(self.number)
        allowed_s = self._allowance_s(training)
        before_s = self.instruments.clock()
        self.trainer.reset(training.initial)
        excess_s = self.instruments.clock() - before_s - allowed_s
        self.orders, self.losses = training.orders, []
        self.reset_share_s = max(0.0, excess_s) / len(training.orders)

    def _allowance_s(self, training: Training) -> float:
        """Return what setting the parameters and the optimizer's state can take, from a copy of them in NumPy."""
        arrays = list(parts(training.initial))
        before_s = self.instruments.clock()
        for array in arrays:
            np.copy(array)
        copy_s = self.instruments.clock() - before_s
        return (1 + training.problem.optimizer.slots) * (len(arrays) * ARRAY_S + COPIES * copy_s)

    def _complete(self) -> None:
        params = self._read()
        if self.number in self.watched:
            outputs = self.trainer.predict(self.test_inputs)
            self.kept = Repetition(self.number, np.concatenate(self.losses), outputs, params)

    def _read(self) -> Params:
        """Read the parameters, which has to wait for unfinished work: nothing is left to do while others train."""
        before_s = self.instruments.clock()
        params = self.trainer.params()
        self.read_s.append(self.instruments.clock() - before_s)
        return params
