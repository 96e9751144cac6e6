"""Settings that all workers of a run share: cores, environment, time limit and the available backends."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from backends.registry import BACKENDS, Entry
from bench.errors import UserError
from bench.harness.process import Worker, worker_environment
from bench.harness.scratch import worker_scratch
from bench.machine.host import granted_cores, usable_cores
from bench.tasks.datasets.fetch import allowed_kinds
from bench.tasks.datasets.folders import DATA_DIR, data_folders

TIME_LIMIT_S = 600.0


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
        return worker_scratch(self.environment)

    def worker(self, scratch: Path, threads: int | None = None) -> Worker:
        """Return a worker, not yet started, whose temporary files and compiled programs go into a scratch folder.

        It has a core for each of its `threads`; None for all cores of the run.
        """
        cores = self.cores[:threads]
        return Worker(cores=cores, environment=worker_environment(self.environment, len(cores), scratch))


def make_setup(threads: int | None, time_limit_s: float, data_dir: Path | None) -> WorkerSetup:
    """Return the set-up on this machine, with a core per thread. Raises `UserError` for too many threads.

    By default there are as many threads as cores, or as the CPU quota of the container pays for. Raises `UserError` on
    Windows too, which cannot stop and continue processes.
    """
    if sys.platform == "win32":
        raise UserError("only Linux and macOS can measure; use WSL here. bench list, table and compare work")
    cores = usable_cores()
    if threads is not None and threads > len(cores):
        raise UserError(f"asked for {threads} threads on {len(cores)} cores; choose 1 to {len(cores)}")
    environment = dict(os.environ)
    allowed_kinds(environment)  # an invalid value is refused here, before anything starts
    _require_scratch()
    if data_dir is not None:
        environment[DATA_DIR] = str(data_dir.resolve())
    data_folders(environment)  # the same for a folder that is none
    granted = granted_cores() if threads is None else cores[:threads]
    return WorkerSetup(cores=granted, environment=environment, time_limit_s=time_limit_s)


def _require_scratch() -> None:
    """Raise `UserError` if no folder for temporary files can be written to."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise UserError(f"{error.strerror}: none of them can be written to; set TMPDIR to a folder that can") from error
