"""Carries out a plan: data, references, parity, then the timed jobs, each outcome written before the next begins."""

from __future__ import annotations

import itertools
import os
import queue
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from backends.contract import Device
from backends.registry import BACKENDS
from bench.datasets.files import DATA_DIR, DataMissing, Reporter, allowed_kinds, data_folders, fetch
from bench.errors import UserError
from bench.launch import Worker, worker_environment
from bench.machine import usable_cores
from bench.parity import Reference, compare_gradients, compare_losses, compare_params, compare_timed, first_fault
from bench.records import Job, Record, Request, Row, Status, Verdict
from bench.tasks import TASKS
from bench.traces import load_reference, load_trace

TIME_LIMIT_S = 600.0

T = TypeVar("T")
U = TypeVar("U")
Write = Callable[[Record | Verdict], None]


class Watcher(Reporter, Protocol):
    """Is told what goes on."""

    def stage(self, label: str, total: int) -> None:
        """A stage of so many jobs begins; some of them may go side by side."""

    def begins(self, label: str) -> None:
        """A job of the stage begins."""

    def ended(self, label: str, outcome: str) -> None:
        """That job ended."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What all workers of a run share."""

    cores: tuple[int, ...]
    environment: Mapping[str, str]
    time_limit_s: float = TIME_LIMIT_S

    @property
    def threads(self) -> int:
        """Threads of each worker: one a core."""
        return len(self.cores)

    def worker(self, compile_cache: Path) -> Worker:
        """Return a worker, not yet started; compiled code is looked up in and kept under `compile_cache`."""
        return Worker(cores=self.cores, environment=worker_environment(self.environment, self.threads, compile_cache))


def make_setup(threads: int | None, time_limit_s: float, data_dir: Path | None) -> Setup:
    """Return the set-up on this machine: as many cores as threads, all by default. Raises `UserError` for too many."""
    cores = usable_cores()
    if threads is not None and threads > len(cores):
        raise UserError(f"{threads} threads on {len(cores)} cores; choose 1 to {len(cores)}")
    environment = dict(os.environ)
    allowed_kinds(environment)  # refused here, before anything is begun
    if data_dir is not None:
        environment[DATA_DIR] = str(data_dir.resolve())
    return Setup(cores=cores[:threads], environment=environment, time_limit_s=time_limit_s)


def fetch_data(tasks: Iterable[str], setup: Setup, reporter: Reporter) -> dict[str, str]:
    """Fetch what the tasks need; return, for each task whose data cannot be had, why not."""
    lost: dict[str, str] = {}
    answers: dict[str, str] = {}
    for task in tasks:
        collection = TASKS[task].data.collection
        if collection is None:
            continue
        if collection.name not in answers:
            answers[collection.name] = ""
            try:
                fetch(collection, data_folders(setup.environment), allowed_kinds(setup.environment), reporter)
            except DataMissing as error:
                answers[collection.name] = str(error)
        if answers[collection.name]:
            lost[task] = answers[collection.name]
    return lost


def impossible(rows: Iterable[Row], lost: Mapping[str, str]) -> dict[Row, tuple[Status, str]]:
    """Return status and reason of each row that need not be tried: no framework, or no data."""
    verdicts: dict[Row, tuple[Status, str]] = {}
    for row in rows:
        entry = BACKENDS[row.backend]
        if entry.fault:
            verdicts[row] = ("failed", entry.fault)
        elif entry.version() is None:
            verdicts[row] = ("unsupported", f"{entry.framework} is not installed: {entry.install}")
        elif row.task in lost:
            verdicts[row] = ("no data", lost[row.task])
    return verdicts


