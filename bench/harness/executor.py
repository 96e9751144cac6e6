"""This machine, as blocks are run on it: a process a sample, and a fixed piece of work between blocks."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Literal, Protocol

from bench.errors import UserError
from bench.harness.process import Worker
from bench.harness.setup import WorkerSetup
from bench.machine.host import core_times
from bench.records.schema import Calibration, CoreTimes, Job, Record, Request, Row


class Executor(Protocol):
    """What blocks are run on: a machine with a clock, real or made up."""

    def clock(self) -> float:
        """Return seconds."""

    def sample(self, job: Job) -> Record:
        """Time a job in a process of its own."""

    def calibrate(self, job: Job) -> Calibration | None:
        """Time a fixed piece of work, None where that failed."""

    def core_times(self) -> CoreTimes | None:
        """Return what the cores have done so far, None where the system does not tell."""


CALIBRATION_LIMIT_S = 30.0


class ProcessExecutor:
    """This machine: each sample by a process of its own, with nothing compiled in advance."""

    def __init__(self, setup: WorkerSetup, calibrator: Worker) -> None:
        self.setup = setup
        self.calibrator = calibrator  # one process for the whole run, idle in between

    def clock(self) -> float:
        """Return seconds."""
        return time.monotonic()

    def sample(self, job: Job) -> Record:
        """Time a job."""
        return self.ask("time", job)

    def ask(self, kind: Literal["time", "by_hand"], job: Job) -> Record:
        """Let a process of its own time a job, by the harness or by hand."""
        with (
            tempfile.TemporaryDirectory(prefix="levelfield-") as compile_cache,
            self.setup.worker(Path(compile_cache)) as worker,
        ):
            return worker.run(Request(kind=kind, job=job), self.setup.time_limit_s)

    def calibrate(self, job: Job) -> Calibration | None:
        """Time a fixed piece of work."""
        return self.calibrator.run(Request(kind="calibrate", job=job), CALIBRATION_LIMIT_S).calibration

    def core_times(self) -> CoreTimes | None:
        """Return what the granted cores have done so far."""
        return core_times(self.setup.cores)


def calibrate_machine(setup: WorkerSetup, times: int, pause_s: float) -> tuple[Calibration, ...]:
    """Time a fixed piece of work several times, with a pause between them. Raises `UserError` where it fails."""
    found = []
    job = Job(row=Row(task="", backend="", mode="", device="cpu", precision="float32"), threads=setup.threads, block=0)
    with tempfile.TemporaryDirectory(prefix="levelfield-") as scratch, setup.worker(Path(scratch)) as worker:
        for _ in range(times):
            record = worker.run(Request(kind="calibrate", job=job), CALIBRATION_LIMIT_S)
            if record.calibration is None:
                raise UserError(f"cannot calibrate: {record.reason}")
            found.append(record.calibration)
            time.sleep(pause_s)
    return tuple(found)
