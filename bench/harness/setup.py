"""Settings that all workers of a run share: cores, environment, time limit and the available backends."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from backends.registry import BACKENDS, Entry
from bench.errors import UserError
from bench.harness.process import Worker, worker_environment
from bench.harness.scratch import scratch_folder
from bench.machine.host import usable_cores
from bench.tasks.datasets.fetch import DATA_DIR, allowed_kinds

TIME_LIMIT_S = 600.0
CHECK_LIMIT_S = 300.0  # of one check of a backend, which may compile a dozen times


@dataclass(frozen=True, kw_only=True)
class WorkerSetup:
    """Settings that all workers of a run share."""

    cores: tuple[int, ...]
    environment: Mapping[str, str]
    time_limit_s: float = TIME_LIMIT_S
    backends: Mapping[str, Entry] = field(default_factory=lambda: BACKENDS)  # that rows may name

    @property
    def threads(self) -> int:
        """Threads of each worker: one per core."""
        return len(self.cores)

    def scratch(self) -> AbstractContextManager[Path]:
        """Return a new folder for workers, which is removed at the end. Raises `UserError` if it cannot be made."""
        return scratch_folder(self.environment)

    def worker(self, scratch: Path, threads: int | None = None) -> Worker:
        """Return a worker, not yet started, whose temporary files and compiled programs go into a scratch folder.

        It has a core for each of its `threads`; None for all cores of the run.
        """
        cores = self.cores[:threads]
        return Worker(cores=cores, environment=worker_environment(self.environment, len(cores), scratch))


def make_setup(threads: int | None, time_limit_s: float, data_dir: Path | None) -> WorkerSetup:
    """Return the set-up on this machine, with a core per thread, all by default. Raises `UserError` for too many."""
    cores = usable_cores()
    if threads is not None and threads > len(cores):
        raise UserError(f"{threads} threads on {len(cores)} cores; choose 1 to {len(cores)}")
    environment = dict(os.environ)
    allowed_kinds(environment)  # an invalid value is refused here, before anything starts
    if data_dir is not None:
        environment[DATA_DIR] = str(data_dir.resolve())
    return WorkerSetup(cores=cores[:threads], environment=environment, time_limit_s=time_limit_s)