class Parity:
    """The float64 tiers: references by NumPy, traces by every row, held against each other.

    Nothing is timed here, so workers share out the cores: one core each, as many at once as there are cores.
    """

    def __init__(self, setup: Setup, scratch: Path, settings: Mapping[str, Any], watcher: Watcher) -> None:
        self.setup = setup
        self.scratch = scratch
        self.settings = dict(settings)
        self.watcher = watcher
        self.references: dict[str, Reference] = {}
        self.failures: dict[str, str] = {}  # of references, by task
        self.numbers = itertools.count()

    def refer(self, tasks: Iterable[str]) -> None:
        """Compute the reference of each task."""
        tasks = list(tasks)
        self.watcher.stage("reference", len(tasks))
        for _ in self._share_out([[task] for task in tasks], self._refer):
            pass

    def check(self, rows: Sequence[Row]) -> Iterator[Verdict]:
        """Yield the verdict of each row; one worker serves all tasks of a backend, mode and device."""
        self.watcher.stage("parity", len(rows))
        kinds: dict[tuple[str, str, Device], list[Row]] = {}
        for row in rows:
            kinds.setdefault((row.backend, row.mode, row.device), []).append(row)
        yield from self._share_out(list(kinds.values()), self._check)

    def _share_out(self, groups: list[list[T]], work: Callable[[T, Worker], U]) -> Iterator[U]:
        """Yield the result of `work` on each item; the items of a group have the same worker."""
        cores: queue.SimpleQueue[int] = queue.SimpleQueue()
        for core in self.setup.cores:
            cores.put(core)
        results: queue.SimpleQueue[U | BaseException] = queue.SimpleQueue()
        workers: list[Worker] = []

        def do(group: list[T]) -> None:
            core = cores.get()
            try:
                with replace(self.setup, cores=(core,)).worker(self.scratch) as worker:
                    workers.append(worker)
                    for item in group:
                        results.put(work(item, worker))
            except BaseException as error:  # for the thread that waits for results
                results.put(error)
            finally:
                cores.put(core)

        with ThreadPoolExecutor(len(self.setup.cores)) as pool:
            for group in groups:
                pool.submit(do, group)
            try:
                for _ in itertools.chain.from_iterable(groups):
                    result = results.get()
                    if isinstance(result, BaseException):
                        raise result
                    yield result
            except BaseException:  # the user interrupts: nobody waits for the rest
                pool.shutdown(wait=False, cancel_futures=True)
                for worker in workers:
                    worker.kill()
                raise

    def _refer(self, task: str, worker: Worker) -> None:
        row = Row(task=task, backend="numpy", mode="loop", device="cpu", precision="float64")
        record, path = self._compute("reference", row, worker)
        if record.status == "ok":
            self.references[task] = load_reference(path)
        else:
            self.failures[task] = f"no reference: {record.reason}"
        path.unlink(missing_ok=True)

    def _check(self, row: Row, worker: Worker) -> Verdict:
        if row.task in self.failures:
            return Verdict(row=row, settings=self.settings, status="failed", reason=self.failures[row.task])
        record, path = self._compute("trace", msgspec.structs.replace(row, precision="float64"), worker)
        if record.status != "ok":
            return Verdict(row=row, settings=self.settings, status=record.status, reason=record.reason)
        mine, right = load_trace(path), self.references[row.task].trace
        path.unlink()
        gradient = compare_gradients(mine.gradient, right.gradient)
        losses = compare_losses(mine.losses, right.losses)
        params = compare_params(mine.params, right.params)
        fault = first_fault((gradient, losses, params))
        return Verdict(
            row=row,
            settings=self.settings,
            status="ok",
            agrees=not fault,
            reason=fault,
            gradient=gradient.size,
            losses=losses.size,
            parameters=params.size,
        )

    def _compute(self, kind: Any, row: Row, worker: Worker) -> tuple[Record, Path]:
        self.watcher.begins(str(row))
        path = self.scratch / f"{next(self.numbers)}.npz"
        job = Job(row=row, threads=1, block=0, settings=self.settings)
        record = worker.run(Request(kind=kind, job=job, trace_path=str(path)), self.setup.time_limit_s)
        self.watcher.ended(str(row), record.status)
        return record, path


