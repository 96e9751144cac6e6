"""Distributes work that is not timed over the cores, one worker per core."""

from __future__ import annotations

import itertools
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from bench.harness.process import Worker
from bench.harness.setup import WorkerSetup

T = TypeVar("T")
U = TypeVar("U")


def share_out(groups: list[list[T]], work: Callable[[T, Worker], U], setup: WorkerSetup) -> Iterator[U]:
    """Yield the result of `work` on each item as it becomes available; the items of a group share a worker.

    Each worker has a scratch folder of its own: what a backend does to its temporary files harms no other one.
    """
    cores: queue.SimpleQueue[int] = queue.SimpleQueue()
    for core in setup.cores:
        cores.put(core)
    results: queue.SimpleQueue[U | BaseException] = queue.SimpleQueue()
    workers: list[Worker] = []

    def do(group: list[T]) -> None:
        core = cores.get()
        try:
            with setup.scratch() as scratch, replace(setup, cores=(core,)).worker(scratch) as worker:
                workers.append(worker)
                for item in group:
                    results.put(work(item, worker))
        except BaseException as error:  # passed on to the thread that waits for results
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
        except BaseException:  # an error, or the user interrupted: the remaining work is not needed
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in workers:
                worker.kill()
            raise
