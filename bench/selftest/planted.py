"""Plants every known fault in an otherwise correct backend, on every task, and reports which tier catches it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.events import Listener
from bench.harness.setup import WorkerSetup
from bench.parity.check import check_parity
from bench.parity.tiers import TIERS
from bench.records.schema import ParityResult, Row
from bench.selftest import FAULTY, HIDDEN
from bench.selftest.faulty import FAULTS
from bench.tasks.names import find_task

NOTHING = "–"  # the fault does not affect the task, such as wrong momentum in Adam
MISSED = "MISSED"
COUNTED = (*TIERS, MISSED, NOTHING)


@dataclass(frozen=True)
class Catch:
    """Which tier caught a fault on a task."""

    fault: str
    task: str
    tier: str  # the first tier that caught it, `NOTHING`, `MISSED`, or the status of a row that could not be checked
    reason: str

    @property
    def settled(self) -> bool:
        """Whether the fault was caught or does not affect the task."""
        return self.tier in (*TIERS, NOTHING)


def catches(tasks: Sequence[str], setup: WorkerSetup, listener: Listener, *, followed: bool = True) -> Iterator[Catch]:
    """Yield which tier catches each fault on each task; if not `followed` in float64, by the timed runs alone.

    Faults on tasks whose data are not available have the status `no data`.
    """
    hidden = replace(setup, backends=HIDDEN)
    for task in tasks:
        rows = [faulty_row(task, name) for name, fault in FAULTS.items() if fault.concerns(find_task(task))]
        results = check_parity(rows, hidden, {}, listener, timed=True, followed=followed)
        by_mode = {result.row.mode: result for result in results}
        for name in FAULTS:
            yield caught(name, task, by_mode.get(name))


def faulty_row(task: str, fault: str) -> Row:
    """Return the row of a fault."""
    return Row(task=task, backend=FAULTY.name, mode=fault, device="cpu", precision="float32")


def caught(fault: str, task: str, result: ParityResult | None) -> Catch:
    """Return the catch for a fault's parity result, which is None if the fault does not affect the task."""
    if result is None:
        return Catch(fault, task, NOTHING, "")
    if result.agrees is False and result.tier:
        return Catch(fault, task, result.tier, result.reason)
    return Catch(fault, task, MISSED if result.agrees else result.status, result.reason)


def by_fault(found: Sequence[Catch]) -> list[dict[str, str]]:
    """Return one line per fault, with the tier for each task."""
    lines: Mapping[str, dict[str, str]] = {name: {"fault": fault.title} for name, fault in FAULTS.items()}
    for catch in found:
        lines[catch.fault][catch.task] = catch.tier
    return list(lines.values())


def counts(found: Sequence[Catch]) -> list[dict[str, str]]:
    """Return one line per fault, with the number of tasks for each tier."""
    lines = []
    for name, fault in FAULTS.items():
        catches = [catch for catch in found if catch.fault == name]
        tiers = Counter(catch.tier for catch in catches)
        others = "; ".join(f"{catch.task}: {catch.tier}" for catch in catches if not catch.settled)
        cells = {tier: f"{tiers[tier] or ''}" for tier in COUNTED}
        lines.append({"fault": fault.title, **cells, "on": others})
    return lines
