"""The self-test: takes samples on this machine and tests the suite's claims on them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bench.analysis.flags import flags_of
from bench.analysis.turns import NO_ROUNDS, Times, log_times, typical_pass_s
from bench.events import JobListener, SilentListener
from bench.harness.executor import ProcessExecutor
from bench.harness.live import ProcessLive, Sample
from bench.harness.process import Worker
from bench.harness.setup import WorkerSetup
from bench.records.schema import Goal, Job, Record, Row
from bench.runs.plan import Plan
from bench.runs.schedule import run_rounds
from bench.selftest import HIDDEN, REPETITION_S, SELFTEST, TASK
from bench.selftest.by_hand import ByHandRequest, ByHandTurnRequest
from bench.selftest.claims import (
    FAULTS,
    OVERHEAD,
    Claim,
    faults_flagged,
    little_overhead,
    no_false_alarms,
    slowdowns_found,
    truth_covered,
)

EFFECT = 0.02  # the difference that a run is to tell


class OverheadExecutor(ProcessExecutor):
    """Times the no-op with the harness, or with the simple loop."""

    def live(self, job: Job, watched: tuple[int, ...], worker: Worker, scratch: Path) -> ProcessLive:
        """Return a process that is to run a job."""
        if job.row.mode != "by_hand":
            return super().live(job, watched, worker, scratch)
        request = ByHandRequest(job=job, backend=self.setup.backends[job.row.backend], watched=watched)
        return ProcessLive(request, worker, scratch, self.setup.time_limit_s, ByHandTurnRequest)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long each part of a self-test may take samples; one round there always is."""

    repetition_s: float = REPETITION_S
    overhead_s: float = 180.0
    fault_workers: int = 6  # a round has few turns where processes start fast, so a trend shows over several of them


LIMITS = Limits()


@dataclass(frozen=True)
class Part:
    """The samples of one run of a self-test."""

    name: Literal["precision", "overhead", "faults"]
    number: int  # among the runs of this name, from 0
    plan: Plan
    records: tuple[Record, ...]

    @property
    def times(self) -> Times:
        """The times of every row; failed rows have none."""
        times = log_times(self.records)
        return {row: times.get(row, NO_ROUNDS) for row in self.plan.rows}


def selftest(
    setup: WorkerSetup, listener: JobListener, repetitions: int, seed: int, task: str = TASK, limits: Limits = LIMITS
) -> Iterator[Part]:
    """Yield samples of this machine for every claim: those on precision are of `task`, the others of `TASK`."""
    setup = replace(setup, backends=HIDDEN)

    def sample(name: Literal["precision", "overhead", "faults"], number: int, known: Plan, by: ProcessExecutor) -> Part:
        label = f"run {number + 1}" if name == "precision" else name
        listener.begins(label)
        records = take(known, by)
        listener.ended(label, "ok")
        return Part(name, number, known, tuple(records))

    with setup.scratch() as scratch, setup.worker(scratch) as calibrator:
        executor = ProcessExecutor(setup, calibrator)
        goal = Goal(workers=None, effect=EFFECT, time_s=limits.repetition_s)
        listener.stage("A/A and more steps", repetitions)
        for number in range(repetitions):
            known = plan(setup, ("same", "again", "slower"), goal, seed + number, task)
            yield sample("precision", number, known, executor)
        listener.stage("overhead and faults", 2)
        idle = Goal(workers=None, effect=OVERHEAD, time_s=limits.overhead_s)
        known = plan(setup, ("no_op", "by_hand"), idle, seed)
        yield sample("overhead", 0, known, OverheadExecutor(setup, calibrator))
        few = Goal(workers=limits.fault_workers, effect=EFFECT, time_s=math.inf)
        yield sample("faults", 0, plan(setup, ("same", *FAULTS), few, seed), executor)


def claims_of(parts: Iterable[Part]) -> tuple[Claim, ...]:
    """Return every claim with its result on the samples of a whole self-test."""
    parts = tuple(parts)
    runs = [part.times for part in parts if part.name == "precision"]
    overhead, faults = (next(part for part in parts if part.name == name) for name in ("overhead", "faults"))
    return (
        no_false_alarms(runs, EFFECT),
        slowdowns_found(runs, EFFECT),
        truth_covered(runs, EFFECT),
        little_overhead(overhead.times, OVERHEAD),
        *faults_flagged(flags_of(faults.records)),
    )


def samples_csv(parts: Iterable[Part]) -> str:
    """Return a table with a line per sample. There must be one."""
    lines = [line for part in parts for line in tidy(part)]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def plan(setup: WorkerSetup, modes: tuple[str, ...], goal: Goal, seed: int, task: str = TASK) -> Plan:
    """Return a plan of some modes of the self-test's own backend."""
    rows = tuple(Row(task=task, backend=SELFTEST.name, mode=mode, device="cpu", precision="float32") for mode in modes)
    return Plan(rows=rows, threads=setup.threads, settings={}, goal=goal, seed=seed)


def take(plan: Plan, executor: ProcessExecutor) -> list[Record]:
    """Return the records of a plan."""
    return [line.record for line in run_rounds(plan, executor, SilentListener()) if isinstance(line, Sample)]


def tidy(part: Part) -> Iterator[dict[str, object]]:
    """Yield one line per sample."""
    for record in part.records:
        pass_s = typical_pass_s(record.timing) if record.timing else math.nan
        yield {
            "part": part.name,
            "run": part.number + 1,
            "round": record.job.block + 1,
            "mode": record.job.row.mode,
            "status": record.status,
            "pass_s": f"{pass_s:.9g}",
        }
