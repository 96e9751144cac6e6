"""The last job of a worker process: it tells what its model has learned. All that is measured has been measured."""

from __future__ import annotations

import time

from msgspec.structs import replace

from backends.contract import Trainer
from bench.harness.job import task_of
from bench.harness.measure import Clock, Evaluated
from bench.harness.protocol import LearnedReply, Request
from bench.harness.turns import Repeater
from bench.harness.workbench import Workbench
from bench.lessons.result import learned_of
from bench.lessons.shown import rounded
from bench.records.schema import Job, Learned
from bench.tasks.training import Training, evaluate


class LearnRequest(Request[LearnedReply], frozen=True, kw_only=True):
    """A request to tell what was learned in the first training, and to train once more to tell the metric by pass.

    The parameters after each pass could have been kept in the first training instead. But copies of them would be in
    its peak memory (94 MB for `text_classifier`), and on a disk the system would write them during the turns of others.
    """

    job: Job  # the one of the `TimeRequest` before
    limit_s: float  # for the training; 0 for none
    cut: str = ""  # for people, why there is none

    def answer(self, workbench: Workbench) -> LearnedReply:
        """Look at the outputs of the first training, then train again."""
        training, outputs = workbench.get(Training), workbench.get(Evaluated).outputs
        learned = learned_of(task_of(self.job), training.test, outputs)
        if len(training.orders) == 1:  # the metric after it is that of the record
            return LearnedReply(learned=learned)
        if self.limit_s <= 0:
            return LearnedReply(learned=replace(learned, cut=self.cut))
        trainer = workbench.get(Repeater).trainer
        return LearnedReply(learned=with_passes(learned, trainer, training, self.limit_s, time.perf_counter))


def with_passes(learned: Learned, trainer: Trainer, training: Training, limit_s: float, clock: Clock) -> Learned:
    """Train from the beginning, pass by pass, until the end or the limit; return the metric after each pass too."""
    begun_s = clock()
    metrics: list[float | None] = []
    trainer.reset(training.initial)
    for order in training.orders:
        if clock() - begun_s >= limit_s:
            missing = f"stopped after {len(metrics)} of {len(training.orders)} passes: they took {limit_s:.0f} s"
            return replace(learned, metric_by_pass=tuple(metrics), cut=missing)
        trainer.train(order)
        outputs = trainer.predict(training.test.inputs)
        metrics.append(rounded(evaluate(training.metric, outputs, training.test.targets)))
    return replace(learned, metric_by_pass=tuple(metrics))
