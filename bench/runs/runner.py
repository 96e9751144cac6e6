"""Carries out a plan: data, references, parity, then rounds of samples. Each result is written at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from bench.analysis.standing import standings
from bench.events import Listener, RunListener
from bench.harness.availability import fetch_data, unavailable
from bench.harness.executor import ProcessExecutor
from bench.harness.live import Sample
from bench.harness.setup import WorkerSetup
from bench.parity.check import (
    judge_repetition,
    judge_timed,
    open_references,
    results_before_timing,
    still_wrong,
)
from bench.parity.references import References
from bench.records.runfile import Kept, Records
from bench.records.schema import Block, Lesson, ParityResult, Record, Row
from bench.runs.lessons import lessons
from bench.runs.plan import Plan


def time_rows(
    plan: Plan,
    setup: WorkerSetup,
    listener: Listener,
    earlier: Iterable[Record] = (),
    unranked_rows: Callable[[], Collection[Row]] = tuple,
) -> Iterator[Sample | Block]:
    """Time the rows of a plan on this machine; yield samples and rounds."""
    from bench.runs.schedule import run_rounds  # imports scipy, which takes a second: too long for `bench list`

    with setup.scratch() as scratch, setup.worker(scratch) as calibrator:
        yield from run_rounds(plan, ProcessExecutor(setup, calibrator), listener, earlier, unranked_rows)


Write = Callable[[Record | Block | ParityResult | Lesson], None]


def run_plan(
    plan: Plan,
    setup: WorkerSetup,
    listener: RunListener,
    write: Write,
    earlier: Iterable[Record] = (),
    verdicts: Mapping[Row, ParityResult] = MappingProxyType({}),
    told: Collection[str] = (),
) -> None:
    """Check and time all rows of a plan; write every line of the run file as soon as it is known.

    A later parity result of a row replaces an earlier one. A run that is resumed has `earlier` good records, whose
    parity is checked again, `verdicts`, the parity results that it had come to, and the lessons of the tasks `told`.
    """
    possible = _possible(plan, setup, listener, write)
    with open_references(setup, plan.settings, listener) as references:
        results = _checked(possible, references, write, verdicts)
        refused = _refused(possible, results.values(), write)
        for lesson in lessons(possible, references, told):
            write(lesson)
        going_on = [record for record in earlier if record.job.row in results]
        so_far = SoFar(possible, references, write, listener, results, Kept(going_on))
        for record in going_on:
            so_far.judge(judge_timed(so_far.results[record.job.row], record, references))
        for task in possible.tasks:
            so_far.tell(task)
        so_far.follow(time_rows(possible, setup, listener, [*going_on, *refused], so_far.unranked))


@dataclass(frozen=True)
class SoFar:
    """What a run knows of its rows while it times them."""

    plan: Plan
    references: References
    write: Write
    listener: RunListener
    results: dict[Row, ParityResult]
    kept: Kept  # the records of all rounds so far

    def follow(self, lines: Iterable[Sample | Block]) -> None:
        """Write and judge what rounds yield, as it comes.

        All samples of a round are written before a repetition is judged, because the reference of a repetition may be
        trained for a minute, and whoever interrupts that must not lose a sample that has been measured.
        """
        samples: list[Sample] = []  # of the round that is being written
        for line in lines:
            if isinstance(line, Block):
                self.write(line)
                self.judge_repetitions(f"{line.task} repetitions #{line.block + 1}", samples)
                self.tell(line.task)
                samples = []
            else:
                self.add(line.record)
                samples.append(line)

    def add(self, record: Record) -> None:
        """Write the record of a sample, and judge its first training."""
        self.write(record)
        self.kept.add(record)
        self.judge(judge_timed(self.results[record.job.row], record, self.references))

    def judge_repetitions(self, label: str, samples: Iterable[Sample]) -> None:
        """Judge the watched repetitions of a round; show it as the last job of the round."""
        self.listener.begins(label)
        for sample in samples:
            result = self.results[sample.record.job.row]
            self.judge(judge_repetition(result, sample.repetition, self.references))
        self.listener.ended(label, "ok")

    def judge(self, judged: ParityResult) -> None:
        """Write the parity result of a row if it is another one now."""
        if judged != self.results[judged.row]:
            self.results[judged.row] = judged
            self.write(judged)

    def unranked(self) -> set[Row]:
        """Return the rows that, as far as is known, do not compute their task, or whose times are unfair."""
        return unranked(self.results, self.kept.records())

    def tell(self, task: str) -> None:
        """Tell the listener what is known of the rows of a task: between rounds, so that no turn is disturbed."""
        from bench.analysis.so_far import rows_so_far  # which imports scipy

        rows, records = self.plan.tasks[task], self.kept.records()
        of_task = records.of_row(rows.__contains__).columns
        known = standings(rows, self.results, records)
        self.listener.rows(rows_so_far(rows, self.plan.goal, of_task, known))


def _possible(plan: Plan, setup: WorkerSetup, listener: Listener, write: Write) -> Plan:
    """Return the plan without the rows that cannot run here, whose records are written."""
    lost = fetch_data(plan.tasks, setup, listener)
    skipped = unavailable(plan.rows, lost, setup.backends)
    for row, (status, reason) in skipped.items():
        write(Record(job=plan.job(row, 0), status=status, reason=reason))
    return replace(plan, rows=tuple(row for row in plan.rows if row not in skipped))


def _checked(
    plan: Plan, references: References, write: Write, verdicts: Mapping[Row, ParityResult]
) -> dict[Row, ParityResult]:
    """Check the rows before they are timed; return the result of each."""
    results: dict[Row, ParityResult] = {}
    for result in results_before_timing(plan.rows, references, followed=plan.followed):
        results[result.row] = still_wrong(result, verdicts.get(result.row))
        write(results[result.row])
    return results


def _refused(plan: Plan, results: Iterable[ParityResult], write: Write) -> list[Record]:
    """Return the records of unsupported rows. A timed run would report the same, after importing the framework."""
    refused = [
        Record(job=plan.job(result.row, 0), status="unsupported", reason=result.reason)
        for result in results
        if result.status == "unsupported"
    ]
    for record in refused:
        write(record)
    return refused


def unranked(parity: Mapping[Row, ParityResult], records: Records) -> set[Row]:
    """Return the rows that, as far as is known, do not compute their task, or whose times are unfair."""
    return {row for row, standing in standings(parity, parity, records).items() if not standing.ranked}
