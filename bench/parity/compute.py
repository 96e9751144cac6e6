"""Runs the jobs of the parity check in worker processes and reads the arrays that they computed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from backends.contract import Precision
from backends.registry import REFERENCE, Entry
from bench.errors import UserError
from bench.events import Listener
from bench.harness.output import place_in
from bench.harness.pool import share_out
from bench.harness.process import Worker
from bench.harness.protocol import Failure
from bench.harness.setup import WorkerSetup
from bench.parity.jobs import ArraysRequest
from bench.records.schema import Job, Row, Status
from bench.tasks import Task
from bench.tasks.arrays import BadArrays
from bench.tasks.names import find_task
from bench.tasks.settings import override

T = TypeVar("T")
U = TypeVar("U")


class NotComputed(UserError):
    """Raised if a worker gave no arrays; the message says why."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Computer:
    """Worker processes that compute arrays, one on each core; nothing here is timed."""

    setup: WorkerSetup
    scratch: Path  # an empty folder, by which workers hand over arrays
    settings: Mapping[str, Any]  # settings of the tasks that the user changed
    listener: Listener

    def share_out(self, groups: list[list[T]], work: Callable[[T, Worker], U]) -> Iterator[U]:
        """Yield the result of `work` on each item as it becomes available; the items of a group share a worker."""
        return share_out(groups, work, self.setup)

    def task(self, name: str) -> Task:
        """Return the task with these settings."""
        return override(find_task(name), self.settings)

    def job(self, row: Row) -> Job:
        """Return the job of a row, with one thread."""
        return Job(row=row, threads=1, block=0, settings=dict(self.settings))

    def backend(self, row: Row) -> Entry:
        """Return where the code of a row's backend is."""
        return REFERENCE if row.backend == REFERENCE.name else self.setup.backends[row.backend]

    def arrays(self, request: ArraysRequest, worker: Worker, load: Callable[[Path], T]) -> dict[int, T]:
        """Run a request; return what `load` reads from its file for each seed, by seed. Raises `NotComputed`."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            reply = worker.run(replace(request, folder=folder), self.setup.time_limit_s)
            if isinstance(reply, Failure):
                raise NotComputed(reply.status, f"{reply.reason}{place_in(reply.output, request.backend.module)}")
            try:
                return {int(file.stem): load(file) for file in Path(folder).iterdir()}
            except BadArrays as error:
                raise NotComputed("failed", str(error)) from error

    def array(self, request: ArraysRequest, worker: Worker, load: Callable[[Path], T]) -> T:
        """Do the same for a request with one seed; return what `load` reads. Raises `NotComputed`."""
        (only,) = self.arrays(request, worker, load).values()
        return only


def reference_row(task: str, precision: Precision) -> Row:
    """Return the row of the reference implementation, which all other rows are compared with."""
    return Row(task=task, backend=REFERENCE.name, mode=REFERENCE.modes[0], device="cpu", precision=precision)
