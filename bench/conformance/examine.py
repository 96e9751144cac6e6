"""Examines a backend: every conformance check in worker processes, a timed run, and the parity check."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from backends.contract import Placement
from backends.registry import BACKENDS
from bench.analysis.flags import flags_of, unfair
from bench.conformance.checks import CHECKS
from bench.conformance.job import CheckRequest
from bench.errors import require_name
from bench.events import Listener
from bench.harness.availability import unavailable_backend
from bench.harness.live import sample_alone
from bench.harness.output import place_in
from bench.harness.process import Worker
from bench.harness.protocol import Done, Failure
from bench.harness.setup import WorkerSetup
from bench.harness.time_job import TimeRequest
from bench.parity.check import check_parity
from bench.parity.references import NOT_JUDGED
from bench.records.schema import FAILURES, Job, ParityResult, Record, Row
from bench.runs.selection import choose_tasks

CheckStatus = Literal["holds", "fails", "unsupported", "not run"]

BLOCKING: tuple[CheckStatus, ...] = ("fails", "not run")

WAITS = "waits"
UNTRAINED = ("entry", "refuses")  # these hold for a backend that supports nothing
PROCESSES = 3  # before times are called unfair
PARITY = "parity "  # before the name of a task
# Trainings whose passes take some tens of milliseconds, long enough that unfinished work is noticed. The first one that
# is supported is timed: mostly matrix products, or else the smallest task that a backend can support.
TIMED: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "mlp_regression",
        {"data.rows": 2000, "model.hidden": (256,), "model.activation": "relu", "optimizer": "sgd", "epochs": 20},
    ),
    ("linear_fit", {"data.rows": 20_000, "epochs": 20}),
)
TIMED_LESSON = (
    "Why it matters: the clock stops when train returns; work done afterwards, or on more cores than granted, "
    "would not be counted. See Trainer.train in backends/contract.py. Usual cause: the framework returns before "
    "the results are ready and train does not wait for them, or placement.threads is ignored."
)
PARITY_LESSON = (
    "Why it matters: a row that computes something else is not ranked. See the formulas at the top of "
    "backends/contract.py. Usual cause: if the check 'follows' fails too, correct that first; if it passes, look at "
    "what this task has and the cases of 'follows' do not have: another optimizer, loss, activation or size."
)


@dataclass(frozen=True, kw_only=True)
class BackendFinding:
    """The result of one check in one mode."""

    check: str
    mode: str
    status: CheckStatus
    reason: str = ""  # a whole sentence if it fails; the cases it was not run on if it holds


@contextmanager
def examination(
    backend: str,
    modes: Sequence[str],
    tasks: Sequence[str],
    setup: WorkerSetup,
    listener: Listener,
    checks: Sequence[str] = (),
) -> Iterator[Examination]:
    """Yield an examination of a backend in these modes, by these checks (empty: all), on these tasks.

    Parity is a check of each task, named after it, or `parity` for all of them. Raises `BadChoice`.
    """
    require_name(backend, BACKENDS, "backend")
    known = BACKENDS[backend].modes
    for mode in modes:
        require_name(mode, known, "mode")
    names = tuple(task.name for task in choose_tasks(tasks))
    for check in checks:
        require_name(check, (*check_names(names), PARITY.strip()), "check")
    with setup.scratch() as scratch:
        examined = Examination(
            backend=backend,
            modes=tuple(dict.fromkeys(modes)) or known,
            tasks=names,
            setup=setup,
            scratch=scratch,
            listener=listener,
            checks=tuple(name for name in check_names(names) if not checks or {name, _kind(name)} & {*checks}),
        )
        try:
            yield examined
        finally:
            examined.end_workers()


@dataclass(kw_only=True)
class Examination:
    """Runs the checks on a backend on request, each only once."""

    backend: str
    modes: tuple[str, ...]
    tasks: tuple[str, ...]
    setup: WorkerSetup
    scratch: Path
    listener: Listener
    checks: tuple[str, ...]
    findings: dict[tuple[str, str], BackendFinding] = field(default_factory=dict)
    results: dict[Row, ParityResult] = field(default_factory=dict)
    workers: dict[str, Worker] = field(default_factory=dict)  # of at most one mode at a time

    def all(self) -> Iterator[BackendFinding]:
        """Yield every finding: the checks mode by mode, then parity."""
        quick = [name for name in self.checks if not name.startswith(PARITY)]
        self.listener.stage("checks", len(quick) * len(self.modes))
        for mode in self.modes:
            for name in quick:
                self.listener.begins(f"{name}, {mode}")
                finding = self.find(name, mode)
                self.listener.ended(f"{name}, {mode}", "ok" if finding.status == "holds" else finding.status)
                yield finding
        for mode in self.modes:
            for name in self.checks[len(quick) :]:
                yield self.find(name, mode)

    def find(self, name: str, mode: str) -> BackendFinding:
        """Return the finding of a check in a mode; the check runs once."""
        if (name, mode) not in self.findings:
            self.findings[name, mode] = self._look(name, mode)
        return self.findings[name, mode]

    def _look(self, name: str, mode: str) -> BackendFinding:
        missing = unavailable_backend(BACKENDS[self.backend])
        if missing:
            status: CheckStatus = "unsupported" if missing[0] == "unsupported" else "fails"
            return BackendFinding(check=name, mode=mode, status=status, reason=missing[1])
        for gate in itertools.takewhile(lambda before: before != name, CHECKS):
            if CHECKS[gate].gate and (first := self.find(gate, mode)).status in BLOCKING:
                why = "" if gate in self.checks else f": {first.reason}"  # which is shown nowhere else
                return BackendFinding(check=name, mode=mode, status="not run", reason=f"correct {gate!r} first{why}")
        if name.startswith(PARITY):
            return self._judge(self._row(name.removeprefix(PARITY), mode))
        if name == WAITS:
            return self._time(mode)
        placement = Placement(mode=mode, device="cpu", precision="float32", threads=self.setup.threads)
        request = CheckRequest(check=name, backend=BACKENDS[self.backend], placement=placement)
        reply = self._worker(mode).run(request, self.setup.time_limit_s)
        if isinstance(reply, Done):
            return BackendFinding(check=name, mode=mode, status="holds", reason=reply.note)
        if reply.status == "failed":  # the check has explained what it found
            return self._fails(name, mode, reply.reason)
        return self._no_result(name, mode, reply, CHECKS[name].explain)

    def _time(self, mode: str) -> BackendFinding:
        """Time a training; the check fails if a flag says that the times would be unfair.

        Something else may have disturbed a single process. So one that looks unfair is followed by two more, and flags
        go by the median of all three.
        """
        for task, settings in TIMED:
            records = [self._sample(task, settings, mode, 0)]
            record = records[0]
            if record.status != "unsupported":
                break
        if unfair(flags_of(records)):
            records += [self._sample(task, settings, mode, number) for number in range(1, PROCESSES)]
        sentences = unfair(flags_of(records)).get(record.job.row)
        if sentences:
            return self._fails(WAITS, mode, f"{'; '.join(sentences)}. {TIMED_LESSON}")
        if record.status == "ok":
            return BackendFinding(check=WAITS, mode=mode, status="holds", reason=record.reason)
        place = place_in(record.output, BACKENDS[self.backend].module)  # if it raised, which needs no guess
        return self._no_result(WAITS, mode, record, lambda got: f"{got}{place}" if place else f"{got}. {TIMED_LESSON}")

    def _sample(self, task: str, settings: dict[str, Any], mode: str, number: int) -> Record:
        job = Job(row=self._row(task, mode), threads=self.setup.threads, block=number, settings=settings)
        request = TimeRequest(job=job, backend=BACKENDS[self.backend])
        self.end_workers()  # a sample is a process of its own
        record = sample_alone(request, self._worker(mode), self.scratch, self.setup.time_limit_s).record
        self.end_workers()
        return record

    def _judge(self, row: Row) -> BackendFinding:
        """Return the finding for the parity of a task."""
        if row not in self.results:
            self._run_tiers()
        result = self.results[row]
        name = f"{PARITY}{row.task}"
        if result.status == "unsupported":
            return BackendFinding(check=name, mode=row.mode, status="unsupported", reason=result.reason)
        if result.status == "no data" or (result.agrees is None and result.reason.startswith(NOT_JUDGED)):
            return BackendFinding(check=name, mode=row.mode, status="not run", reason=result.reason)
        if result.agrees is not True:
            said = result.reason if result.status == "ok" else f"{result.status}: {result.reason}"
            lesson = "" if result.status in FAILURES else f". {PARITY_LESSON}"  # which is about numbers
            return self._fails(name, row.mode, f"{said}{lesson}")
        return BackendFinding(check=name, mode=row.mode, status="holds")

    def _run_tiers(self) -> None:
        """Run every parity tier on the selected tasks at once, in all modes that can train."""
        self.end_workers()
        modes = [mode for mode in self.modes if self.find("trains", mode).status not in BLOCKING]
        rows = [self._row(task, mode) for task in self.tasks for mode in modes]
        for result in check_parity(rows, self.setup, {}, self.listener, timed=True):
            self.results[result.row] = result

    @property
    def wrong(self) -> bool:
        """Whether a parity tier found that the backend computes something else."""
        return any(result.agrees is False for result in self.results.values())

    def _row(self, task: str, mode: str) -> Row:
        return Row(task=task, backend=self.backend, mode=mode, device="cpu", precision="float32")

    def _worker(self, mode: str) -> Worker:
        if mode not in self.workers:
            self.end_workers()
            self.workers[mode] = self.setup.worker(self.scratch)
        return self.workers[mode]

    def end_workers(self) -> None:
        """End the workers."""
        while self.workers:
            self.workers.popitem()[1].end()

    def _no_result(
        self, name: str, mode: str, reply: Failure | Record, explain: Callable[[str], str]
    ) -> BackendFinding:
        """Return the finding for a worker without a result; `explain` adds why that matters, but not to a time-out."""
        if reply.status == "unsupported":
            return BackendFinding(check=name, mode=mode, status="unsupported", reason=reply.reason)
        said = f"{reply.status}: {reply.reason}"
        return self._fails(name, mode, said if reply.status == "timeout" else explain(said))

    @staticmethod
    def _fails(name: str, mode: str, reason: str) -> BackendFinding:
        return BackendFinding(check=name, mode=mode, status="fails", reason=reason)


def check_names(tasks: Sequence[str]) -> tuple[str, ...]:
    """Return the names of all checks, the parity of each task last."""
    return (*CHECKS, WAITS, *(f"{PARITY}{task}" for task in tasks))


def _kind(name: str) -> str:
    """Return `parity` for that of a task, and other names as they are."""
    return PARITY.strip() if name.startswith(PARITY) else name


def worst(findings: Sequence[BackendFinding]) -> CheckStatus:
    """Return the worst status: a failure first, and unsupported if no mode could train anything that was checked."""
    outcomes = {finding.status for finding in findings}
    failed = next((outcome for outcome in BLOCKING if outcome in outcomes), None)
    trained = any(finding.check not in UNTRAINED and finding.status == "holds" for finding in findings)
    return failed or ("holds" if trained or "unsupported" not in outcomes else "unsupported")
