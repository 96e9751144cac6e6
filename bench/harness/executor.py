"""Executors of rounds. The real one has a process for each row of a round and calibrates the machine between rounds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from backends.contract import Device
from bench.errors import UserError
from bench.harness.calibrate_job import CalibrateRequest
from bench.harness.live import Live, ProcessLive, Sample
from bench.harness.process import Worker
from bench.harness.protocol import Failure
from bench.harness.setup import WorkerSetup
from bench.harness.time_job import TimeRequest
from bench.harness.warm import start_warm
from bench.machine.host import core_times, free_device_memory_bytes, free_memory_bytes
from bench.records.schema import Calibration, CoreTimes, Job, WarmStart

__all__ = ["Executor", "Live", "ProcessExecutor", "Round", "Sample", "calibrate_machine"]

CALIBRATION_LIMIT_S = 30.0


class Round(Protocol):
    """Begins the processes of one round."""

    def begin(self, job: Job, watched: tuple[int, ...]) -> Live:
        """Start a process and let it train once; return it stopped. `watched`: see `TimeRequest`."""


class Executor(Protocol):
    """Runs the jobs of rounds: a real machine with its clock or, in tests, a simulated one."""

    def start_warm(self, job: Job) -> WarmStart:
        """Start a row with the compiled code of an earlier process. No process of a round may be alive."""

    def clock(self) -> float:
        """Return the time in seconds."""

    def round(self) -> AbstractContextManager[Round]:
        """Return a round. When it is left, its processes are gone, whatever has happened."""

    def free_memory_bytes(self, device: Device) -> int | None:
        """Return the memory that is free on a device; None if unknown."""

    def calibrate(self) -> Calibration | None:
        """Time a fixed amount of work; return None if that failed."""

    def core_times(self) -> CoreTimes | None:
        """Return the CPU times of the cores so far; None if the system does not report them."""


class ProcessRound:
    """A round of processes on this machine, each with an empty folder for temporary files and compiled programs."""

    def __init__(self, executor: ProcessExecutor, stack: ExitStack) -> None:
        self.executor = executor
        self.stack = stack

    def begin(self, job: Job, watched: tuple[int, ...]) -> Live:
        """Start a process and let it train once; return it stopped."""
        setup = self.executor.setup
        scratch = self.stack.enter_context(setup.scratch())
        worker = self.stack.enter_context(setup.worker(scratch, job.threads))
        live = self.executor.live(job, watched, worker, scratch)
        live.begin()
        worker.pause()
        return live


class ProcessExecutor:
    """Runs jobs on this machine, each in a process of its own."""

    def __init__(self, setup: WorkerSetup, calibrator: Worker) -> None:
        self.setup = setup
        self.calibrator = calibrator  # one process for the whole run, idle in between

    def clock(self) -> float:
        """Return seconds."""
        return time.monotonic()

    @contextmanager
    def round(self) -> Iterator[Round]:
        """Return a round whose processes are ended when it is over, and killed after an exception."""
        with ExitStack() as stack:
            yield ProcessRound(self, stack)

    def start_warm(self, job: Job) -> WarmStart:
        """Start a row with the compiled code of an earlier process."""
        return start_warm(job, self.setup)

    def live(self, job: Job, watched: tuple[int, ...], worker: Worker, scratch: Path) -> ProcessLive:
        """Return a process, not yet started, that is to run a job."""
        request = TimeRequest(job=job, backend=self.setup.backends[job.row.backend], watched=watched)
        return ProcessLive(request, worker, scratch, self.setup.time_limit_s)

    def free_memory_bytes(self, device: Device) -> int | None:
        """Return the memory that is free on a device; None if unknown."""
        return free_memory_bytes() if device == "cpu" else free_device_memory_bytes()

    def calibrate(self) -> Calibration | None:
        """Time a fixed amount of work; return None if that failed."""
        reply = self.calibrator.run(CalibrateRequest(), CALIBRATION_LIMIT_S)
        return None if isinstance(reply, Failure) else reply.calibration

    def core_times(self) -> CoreTimes | None:
        """Return the CPU times of the granted cores so far."""
        return core_times(self.setup.cores)


def calibrate_machine(setup: WorkerSetup, times: int, pause_s: float) -> tuple[Calibration, ...]:
    """Time a fixed amount of work several times, with pauses in between. Raises `UserError` if that fails."""
    found = []
    with setup.scratch() as scratch, setup.worker(scratch) as worker:
        for _ in range(times):
            reply = worker.run(CalibrateRequest(), CALIBRATION_LIMIT_S)
            if isinstance(reply, Failure):
                raise UserError(f"cannot calibrate: {reply.reason}")
            found.append(reply.calibration)
            time.sleep(pause_s)
    return tuple(found)
