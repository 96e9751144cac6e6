"""Runs every planted cheat as a process of a run, beside an honest one, and reports which check caught it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from bench.analysis.flags import flags_of
from bench.events import Listener
from bench.harness.live import Sample, sample_alone
from bench.harness.setup import WorkerSetup
from bench.harness.time_job import TimeRequest
from bench.parity.check import judge_repetition, judge_timed, open_references, results_before_timing
from bench.parity.tiers import TIERS
from bench.records.schema import Job, ParityResult, Record, Row
from bench.selftest import CHEATING, HIDDEN, SELFTEST
from bench.selftest.cheating import CHEATS

TASKS = ("mlp_regression", "iris_mlp")  # every step takes all rows; steps in batches
HONEST = "same"  # mode of the honest process
TURNS = 8
REPETITION = 2  # watched; the trainings before it are the first one, its repeated pass, and repetition 1
FLAG = "flag"  # of the times
NOTHING = "nothing"


@dataclass(frozen=True)
class Caught:
    """What caught a cheat on a task."""

    cheat: str
    task: str
    by: str  # the tier of the parity check, `FLAG`, `NOTHING`, or the status of a process that failed
    reason: str

    @property
    def settled(self) -> bool:
        """Whether a cheat was caught, so that its row is not ranked; the honest process must not be."""
        return self.by in (*TIERS, FLAG) if self.cheat in CHEATS else self.by == NOTHING


def caught_cheats(setup: WorkerSetup, listener: Listener, cheats: Iterable[str] = CHEATS) -> Iterator[Caught]:
    """Yield what caught each cheat on each of `TASKS`; the honest process comes first."""
    hidden = replace(setup, backends=HIDDEN)
    for task in TASKS:
        rows = [cheat_row(task, cheat) for cheat in cheats]
        honest = Row(task=task, backend=SELFTEST.name, mode=HONEST, device="cpu", precision="float32")
        with open_references(hidden, {}, listener) as references:
            results = list(results_before_timing([honest, *rows], references))
            listener.stage("cheats", len(results))
            samples = {result.row: _sample(result.row, hidden, listener) for result in results}
            for result in sorted(results, key=lambda result: result.row != honest):
                sample = samples[result.row]
                judged = judge_timed(result, sample.record, references)
                judged = judge_repetition(judged, sample.repetition, references)
                yield verdict(judged, sample.record, samples[honest].record)


def cheat_row(task: str, cheat: str) -> Row:
    """Return the row of a cheat."""
    return Row(task=task, backend=CHEATING.name, mode=cheat, device="cpu", precision="float32")


def _sample(row: Row, setup: WorkerSetup, listener: Listener) -> Sample:
    """Let a process train once, and then take some turns."""
    job = Job(row=row, threads=setup.threads, block=0)
    request = TimeRequest(job=job, backend=setup.backends[row.backend], watched=(REPETITION,))
    listener.begins(str(row))
    with setup.scratch() as scratch, setup.worker(scratch) as worker:
        sample = sample_alone(request, worker, scratch, setup.time_limit_s, TURNS)
    listener.ended(str(row), sample.record.status)
    return sample


def verdict(result: ParityResult, record: Record, honest: Record) -> Caught:
    """Return what caught the process of a row: parity, or else an unfair flag beside an honest process."""
    row = result.row
    if record.status != "ok":
        return Caught(row.mode, row.task, record.status, record.reason)
    if result.agrees is False:
        return Caught(row.mode, row.task, result.tier, result.reason)
    records = [record] if record is honest else [honest, record]
    flags = [flag.sentence for flag in flags_of(records)[row] if flag.unfair]
    return Caught(row.mode, row.task, FLAG if flags else NOTHING, "; ".join(flags))


def by_cheat(found: Sequence[Caught]) -> list[dict[str, str]]:
    """Return one line per cheat, and one for the honest process, with what caught it on each task."""
    lines = {name: {"cheat": title} for name, (title, _) in CHEATS.items()} | {HONEST: {"cheat": "none: honest"}}
    for each in found:
        lines[each.cheat][each.task] = f"{each.by}: {each.reason}" if each.by == FLAG else each.by
    return list(lines.values())
