"""Plants every known fault in a backend that is otherwise right, on every task, and sees which tier catches it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.records import Job, Row, Verdict
from bench.selftest import FAULTY
from bench.selftest.faulty import FAULTS
from bench.setup import Setup, Watcher, fetch_data
from bench.stand import WorkerStand
from bench.tasks import TASKS
from bench.verify import Parity

NOTHING = "–"  # where a fault changes nothing, such as another momentum in Adam
MISSED = "MISSED"


@dataclass(frozen=True)
class Catch:
    """What became of a fault on a task."""

    fault: str
    task: str
    tier: str  # that caught it first, `NOTHING` or `MISSED`
    reason: str


def catches(tasks: Sequence[str], setup: Setup, watcher: Watcher) -> Iterator[Catch]:
    """Yield what becomes of every fault on every task. Raises `DataMissing` where a task's data cannot be had."""
    lost = fetch_data(tasks, setup, watcher)
    with tempfile.TemporaryDirectory(prefix="levelfield-") as scratch:
        parity = Parity(setup, Path(scratch), {}, watcher)
        for task in tasks:
            if task in lost:
                yield from (Catch(name, task, "no data", lost[task]) for name in FAULTS)
                continue
            concerned = [name for name, fault in FAULTS.items() if fault.concerns(TASKS[task])]
            rows = [faulty_row(task, name) for name in concerned]
            verdicts = _verdicts(task, rows, parity, setup, watcher)
            for name in FAULTS:
                yield caught(name, task, verdicts.get(name))


def faulty_row(task: str, fault: str) -> Row:
    """Return the row of a fault."""
    return Row(task=task, backend=FAULTY.name, mode=fault, device="cpu", precision="float64")


def _verdicts(task: str, rows: Sequence[Row], parity: Parity, setup: Setup, watcher: Watcher) -> dict[str, Verdict]:
    """Return the verdict on each fault; those that the float64 tiers do not see are timed, as any row is."""
    parity.refer([task])
    verdicts = {}
    for verdict in parity.check(rows):
        timed = msgspec.structs.replace(verdict.row, precision="float32")
        verdicts[verdict.row.mode] = msgspec.structs.replace(verdict, row=timed)
    unseen = [verdict for verdict in verdicts.values() if verdict.agrees]
    parity.surround([verdict.row for verdict in unseen])
    watcher.stage("timed runs", len(unseen))
    with setup.worker(parity.scratch) as calibrator:
        stand = WorkerStand(setup, calibrator)
        for verdict in unseen:
            label = str(verdict.row)
            watcher.begins(label)
            record = stand.sample(Job(row=verdict.row, threads=setup.threads, block=0))
            watcher.ended(label, record.status)
            verdicts[verdict.row.mode] = parity.judge(verdict, record)
    return verdicts


def caught(fault: str, task: str, verdict: Verdict | None) -> Catch:
    """Return what a verdict says of a fault; there is none where the fault changes nothing."""
    if verdict is None:
        return Catch(fault, task, NOTHING, "")
    if verdict.agrees is False and verdict.tier:
        return Catch(fault, task, verdict.tier, verdict.reason)
    return Catch(fault, task, MISSED, verdict.reason)


def by_fault(found: Sequence[Catch]) -> list[dict[str, str]]:
    """Return a line a fault, with the tier for each task."""
    lines: Mapping[str, dict[str, str]] = {name: {"fault": fault.title} for name, fault in FAULTS.items()}
    for catch in found:
        lines[catch.fault][catch.task] = catch.tier
    return list(lines.values())
