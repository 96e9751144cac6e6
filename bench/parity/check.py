"""The numerical check: the reference's traces, those of every row, and the timed runs, compared tier by tier."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from backends.contract import Device, Params, Precision
from backends.registry import REFERENCE
from bench.events import Listener
from bench.harness.availability import fetch_data, unavailable
from bench.harness.pool import compute, share_out
from bench.harness.process import Worker
from bench.harness.setup import WorkerSetup
from bench.parity.cache import EnvelopeCache, cache_key
from bench.parity.envelope import Envelope, load_envelope
from bench.parity.tiers import (
    Departure,
    Tier,
    compare_repeated,
    compare_timed_losses,
    compare_timed_metric,
    compare_traces,
    largest_part,
    timed_losses,
)
from bench.parity.traces import Trace, load_params, load_trace
from bench.records.schema import Job, ParityResult, Record, Request, Row
from bench.tasks import Task
from bench.tasks.datasets.fetch import data_folders
from bench.tasks.names import find_task
from bench.tasks.settings import override
from bench.tasks.settings import settings as settings_of

T = TypeVar("T")


class Timed(NamedTuple):
    """What an envelope of a timed run is for."""

    task: str
    precision: Precision


class NoReference(Exception):
    """Raised where the reference itself cannot be computed; the message says why."""


class Parity:
    """Computes traces of the reference and of every row, and compares them.

    Nothing is timed here, so workers share out the cores.
    """

    def __init__(self, setup: WorkerSetup, scratch: Path, settings: Mapping[str, Any], listener: Listener) -> None:
        self.setup = setup
        self.scratch = scratch
        self.settings = dict(settings)
        self.listener = listener
        self.cache = EnvelopeCache(data_folders(setup.environment)[0] / "envelopes")
        self.references: dict[str, Trace] = {}
        self.envelopes: dict[tuple[str, Precision, int | None], Envelope] = {}
        self.failures: dict[str, str] = {}  # of references, by task
        self.computing = threading.Lock()

    def refer(self, tasks: Iterable[str]) -> None:
        """Compute the reference's float64 trace of each task."""
        tasks = list(tasks)
        self.listener.stage("reference", len(tasks))
        for _ in share_out([[task] for task in tasks], self._refer, self.setup, self.scratch):
            pass

    def trust(self, rows: Sequence[Row]) -> Iterator[ParityResult]:
        """Yield a verdict on each row that is right until its timed run says otherwise; compute the envelopes alone."""
        owed = self._owed(rows)
        if owed:
            self.listener.stage("envelope", len(owed))
        for _ in share_out([[kind] for kind in owed], self._surround_timed, self.setup, self.scratch):
            pass
        for row in rows:
            yield ParityResult(row=row, settings=self.settings, status="ok", agrees=True)

    def check(self, rows: Sequence[Row], *, timed: bool = True) -> Iterator[ParityResult]:
        """Yield the verdict of each row; one worker serves all tasks of a backend, mode and device.

        For rows that are to be timed too, compute their envelopes meanwhile, but for those that are kept from an
        earlier time. They come first: each takes as long as many a check, and would be waited for at the end.
        """
        owed = self._owed(rows) if timed else []
        self.listener.stage("parity", len(owed) + len(rows))
        kinds: dict[tuple[str, str, Device], list[Row | Timed]] = {}
        for row in rows:
            kinds.setdefault((row.backend, row.mode, row.device), []).append(row)
        alone: list[list[Row | Timed]] = [[kind] for kind in owed]
        for verdict in share_out([*alone, *kinds.values()], self._check_or_surround, self.setup, self.scratch):
            if verdict is not None:
                yield verdict

    def _owed(self, rows: Iterable[Row]) -> list[Timed]:
        """Return what envelopes are not known yet."""
        kinds = dict.fromkeys(Timed(row.task, row.precision) for row in rows if row.task not in self.failures)
        return [kind for kind in kinds if not self._recall(*kind, None)]

    def _check_or_surround(self, item: Row | Timed, worker: Worker) -> ParityResult | None:
        if isinstance(item, Row):
            return self._check(item, worker)
        self._surround_timed(item, worker)
        return None

    def check_timed(self, verdicts: Iterable[ParityResult]) -> Iterator[ParityResult]:
        """Yield the verdicts, each whose row is right so far with what one timed run adds to it."""
        verdicts = list(verdicts)
        right = [verdict.row for verdict in verdicts if verdict.agrees]
        self.listener.stage("timed runs", len(right))
        for verdict in verdicts:
            if not verdict.agrees:
                yield verdict
                continue
            label = str(verdict.row)
            self.listener.begins(label)
            with self.setup.worker(self.scratch) as worker:
                job = Job(row=verdict.row, threads=self.setup.threads, block=0, settings=self.settings)
                record = worker.run(Request(kind="time", job=job), self.setup.time_limit_s)
            self.listener.ended(label, record.status)
            if record.status != "ok":
                verdict = msgspec.structs.replace(verdict, status=record.status, agrees=None, reason=record.reason)
            yield self.judge(verdict, record)

    def judge(self, verdict: ParityResult, record: Record) -> ParityResult:
        """Return the verdict with what the timed run adds; where that failed, a row that was trusted is not known."""
        row, quality = record.job.row, record.quality
        if quality is None:
            if verdict.agrees and verdict.losses is None:
                return msgspec.structs.replace(verdict, status=record.status, agrees=None, reason=record.reason)
            return verdict
        envelope = self.envelopes.get((row.task, row.precision, None))
        if envelope is None:
            told = verdict.reason or self.failures.get(row.task, "no envelope")
            return msgspec.structs.replace(verdict, agrees=False if verdict.agrees is False else None, reason=told)
        losses = compare_timed_losses(timed_losses(quality), row.precision, envelope)
        if not losses.fault:
            losses = compare_repeated(quality, losses.size)
        metric = compare_timed_metric(quality.metric, quality.value, row.precision, envelope)
        return msgspec.structs.replace(
            with_tiers(verdict, {"envelope": losses, "metric": metric}), envelope=losses.size, metric=metric.size
        )

    def _refer(self, task: str, worker: Worker) -> None:
        label = str(reference_row(task, "float64"))
        self.listener.begins(label)
        request = Request(kind="trace", job=self._job(reference_row(task, "float64")))
        record, trace = self._compute(request, worker, load_trace)
        if trace is None:
            self.failures[task] = f"no reference: {record.reason}"
        else:
            self.references[task] = trace
        self.listener.ended(label, record.status)

    def _surround_timed(self, kind: Timed, worker: Worker) -> None:
        label = str(reference_row(*kind))
        self.listener.begins(label)
        try:
            self._surround(*kind, worker)
        except NoReference as error:
            self.failures[kind[0]] = str(error)
        self.listener.ended(label, "failed" if kind[0] in self.failures else "ok")

    def _recall(self, task: str, precision: Precision, epochs: int | None) -> bool:
        """Return whether an envelope is known already."""
        name = task, precision, epochs
        if name not in self.envelopes:
            kept = self.cache.get(self._key(task, precision, epochs))
            if kept is None:
                return False
            self.envelopes[name] = kept
        return True

    def _surround(self, task: str, precision: Precision, worker: Worker, epochs: int | None = None) -> Envelope:
        """Return an envelope, computed if it is not known yet. Raises `NoReference`."""
        if not self._recall(task, precision, epochs):
            job = self._job(reference_row(task, precision))
            request = Request(kind="envelope", job=job, epochs=epochs)
            record, envelope = self._compute(request, worker, load_envelope)
            if envelope is None:
                raise NoReference(f"no envelope: {record.reason}")
            self.cache.put(self._key(task, precision, epochs), envelope)
            self.envelopes[task, precision, epochs] = envelope
        return self.envelopes[task, precision, epochs]

    def _key(self, task: str, precision: Precision, epochs: int | None) -> str:
        return cache_key(task, settings_of(self._task(task)), precision, epochs)

    def _task(self, name: str) -> Task:
        return override(find_task(name), self.settings)

    def _check(self, row: Row, worker: Worker) -> ParityResult:
        label = str(msgspec.structs.replace(row, precision="float64"))
        self.listener.begins(label)
        verdict = self._verdict(row, worker)
        self.listener.ended(label, verdict.status)
        return verdict

    def _verdict(self, row: Row, worker: Worker) -> ParityResult:
        if row.task in self.failures:
            return ParityResult(row=row, settings=self.settings, status="failed", reason=self.failures[row.task])
        exact = msgspec.structs.replace(row, precision="float64")
        record, mine = self._compute(Request(kind="trace", job=self._job(exact)), worker, load_trace)
        verdict = ParityResult(row=row, settings=self.settings, status=record.status, reason=record.reason)
        if mine is None:
            return verdict
        right = self.references[row.task]
        try:
            gradient, losses, params = compare_traces(mine, right, lambda: self._explain(row.task, worker))
        except NoReference as error:
            return msgspec.structs.replace(verdict, status="failed", reason=str(error))
        if losses.fault and losses.step and not gradient.fault:
            losses = replace(losses, fault=f"{losses.fault}{self._where(exact, losses.step, worker)}")
        trajectory = losses if losses.fault else params
        return msgspec.structs.replace(
            with_tiers(msgspec.structs.replace(verdict, agrees=True), {"gradient": gradient, "trajectory": trajectory}),
            gradient=gradient.size,
            losses=losses.size,
            parameters=params.size,
        )

    def _explain(self, task: str, worker: Worker) -> Envelope:
        """Return what rounding explains of a trace. Raises `NoReference`."""
        with self.computing:  # several rows of a task may ask for its envelope
            return self._surround(task, "float64", worker, self._task(task).check_epochs)

    def _where(self, row: Row, step: int, worker: Worker) -> str:
        """Return which layer departs most when a loss first does, as the end of a sentence, empty where that fails."""
        theirs, ours = (self._follow(each, step, worker) for each in (row, reference_row(row.task, "float64")))
        return "" if theirs is None or ours is None else f"; by then most off: {largest_part(theirs, ours)}"

    def _follow(self, row: Row, steps: int, worker: Worker) -> Params | None:
        """Return the parameters after some steps, None where that fails."""
        return self._compute(Request(kind="follow", job=self._job(row), steps=steps), worker, load_params)[1]

    def _job(self, row: Row) -> Job:
        return Job(row=row, threads=1, block=0, settings=self.settings)

    def _compute(self, request: Request, worker: Worker, load: Callable[[Path], T]) -> tuple[Record, T | None]:
        """Return the record of a request, and the arrays that came of it, None where it failed."""
        record, arrays = compute(request, worker, load, self.setup, self.scratch)
        return record, next(iter(arrays.values()), None)


