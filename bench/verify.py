"""The numerical check: references by NumPy, traces by every row, held against each other; and then the timed runs."""

from __future__ import annotations

import itertools
import queue
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from backends.contract import Device
from bench.launch import Worker
from bench.parity import Reference, compare_gradients, compare_losses, compare_params, compare_timed, first_fault
from bench.records import Job, Record, Request, Row, Verdict
from bench.setup import Setup, Watcher, fetch_data, impossible
from bench.traces import load_reference, load_trace

T = TypeVar("T")
U = TypeVar("U")


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
