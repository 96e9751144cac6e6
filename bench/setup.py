"""What all workers of a run share, what is fetched for them beforehand, and which rows need not be tried."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from backends.registry import BACKENDS
from bench.audience import JobListener
from bench.datasets.files import DATA_DIR, DataMissing, DownloadListener, allowed_kinds, data_folders, fetch
from bench.errors import UserError
from bench.launch import Worker, worker_environment
from bench.machine import usable_cores
from bench.records import Row, Status
from bench.tasks.named import find_task

TIME_LIMIT_S = 600.0
CHECK_LIMIT_S = 300.0  # of one check of a backend, which compiles perhaps a dozen times


class Listener(DownloadListener, JobListener, Protocol):
    """Is told what goes on, and of what is fetched."""


@dataclass(frozen=True, kw_only=True)
class WorkerSetup:
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


def make_setup(threads: int | None, time_limit_s: float, data_dir: Path | None) -> WorkerSetup:
    """Return the set-up on this machine: as many cores as threads, all by default. Raises `UserError` for too many."""
    cores = usable_cores()
    if threads is not None and threads > len(cores):
        raise UserError(f"{threads} threads on {len(cores)} cores; choose 1 to {len(cores)}")
    environment = dict(os.environ)
    allowed_kinds(environment)  # refused here, before anything is begun
    if data_dir is not None:
        environment[DATA_DIR] = str(data_dir.resolve())
    return WorkerSetup(cores=cores[:threads], environment=environment, time_limit_s=time_limit_s)


def fetch_data(tasks: Iterable[str], setup: WorkerSetup, listener: DownloadListener) -> dict[str, str]:
    """Fetch what the tasks need; return, for each task whose data cannot be had, why not."""
    lost: dict[str, str] = {}
    answers: dict[str, str] = {}
    for task in tasks:
        collection = find_task(task).data.collection
        if collection is None:
            continue
        if collection.name not in answers:
            answers[collection.name] = ""
            try:
                fetch(collection, data_folders(setup.environment), allowed_kinds(setup.environment), listener)
            except DataMissing as error:
                answers[collection.name] = str(error)
        if answers[collection.name]:
            lost[task] = answers[collection.name]
    return lost


def unavailable(rows: Iterable[Row], lost: Mapping[str, str]) -> dict[Row, tuple[Status, str]]:
    """Return status and reason of each row that need not be tried: no framework, or no data."""
    verdicts: dict[Row, tuple[Status, str]] = {}
    for row in rows:
        entry = BACKENDS[row.backend]
        if entry.fault:
            verdicts[row] = ("failed", entry.fault)
        elif entry.missing():
            missing = " and ".join(entry.missing())
            verdicts[row] = (
                "unsupported",
                f"{missing} {'is' if len(entry.missing()) == 1 else 'are'} not installed: {entry.install}",
            )
        elif row.task in lost:
            verdicts[row] = ("no data", lost[row.task])
    return verdicts
