"""The simplest timing loop: the clock is read once before and once after many passes."""

from __future__ import annotations

import time
from collections.abc import Callable

from backends.contract import Trainer
from bench.harness.measure import Clock, Measured
from bench.harness.protocol import TurnReply
from bench.harness.time_job import TimeRequest, time_job
from bench.harness.turn_job import TurnRequest
from bench.harness.turns import Repeater
from bench.harness.workbench import Workbench
from bench.machine.usage import Usage, between, read_usage
from bench.records.schema import Record
from bench.tasks.training import Training

BY_HAND_PASSES = 50
TURN_PASSES = 10  # of 10 ms each: as long as a turn of the harness


class ByHandRequest(TimeRequest, frozen=True, kw_only=True):
    """A request to train a task and time it without the harness's loop."""

    def answer(self, workbench: Workbench) -> Record:
        """Train and time with the simple loop."""
        return time_job(self, measure_by_hand, workbench)


class ByHandTurnRequest(TurnRequest, frozen=True, kw_only=True):
    """A request to train on for a turn, timed without the harness's loop."""

    def answer(self, workbench: Workbench) -> TurnReply:
        """Train `TURN_PASSES` passes between two looks at the clock."""
        asked_s, repeater = time.perf_counter(), workbench.get(Repeater)
        (order,) = repeater.training_of(1).orders[:1]
        before, before_s = read_usage(), time.perf_counter()
        for _ in range(TURN_PASSES):
            repeater.trainer.train(order)
        wall_s, after = time.perf_counter() - before_s, read_usage()
        steady = between(((before, after),))
        return TurnReply(
            passes=TURN_PASSES,
            wall_s=wall_s,
            longest_s=wall_s / TURN_PASSES,
            cpu_s=steady.cpu_s,
            reads=0,
            read_s=0.0,
            took_s=time.perf_counter() - asked_s,
            steady=steady,
        )


def measure_by_hand(trainer: Trainer, training: Training, clock: Clock, usage: Callable[[], Usage]) -> Measured:
    """Time passes without a harness: read the clock before and after a loop over all passes."""
    (order,) = training.orders[:1]
    before = clock()
    losses = trainer.train(order)
    first_s = clock() - before
    first_pass = trainer.params()
    begin = usage()
    before = clock()
    for _ in range(BY_HAND_PASSES):
        trainer.train(order)
    pass_s = (clock() - before) / BY_HAND_PASSES
    steady = between(((begin, usage()),))
    trainer.reset(training.initial)
    trainer.train(order)
    again = trainer.params()
    outputs, params = trainer.predict(training.test.inputs), trainer.params()
    return Measured(
        passes_s=(first_s, *(pass_s for _ in range(BY_HAND_PASSES))),
        resets_s=0.0,
        evaluation_s=0.0,
        checks_s=0.0,
        read_s=(0.0,),
        steady=steady,
        losses=losses,
        outputs=outputs,
        params=params,
        first_pass=first_pass,
        again=again,
    )
