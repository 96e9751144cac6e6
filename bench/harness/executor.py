"""Executors of blocks. The real one starts a process for each sample and calibrates the machine between blocks."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from bench.errors import UserError
from bench.harness.calibrate_job import CalibrateRequest
from bench.harness.process import Worker
from bench.harness.protocol import Failure
from bench.harness.setup import WorkerSetup
from bench.harness.time_job import TimeRequest
from bench.machine.host import core_times
from bench.records.provenance import utc_now
from bench.records.schema import Calibration, CoreTimes, Job, Record


class Executor(Protocol):
    """Runs the jobs of blocks: a real machine with its clock or, in tests, a simulated one."""

    def clock(self) -> float:
        """Return the time in seconds."""

    def time_job(self, job: Job) -> Record:
        """Time a job in a process of its own."""

    def calibrate(self) -> Calibration | None:
        """Time a fixed amount of work; return None if that failed."""

    def core_times(self) -> CoreTimes | None:
        """Return the CPU times of the cores so far; None if the system does not report them."""


CALIBRATION_LIMIT_S = 30.0


class ProcessExecutor:
    """Runs jobs on this machine, each in a process of its own with an empty compilation cache."""

    def __init__(self, setup: WorkerSetup, calibrator: Worker) -> None:
        self.setup = setup
        self.calibrator = calibrator  # one process for the whole run, idle in between

    def clock(self) -> float:
        """Return seconds."""
        return time.monotonic()

    def time_job(self, job: Job) -> Record:
        """Time a job in a process of its own."""
        return self.run(TimeRequest(job=job, backend=self.setup.backends[job.row.backend]))

    def run(self, request: TimeRequest) -> Record:
        """Run a request in a process of its own; return the record."""
        with (
            tempfile.TemporaryDirectory(prefix="levelfield-") as compile_cache,
            self.setup.worker(Path(compile_cache)) as worker,
        ):
            return record_of(request, worker, self.setup.time_limit_s)

    def calibrate(self) -> Calibration | None:
        """Time a fixed amount of work; return None if that failed."""
        reply = self.calibrator.run(CalibrateRequest(), CALIBRATION_LIMIT_S)
        return None if isinstance(reply, Failure) else reply.calibration

    def core_times(self) -> CoreTimes | None:
        """Return the CPU times of the granted cores so far."""
        return core_times(self.setup.cores)


def record_of(request: TimeRequest, worker: Worker, time_limit_s: float) -> Record:
    """Return the record of a timed job, with the wall time measured by the parent; after a failure, one without times.

    The wall time is the age of the worker process, so a worker must not be used for more than one timed job.
    """
    started = utc_now()
    reply = worker.run(request, time_limit_s)
    if isinstance(reply, Failure):
        return Record(job=request.job, status=reply.status, reason=reply.reason, started=started, output=reply.output)
    timing = reply.timing and replace(reply.timing, wall_s=worker.age_s)
    return replace(reply, started=started, timing=timing)


def calibrate_machine(setup: WorkerSetup, times: int, pause_s: float) -> tuple[Calibration, ...]:
    """Time a fixed amount of work several times, with pauses in between. Raises `UserError` if that fails."""
    found = []
    with tempfile.TemporaryDirectory(prefix="levelfield-") as scratch, setup.worker(Path(scratch)) as worker:
        for _ in range(times):
            reply = worker.run(CalibrateRequest(), CALIBRATION_LIMIT_S)
            if isinstance(reply, Failure):
                raise UserError(f"cannot calibrate: {reply.reason}")
            found.append(reply.calibration)
            time.sleep(pause_s)
    return tuple(found)
