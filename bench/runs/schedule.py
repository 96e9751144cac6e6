"""Times rows in interleaved blocks, until the stopping rule or the time limit ends it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from bench.analysis.stopping import still_open
from bench.events import JobListener
from bench.harness.executor import Executor
from bench.records.schema import Block, CoreTimes, Record, Row
from bench.runs.plan import Plan, block_order


@dataclass
class Progress:
    """The progress of a run."""

    plan: Plan
    records: list[Record]
    begun_s: float
    took_s: dict[str, float] = field(default_factory=dict)  # duration of the last block of each task

    def has(self, row: Row, block: int) -> bool:
        """Return whether a sample exists already, from a run that is resumed."""
        return any(record.job.row == row and record.job.block == block for record in self.records)

    def fits(self, task: str, now_s: float) -> bool:
        """Return whether another block of a task, as long as its last one, would end in time; the first always does."""
        if self.plan.goal.workers is not None or task not in self.took_s:
            return True
        return now_s - self.begun_s + self.took_s[task] <= self.plan.goal.time_s

    def label(self, block: int, now_s: float) -> str:
        """Return, for people, the number of the block and how much of the time has passed."""
        if self.plan.goal.workers is not None:
            return f"block {block + 1} of {self.plan.goal.workers}"
        return f"block {block + 1}, {(now_s - self.begun_s) / 60:.0f} of {self.plan.goal.time_s / 60:g} min"


def run_blocks(
    plan: Plan,
    executor: Executor,
    listener: JobListener,
    earlier: Iterable[Record] = (),
    unranked: Callable[[], Collection[Row]] = tuple,
) -> Iterator[Record | Block]:
    """Yield the record of each sample and, after each block, the state of the machine during it.

    `earlier` are the good records of the same plan, from a run that is resumed. `unranked` returns the rows that are
    not ranked: no other row is compared with them.
    """
    progress = Progress(plan, list(earlier), executor.clock())
    for number in itertools.count():
        rows = still_open(plan.rows, plan.goal, progress.records, number, unranked())
        owed = {row for row in rows if not progress.has(row, number)}
        fitting = [task for task in plan.tasks if progress.fits(task, executor.clock())]
        if not any(row.task in fitting for row in rows):
            return
        listener.stage(progress.label(number, executor.clock()), sum(row.task in fitting for row in owed))
        for task in fitting:
            order = block_order(plan.tasks[task], seed=plan.seed, block=number)
            contenders = [row for row in order if row in owed]
            if contenders and progress.fits(task, executor.clock()):
                yield from _block(task, number, contenders, progress, executor, listener)


def _block(
    task: str, number: int, rows: list[Row], progress: Progress, executor: Executor, listener: JobListener
) -> Iterator[Record | Block]:
    begun_s = executor.clock()
    before, cores_before = executor.calibrate(), executor.core_times()
    working_s = executor.clock()
    for row in rows:
        label = f"{row} #{number + 1}"
        listener.begins(label)
        record = executor.time_job(progress.plan.job(row, number))
        listener.ended(label, record.status)
        progress.records.append(record)
        yield record
    wall_s = executor.clock() - working_s
    cores_after, after = executor.core_times(), executor.calibrate()
    progress.took_s[task] = executor.clock() - begun_s
    foreign, stolen = _others(cores_before, cores_after, wall_s)
    yield Block(
        task=task,
        block=number,
        wall_s=wall_s,
        before=before,
        after=after,
        foreign_cores=foreign,
        stolen_cores=stolen,
    )


def _others(before: CoreTimes | None, after: CoreTimes | None, wall_s: float) -> tuple[float | None, float | None]:
    """Return how many cores other processes, and other virtual machines on the host, kept busy."""
    if before is None or after is None or wall_s <= 0:
        return None, None
    foreign_s = (after.busy_s - before.busy_s) - (after.own_s - before.own_s)
    return max(0.0, foreign_s / wall_s), max(0.0, (after.stolen_s - before.stolen_s) / wall_s)
