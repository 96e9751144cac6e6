"""What is asked of a worker and what comes of it: the lines of a run file.

Units stand in the names: `_s` seconds, `_bytes` bytes. A number that is not finite is stored as null.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from backends.contract import Device, Precision

SCHEMA = 1

Status = Literal["ok", "unsupported", "no data", "failed", "crashed", "timeout"]
FAILURES: tuple[Status, ...] = ("no data", "failed", "crashed", "timeout")


class Row(Struct, frozen=True, kw_only=True, order=True):
    """What is compared: a line of the result table."""

    task: str
    backend: str
    mode: str
    device: Device
    precision: Precision

    def __str__(self) -> str:
        return f"{self.task} {self.backend} {self.mode} {self.device} {self.precision}"


class Job(Struct, frozen=True, kw_only=True):
    """One sample of a row, for one worker process."""

    row: Row
    threads: int
    block: int  # each block holds every row once, in an order of its own
    settings: dict[str, Any] = {}  # the task's settings that were changed


class Request(Struct, frozen=True, kw_only=True):
    """What a worker is asked to do with a job: time it, or compute in float64 what parity compares."""

    kind: Literal["time", "trace", "reference"]
    job: Job
    spawned: float = 0.0  # when its process was started, seconds since the epoch
    trace_path: str = ""  # where a trace or a reference is to be written


class Timing(Struct, frozen=True, kw_only=True):
    """What one worker's clock saw, from the start of its process to the end of its evaluation."""

    start_s: float  # from the start of the process to the worker's first line: Python and NumPy
    import_s: float  # the framework
    data_s: float  # loading the rows, drawing weights and orders
    setup_s: float  # model and data onto the device, weights in
    passes_s: tuple[float, ...]  # every call of `train`, the first one too
    resets_s: float  # weights in again, between trainings
    evaluation_s: float  # predicting the rows to evaluate
    wall_s: float  # all of it
    steps_per_pass: int
    rows_per_step: int
    passes_cpu_s: float  # CPU time that all threads of the process spent in the passes
    peak_memory_bytes: int  # largest resident set of the process

    @property
    def steady_s(self) -> tuple[float, ...]:
        """The passes after the first, which may have compiled."""
        return self.passes_s[1:]


class Quality(Struct, frozen=True, kw_only=True):
    """What the first training of a worker came to."""

    losses: tuple[float | None, ...]  # of each step, before its update
    metric: str
    value: float | None
    parameters: tuple[float | None, ...] | None  # weights, then bias, where the model is a single small layer
    truth: tuple[float, ...]  # those that the data were made with, where they were


class Resources(Struct, frozen=True, kw_only=True):
    """What the worker really had, read back."""

    cores: int  # that the process may run on
    dtype: str  # of the parameters
    framework: str  # version


class Record(Struct, frozen=True, kw_only=True, tag="record"):
    """The outcome of a job, whatever it was."""

    job: Job
    status: Status
    reason: str = ""  # for people, where the status is not ok
    started: str = ""  # UTC
    timing: Timing | None = None
    quality: Quality | None = None
    resources: Resources | None = None
    output: str = ""  # the last lines that the worker printed, where it failed


class Verdict(Struct, frozen=True, kw_only=True, tag="verdict"):
    """Whether a row computes what the task defines, and by how much it departs from the NumPy reference in float64.

    Departures are relative; None where that tier was not reached. A step is counted from 0.
    """

    row: Row
    settings: dict[str, Any] = {}
    status: Status  # of the float64 check
    agrees: bool | None = None  # None where it could not be told
    reason: str = ""
    gradient: float | None = None  # first batch, float64: largest over weights and biases
    losses: float | None = None  # float64: largest over the steps
    parameters: float | None = None  # float64, at the end: largest over weights and biases
    early_losses: float | None = None  # the timed run: largest over its first steps
    metric: float | None = None  # the timed run: its metric less the reference's, as it is


class Machine(Struct, frozen=True, kw_only=True):
    """Where it ran. What could not be found out is "unknown", never left out."""

    system: str
    cpu: str
    cores: int  # that this process may run on
    memory_bytes: int
    governor: str
    gpus: tuple[str, ...]
    load: float  # runnable processes, mean of the last minute, before the run


class Header(Struct, frozen=True, kw_only=True, tag="header"):
    """The first line of a run file."""

    schema: int = SCHEMA
    created: str  # UTC
    command: str
    machine: Machine
    versions: dict[str, str]
    commit: str
    environment: dict[str, str] = {}  # variables by which the user has set frameworks or thread libraries
    workers: int
    threads: int
    schedule_seed: int
    tasks: dict[str, dict[str, Any]]  # every setting of every task
    jobs: tuple[Job, ...]  # in the order in which they run


Line = Header | Record | Verdict
