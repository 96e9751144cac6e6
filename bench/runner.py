"""Carries out a plan: data, references, parity, then blocks of samples, each outcome written before the next begins."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from bench.flags import unfair
from bench.plan import Plan
from bench.records import Block, ParityResult, Record, Row
from bench.setup import Listener, WorkerSetup, fetch_data, unavailable
from bench.stand import time_rows
from bench.verify import Parity

Write = Callable[[Record | Block | ParityResult], None]


def run_plan(plan: Plan, setup: WorkerSetup, listener: Listener, write: Write, earlier: Iterable[Record] = ()) -> None:
    """Check and time all rows of a plan; every line of the run file is written when it is known.

    A later verdict on a row replaces an earlier one. The good records `earlier` of a run that is gone on with are
    judged again with the new ones.
    """
    lost = fetch_data(plan.tasks, setup, listener)
    skipped = unavailable(plan.rows, lost)
    for row, (status, reason) in skipped.items():
        write(Record(job=plan.job(row, 0), status=status, reason=reason))
    possible = replace(plan, rows=tuple(row for row in plan.rows if row not in skipped))
    with tempfile.TemporaryDirectory(prefix="levelfield-") as scratch:
        parity = Parity(setup, Path(scratch), plan.settings, listener)
        if plan.followed:
            parity.refer(possible.tasks)
        verdicts, refused = {}, []
        for verdict in (parity.check if plan.followed else parity.trust)(possible.rows):
            verdicts[verdict.row] = verdict
            write(verdict)
            if verdict.status == "unsupported":  # which it would be again, an import later
                refused.append(Record(job=plan.job(verdict.row, 0), status="unsupported", reason=verdict.reason))
                write(refused[-1])

        def judge(record: Record) -> None:
            row = record.job.row
            judged = parity.judge(verdicts[row], record)
            if judged != verdicts[row]:
                verdicts[row] = judged
                write(judged)

        kept = [record for record in earlier if record.job.row in verdicts]
        records = list(kept)
        for record in kept:
            judge(record)
        for line in time_rows(
            possible, setup, listener, [*kept, *refused], lambda: unranked(verdicts.values(), records)
        ):
            write(line)
            if isinstance(line, Record):
                judge(line)
                records.append(line)


def unranked(verdicts: Iterable[ParityResult], records: Iterable[Record]) -> set[Row]:
    """Return the rows that do not compute, for all that is known, what their task defines, or whose times mislead."""
    wrong = {verdict.row for verdict in verdicts if verdict.agrees is not True}
    return wrong | unfair(records).keys()
