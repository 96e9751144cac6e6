"""The lines of a run file: what was timed, on what machine, and what came of it.

Units stand in the names: `_s` seconds, `_bytes` bytes. A number that is not finite is stored as null.
"""

from __future__ import annotations

from statistics import median
from typing import Any, Literal

from msgspec import Struct

from backends.contract import Device, Precision

SCHEMA = 2

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
    block: int  # each block of a task holds every row once, in an order of its own
    settings: dict[str, Any] = {}  # the task's settings that were changed


class Steady(Struct, frozen=True, kw_only=True):
    """What the threads of a process did from the end of its first pass to the end of its last, without evaluation."""

    window_s: float  # wall time
    cpu_s: float  # CPU time of all threads
    vanished_cpu_s: float  # of that, by threads that ended before the window did
    waited_s: float | None  # time that threads were ready to run and had no core; None where the system does not tell


class Timing(Struct, frozen=True, kw_only=True):
    """Where the time of one worker process went: consecutive phases that add up to its wall time."""

    start_s: float  # from the start of the process until it begins the job: Python, NumPy and this suite
    import_s: float  # the framework
    data_s: float  # loading the rows, drawing weights and orders
    setup_s: float  # model and data onto the device, weights in
    passes_s: tuple[float, ...]  # every call of `train`, the first one too
    evaluation_s: float  # predicting the rows to evaluate
    resets_s: float  # weights in again, between trainings
    checks_s: float  # reading parameters, to see whether train had finished, and matrix products
    wall_s: float  # from the start of the process to its reply, by the parent's clock
    cpu_s: float  # CPU time of the process and of those that it started
    steps_per_pass: int
    rows_per_step: int
    flops_per_pass: int  # of the model's matrix products: a multiplication and an addition are two
    read_s: tuple[float, ...]  # reading the parameters just after a pass, which waits for what is not finished
    reread_s: tuple[float, ...]  # the same long after it, from memory that no cache holds
    steady: Steady
    peak_memory_bytes: int  # largest resident set of the process
    peak_device_memory_bytes: int | None  # on a GPU, by the framework's own account
    product_flops_per_s: float  # fastest large matrix product of this framework, in this process on these cores

    @property
    def steady_s(self) -> tuple[float, ...]:
        """The passes after the first, which may have compiled."""
        return self.passes_s[1:]

    @property
    def pass_s(self) -> float:
        """The time of a pass of this process: the median of its steady passes, which one disturbed pass cannot move."""
        return median(self.steady_s)

    @property
    def phases_s(self) -> float:
        """The sum of the phases; what the wall time has more is in no phase."""
        named = (self.start_s, self.import_s, self.data_s, self.setup_s, self.evaluation_s, self.resets_s)
        return sum((*named, *self.passes_s, self.checks_s))


class Quality(Struct, frozen=True, kw_only=True):
    """Losses, metric and parameters of the first training of a worker."""

    losses: tuple[float | None, ...]  # of each step, before its update; empty in a file: as in the row's first sample
    metric: str
    value: float | None
    parameters: tuple[float | None, ...] | None  # weights, then bias, where the model is a single small layer
    truth: tuple[float, ...]  # those that the data were made with, where they were
    # From the end of the first pass to that of the same pass at the end, over the way from start to end.
    repeated: float | None = None


class Resources(Struct, frozen=True, kw_only=True):
    """What the worker really had, read back inside it."""

    cores: int | None  # that the process may run on; None where a process cannot be pinned
    dtype: str  # of the parameters
    framework: str  # version


class Calibration(Struct, frozen=True, kw_only=True):
    """How fast the machine was at one moment: times of a fixed piece of work, repeated on all granted cores."""

    loops_s: tuple[float, ...]


class Record(Struct, frozen=True, kw_only=True, tag="record"):
    """What came of timing a job."""

    job: Job
    status: Status
    reason: str = ""  # for people, where the status is not ok
    started: str = ""  # UTC
    timing: Timing | None = None
    quality: Quality | None = None
    resources: Resources | None = None
    output: str = ""  # the last lines that the worker printed, where it failed


class CoreTimes(Struct, frozen=True, kw_only=True):
    """CPU time on the granted cores since the machine started, and that of the run's own processes."""

    busy_s: float
    stolen_s: float  # that the hypervisor gave to other machines
    own_s: float


class Block(Struct, frozen=True, kw_only=True, tag="block"):
    """What the machine did while each open row of a task ran once."""

    task: str
    block: int
    wall_s: float
    before: Calibration | None  # None where calibrating failed
    after: Calibration | None
    foreign_cores: float | None  # cores that other processes kept busy, on average; None where the system does not say
    stolen_cores: float | None  # cores that the hypervisor gave to other machines


class ParityResult(Struct, frozen=True, kw_only=True, tag="verdict"):
    """Whether a row computes what its task defines, and by how much it departs from the reference.

    Departures are relative unless said otherwise; None where that tier was not reached. A step is counted from 0.
    """

    row: Row
    settings: dict[str, Any] = {}
    status: Status  # of the float64 check
    agrees: bool | None = None  # None where it is not known
    tier: str = ""  # that first found a fault: gradient, trajectory, envelope or metric
    reason: str = ""
    gradient: float | None = None  # first batch, float64: largest over weights and biases
    losses: float | None = None  # float64: largest over the steps
    parameters: float | None = None  # float64, at the end: largest over weights and biases
    envelope: float | None = None  # the timed run: largest over its steps, as a multiple of what rounding explains
    metric: float | None = None  # the timed run: its metric, likewise


class Machine(Struct, frozen=True, kw_only=True):
    """Where it ran. What could not be found out is "unknown", never left out."""

    system: str
    cpu: str
    cores: int  # that this process may run on
    memory_bytes: int
    governor: str
    gpus: tuple[str, ...]
    load: float  # runnable processes, mean of the last minute, before the run


class Goal(Struct, frozen=True, kw_only=True):
    """When a run has measured enough."""

    workers: int | None  # processes of each row; None: until every row is separated from the fastest, or time is up
    effect: float  # 0.05: until a difference of 5 % would be seen; smaller ones count as none
    time_s: float  # after which no block begins that needs longer; for a number of workers, no limit


class Header(Struct, frozen=True, kw_only=True, tag="header"):
    """The first line of a run file. Rows, seed and the number of a block give the order in which the block ran."""

    schema: int = SCHEMA
    created: str  # UTC
    command: str
    machine: Machine
    versions: dict[str, str]
    commit: str
    environment: dict[str, str] = {}  # variables by which the user has set frameworks or thread libraries
    threads: int
    goal: Goal
    followed: bool = True  # whether each row was followed in float64 before; else only its timed runs were judged
    schedule_seed: int
    settings: dict[str, Any]  # those of the tasks that were changed
    tasks: dict[str, dict[str, Any]]  # every setting of every task
    rows: tuple[Row, ...]


Line = Header | Record | Block | ParityResult
