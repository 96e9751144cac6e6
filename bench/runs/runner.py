"""Carries out a plan: data, references, parity, then rounds of samples. Each result is written at once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from bench.analysis.standing import standings
from bench.events import Listener
from bench.harness.availability import fetch_data, unavailable
from bench.harness.executor import ProcessExecutor
from bench.harness.live import Sample
from bench.harness.setup import WorkerSetup
from bench.parity.check import judge_repetition, judge_timed, open_references, results_before_timing, still_wrong
from bench.records.schema import Block, ParityResult, Record, Row
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

    with tempfile.TemporaryDirectory(prefix="levelfield-") as scratch, setup.worker(Path(scratch)) as calibrator:
        yield from run_rounds(plan, ProcessExecutor(setup, calibrator), listener, earlier, unranked_rows)


Write = Callable[[Record | Block | ParityResult], None]


def run_plan(
    plan: Plan,
    setup: WorkerSetup,
    listener: Listener,
    write: Write,
    earlier: Iterable[Record] = (),
    verdicts: Mapping[Row, ParityResult] = MappingProxyType({}),
) -> None:
    """Check and time all rows of a plan; write every line of the run file as soon as it is known.

    A later parity result of a row replaces an earlier one. `earlier` are the good records of a run that is resumed;
    their parity is checked again too. `verdicts` are the parity results that this run had come to.
    """
    lost = fetch_data(plan.tasks, setup, listener)
    skipped = unavailable(plan.rows, lost, setup.backends)
    for row, (status, reason) in skipped.items():
        write(Record(job=plan.job(row, 0), status=status, reason=reason))
    possible = replace(plan, rows=tuple(row for row in plan.rows if row not in skipped))
    with open_references(setup, plan.settings, listener) as references:
        results: dict[Row, ParityResult] = {}
        refused = []
        for result in results_before_timing(possible.rows, references, followed=plan.followed):
            result = still_wrong(result, verdicts.get(result.row))
            results[result.row] = result
            write(result)
            if result.status == "unsupported":  # the timed run would report the same, after importing the framework
                refused.append(Record(job=plan.job(result.row, 0), status="unsupported", reason=result.reason))
                write(refused[-1])

        def judge(sample: Sample) -> None:
            row = sample.record.job.row
            judged = judge_timed(results[row], sample.record, references)
            if sample.repetition is not None and judged.agrees:
                judged = judge_repetition(judged, sample.repetition, references)
            if judged != results[row]:
                results[row] = judged
                write(judged)

        kept = [record for record in earlier if record.job.row in results]
        records = list(kept)
        for record in kept:
            judge(Sample(record, None))
        for line in time_rows(possible, setup, listener, [*kept, *refused], lambda: unranked(results, records)):
            if isinstance(line, Block):
                write(line)
            else:
                write(line.record)
                judge(line)
                records.append(line.record)


def unranked(parity: Mapping[Row, ParityResult], records: Iterable[Record]) -> set[Row]:
    """Return the rows that, as far as is known, do not compute their task, or whose times are unfair."""
    return {row for row, standing in standings(parity, parity, records).items() if not standing.ranked}
