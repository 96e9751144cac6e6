"""The simplest timing loop: the clock is read once before and once after many passes."""

from __future__ import annotations

from collections.abc import Callable

from backends.contract import Trainer
from bench.harness.measure import Clock, Measured
from bench.harness.time_job import TimeRequest, time_job
from bench.machine.usage import Usage, between
from bench.records.schema import Record
from bench.tasks.training import Training

BY_HAND_PASSES = 50


class ByHandRequest(TimeRequest, frozen=True, kw_only=True):
    """A request to train a task and time it without the harness's loop."""

    def answer(self) -> Record:
        """Train and time with the simple loop."""
        return time_job(self, measure_by_hand)


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
        again=(),
    )
