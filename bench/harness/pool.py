"""Shares work that is not timed out over the cores, one worker a core, and brings back the arrays that come of it."""

from __future__ import annotations

import itertools
import queue
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import msgspec

from bench.harness.process import Worker
from bench.harness.setup import WorkerSetup
from bench.records.schema import Record, Request

T = TypeVar("T")
U = TypeVar("U")


def share_out(groups: list[list[T]], work: Callable[[T, Worker], U], setup: WorkerSetup, scratch: Path) -> Iterator[U]:
    """Yield the result of `work` on each item, as they come; the items of a group have the same worker."""
    cores: queue.SimpleQueue[int] = queue.SimpleQueue()
    for core in setup.cores:
        cores.put(core)
    results: queue.SimpleQueue[U | BaseException] = queue.SimpleQueue()
    workers: list[Worker] = []

    def do(group: list[T]) -> None:
        core = cores.get()
        try:
            with replace(setup, cores=(core,)).worker(scratch) as worker:
                workers.append(worker)
                for item in group:
                    results.put(work(item, worker))
        except BaseException as error:  # for the thread that waits for results
            results.put(error)
        finally:
            cores.put(core)

    with ThreadPoolExecutor(len(setup.cores)) as pool:
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


def compute(
    request: Request, worker: Worker, load: Callable[[Path], T], setup: WorkerSetup, scratch: Path
) -> tuple[Record, dict[int, T]]:
    """Return the record of a request, and the arrays that came of it by seed, none where it failed."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        record = worker.run(msgspec.structs.replace(request, folder=folder), setup.time_limit_s)
        files = Path(folder).iterdir() if record.status == "ok" else ()
        return record, {int(file.stem): load(file) for file in files}