def reference_row(task: str, precision: Precision) -> Row:
    """Return the row that all others are compared with, the tuned NumPy backend's too."""
    return Row(task=task, backend=REFERENCE.name, mode=REFERENCE.modes[0], device="cpu", precision=precision)


def with_tiers(verdict: ParityResult, departures: Mapping[Tier, Departure]) -> ParityResult:
    """Return the verdict with the first fault of these tiers, unless an earlier tier has found one."""
    for tier, departure in departures.items():
        if departure.fault and not verdict.tier:
            where = f"the timed run in {verdict.row.precision}" if tier in ("envelope", "metric") else "float64"
            verdict = msgspec.structs.replace(
                verdict, agrees=False, tier=tier, reason=f"{tier} ({where}): {departure.fault}"
            )
    return verdict


def check_parity(
    rows: Sequence[Row], setup: WorkerSetup, settings: Mapping[str, Any], listener: Listener, *, timed: bool = False
) -> Iterator[ParityResult]:
    """Yield the verdict on every row; those that cannot run come first.

    Of the float64 tiers alone, or of all, with one timed run for each row that is right by those.
    """
    skipped = unavailable(rows, fetch_data(dict.fromkeys(row.task for row in rows), setup, listener))
    for row, (status, reason) in skipped.items():
        yield ParityResult(row=row, settings=dict(settings), status=status, reason=reason)
    possible = [row for row in rows if row not in skipped]
    with tempfile.TemporaryDirectory(prefix="levelfield-") as scratch:
        parity = Parity(setup, Path(scratch), settings, listener)
        parity.refer(dict.fromkeys(row.task for row in possible))
        verdicts = parity.check(possible, timed=timed)
        yield from parity.check_timed(verdicts) if timed else verdicts
