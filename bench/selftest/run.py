"""The self-test: takes samples on this machine and tests the suite's claims on them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.analysis.flags import flags_of
from bench.analysis.turns import Times, log_times, typical_pass_s
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
class SelftestResult:
    """The claims with their results, and the samples that they were tested on."""

    claims: tuple[Claim, ...]
    samples_csv: str


def selftest(
    setup: WorkerSetup, listener: JobListener, repetitions: int, seed: int, task: str = TASK, limits: Limits = LIMITS
) -> SelftestResult:
    """Test every claim on samples of this machine: those on precision on `task`, the others on `TASK`."""
    lines: list[dict[str, object]] = []
    setup = replace(setup, backends=HIDDEN)

    def sample(label: str, part: str, number: int, known: Plan, executor: ProcessExecutor) -> list[Record]:
        listener.begins(label)
        records = take(known, executor)
        lines.extend(tidy(part, number, records))
        listener.ended(label, "ok")
        return records

    with setup.scratch() as scratch, setup.worker(scratch) as calibrator:
        executor = ProcessExecutor(setup, calibrator)
        goal = Goal(workers=None, effect=EFFECT, time_s=limits.repetition_s)
        listener.stage("A/A and more steps", repetitions)
        runs: list[Times] = []
        for number in range(repetitions):
            known = plan(setup, ("same", "again", "slower"), goal, seed + number, task)
            runs.append(times_of(known, sample(f"run {number + 1}", "precision", number, known, executor)))
        listener.stage("overhead and faults", 2)
        overhead_goal = Goal(workers=None, effect=OVERHEAD, time_s=limits.overhead_s)
        idle = plan(setup, ("no_op", "by_hand"), overhead_goal, seed)
        overhead = sample("overhead", "overhead", 0, idle, OverheadExecutor(setup, calibrator))
        few = Goal(workers=limits.fault_workers, effect=EFFECT, time_s=math.inf)
        faulty = sample("faults", "faults", 0, plan(setup, ("same", *FAULTS), few, seed), executor)
    claims = (
        no_false_alarms(runs, EFFECT),
        slowdowns_found(runs, EFFECT),
        truth_covered(runs, EFFECT),
        little_overhead(times_of(idle, overhead), OVERHEAD),
        *faults_flagged(flags_of(faulty)),
    )
    return SelftestResult(claims, _csv(lines))


def plan(setup: WorkerSetup, modes: tuple[str, ...], goal: Goal, seed: int, task: str = TASK) -> Plan:
    """Return a plan of some modes of the self-test's own backend."""
    rows = tuple(Row(task=task, backend=SELFTEST.name, mode=mode, device="cpu", precision="float32") for mode in modes)
    return Plan(rows=rows, threads=setup.threads, settings={}, goal=goal, seed=seed)


def take(plan: Plan, executor: ProcessExecutor) -> list[Record]:
    """Return the records of a plan."""
    return [line.record for line in run_rounds(plan, executor, SilentListener()) if isinstance(line, Sample)]


def times_of(plan: Plan, records: list[Record]) -> Times:
    """Return the times of every row of a plan; failed rows have none."""
    times = log_times(records)
    return {row: times.get(row, {}) for row in plan.rows}


def tidy(part: str, repetition: int, records: list[Record]) -> Iterator[dict[str, object]]:
    """Yield one line per sample."""
    for record in records:
        pass_s = typical_pass_s(record.timing) if record.timing else math.nan
        yield {
            "part": part,
            "run": repetition + 1,
            "round": record.job.block + 1,
            "mode": record.job.row.mode,
            "status": record.status,
            "pass_s": f"{pass_s:.9g}",
        }


def _csv(lines: list[dict[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()
