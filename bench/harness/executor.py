"""What blocks run on: this machine, with a process for each sample and a calibration loop between blocks."""

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
    """What blocks run on: a machine with a clock, a real one or, in tests, one that is made up."""

    def clock(self) -> float:
        """Return seconds."""

    def time_job(self, job: Job) -> Record:
        """Time a job in a process of its own."""

    def calibrate(self) -> Calibration | None:
        """Time a fixed piece of work; None where that failed."""

    def core_times(self) -> CoreTimes | None:
        """Return the CPU times of the cores so far; None where the system does not tell."""


CALIBRATION_LIMIT_S = 30.0


class ProcessExecutor:
    """This machine: each job is timed in a process of its own, with nothing compiled in advance."""

    def __init__(self, setup: WorkerSetup, calibrator: Worker) -> None:
        self.setup = setup
        self.calibrator = calibrator  # one process for the whole run, idle in between

    def clock(self) -> float:
        """Return seconds."""
        return time.monotonic()

    def time_job(self, job: Job) -> Record:
        """Time a job."""
        return self.run(TimeRequest(job=job, backend=self.setup.backends[job.row.backend]))

    def run(self, request: TimeRequest) -> Record:
        """Return the record of a request, by a process of its own."""
        with (
            tempfile.TemporaryDirectory(prefix="levelfield-") as compile_cache,
            self.setup.worker(Path(compile_cache)) as worker,
        ):
            return record_of(request, worker, self.setup.time_limit_s)

    def calibrate(self) -> Calibration | None:
        """Time a fixed piece of work."""
        reply = self.calibrator.run(CalibrateRequest(), CALIBRATION_LIMIT_S)
        return None if isinstance(reply, Failure) else reply.calibration

    def core_times(self) -> CoreTimes | None:
        """Return the CPU times of the granted cores so far."""
        return core_times(self.setup.cores)


def record_of(request: TimeRequest, worker: Worker, time_limit_s: float) -> Record:
    """Return the record of a timed job, with the wall time by this process's clock; where it fails, one without times.

    The wall time is that of the worker's process, so that a worker should be asked no more than once.
    """
    started = utc_now()
    reply = worker.run(request, time_limit_s)
    if isinstance(reply, Failure):
        return Record(job=request.job, status=reply.status, reason=reply.reason, started=started, output=reply.output)
    timing = reply.timing and replace(reply.timing, wall_s=worker.age_s)
    return replace(reply, started=started, timing=timing)


def calibrate_machine(setup: WorkerSetup, times: int, pause_s: float) -> tuple[Calibration, ...]:
    """Time a fixed piece of work several times, with a pause between them. Raises `UserError` where it fails."""
    found = []
    with tempfile.TemporaryDirectory(prefix="levelfield-") as scratch, setup.worker(Path(scratch)) as worker:
        for _ in range(times):
            reply = worker.run(CalibrateRequest(), CALIBRATION_LIMIT_S)
            if isinstance(reply, Failure):
                raise UserError(f"cannot calibrate: {reply.reason}")
            found.append(reply.calibration)
            time.sleep(pause_s)
    return tuple(found)