def judge_timed(verdict: Verdict, record: Record, reference: Reference | None) -> Verdict:
    """Return the verdict with what the timed run adds to it."""
    if reference is None or record.quality is None:
        return verdict
    early, metric = compare_timed(record.quality, record.job.row.precision, reference)
    fault = first_fault((early, metric))
    return msgspec.structs.replace(
        verdict,
        agrees=verdict.agrees if not fault else False,
        reason=verdict.reason or fault,
        early_losses=early.size,
        metric=metric.size,
    )


def check_parity(rows: Sequence[Row], setup: Setup, settings: Mapping[str, Any], watcher: Watcher) -> Iterator[Verdict]:
    """Yield the verdict on every row, of the float64 tiers alone; those that cannot run come first."""
    skipped = impossible(rows, fetch_data(dict.fromkeys(row.task for row in rows), setup, watcher))
    for row, (status, reason) in skipped.items():
        yield Verdict(row=row, settings=dict(settings), status=status, reason=reason)
    possible = [row for row in rows if row not in skipped]
    with tempfile.TemporaryDirectory(prefix="levelfield-") as scratch:
        parity = Parity(setup, Path(scratch), settings, watcher)
        parity.refer(dict.fromkeys(row.task for row in possible))
        yield from parity.check(possible)


def run_jobs(jobs: Sequence[Job], setup: Setup, watcher: Watcher, write: Write, earlier: Iterable[Record] = ()) -> None:
    """Check and time all jobs, in their order; every record and verdict is written when it is known.

    A later verdict on a row replaces an earlier one. The records `earlier` of the same rows, of a run that is gone on
    with, are judged again with them.
    """
    rows = list(dict.fromkeys(job.row for job in jobs))
    settings = jobs[0].settings if jobs else {}
    lost = fetch_data(dict.fromkeys(row.task for row in rows), setup, watcher)
    skipped = impossible(rows, lost)
    for row, (status, reason) in skipped.items():
        job = Job(row=row, threads=setup.threads, block=0, settings=settings)
        write(Record(job=job, status=status, reason=reason))
    todo = [job for job in jobs if job.row not in skipped]
    possible = [row for row in rows if row not in skipped]
    with tempfile.TemporaryDirectory(prefix="levelfield-") as scratch:
        parity = Parity(setup, Path(scratch), settings, watcher)
        parity.refer(dict.fromkeys(row.task for row in possible))
        verdicts = {}
        for verdict in parity.check(possible):
            verdicts[verdict.row] = verdict
            write(verdict)
        kept = [record for record in earlier if record.job.row in verdicts]
        for record in itertools.chain(kept, _written(time_jobs(todo, setup, watcher), write)):
            row = record.job.row
            judged = judge_timed(verdicts[row], record, parity.references.get(row.task))
            if judged != verdicts[row]:
                verdicts[row] = judged
                write(judged)


def _written(records: Iterable[Record], write: Write) -> Iterator[Record]:
    for record in records:
        write(record)
        yield record


def time_jobs(jobs: Sequence[Job], setup: Setup, watcher: Watcher) -> Iterator[Record]:
    """Yield the record of each job, each timed by a process of its own, with nothing compiled in advance."""
    watcher.stage("timing", len(jobs))
    hopeless: dict[Row, Record] = {}
    for job in jobs:
        if job.row in hopeless:
            yield msgspec.structs.replace(hopeless[job.row], job=job)
            continue
        watcher.begins(f"{job.row} #{job.block + 1}")
        with (
            tempfile.TemporaryDirectory(prefix="levelfield-") as compile_cache,
            setup.worker(Path(compile_cache)) as worker,
        ):
            record = worker.run(Request(kind="time", job=job), setup.time_limit_s)
        watcher.ended(f"{job.row} #{job.block + 1}", record.status)
        if record.status in ("unsupported", "timeout"):  # another block would end alike
            hopeless[job.row] = record
        yield record
