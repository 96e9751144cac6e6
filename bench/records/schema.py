"""The lines of a run file, and the types that they consist of.

Names end with the unit: `_s` for seconds, `_bytes` for bytes. A number that is not finite is stored as null.
"""

from __future__ import annotations

from inspect import cleandoc
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, json

from backends.contract import Device, Precision
from bench.tasks.definition import Metric

SCHEMA = 3

Status = Literal["ok", "unsupported", "no data", "failed", "crashed", "timeout"]
Tier = Literal["gradient", "trajectory", "prediction", "envelope", "metric", "repetition"]  # of parity
FAILURES: tuple[Status, ...] = ("no data", "failed", "crashed", "timeout")

Seconds = Annotated[float, Meta(ge=0, le=1e9)]  # thirty years
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]  # what other languages can read
Number = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
UTC = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ"
Utc = Annotated[str, Meta(pattern=f"^{UTC}$")]
UtcOrNone = Annotated[str, Meta(pattern=f"^({UTC})?$")]
Scalar = bool | int | float | str | None
Settings = dict[str, Scalar | list[Scalar]]  # of a task, by name


class Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a line. A name that is damaged would otherwise leave the default in the place of what was recorded."""


class Row(Strict, frozen=True, kw_only=True, order=True):
    """A row of the result table: one task trained by one backend in one mode on one device in one precision."""

    task: str
    backend: str
    mode: str
    device: Device
    precision: Precision

    def __str__(self) -> str:
        return f"{self.task} {self.backend} {self.mode} {self.device} {self.precision}"

    @property
    def name(self) -> str:
        """Backend and mode, and the device where it is not the CPU: what people call a row of a task."""
        return f"{self.backend} {self.mode}{on_device(self.device)}"


def on_device(device: str) -> str:
    """Return where a row is trained, as the end of its name; nothing for the CPU."""
    return "" if device == "cpu" else f" on the {device}"


class Job(Strict, frozen=True, kw_only=True):
    """The work of one worker process on one row, such as one measurement."""

    row: Row
    threads: Number
    block: Count  # number of the round of the task, from 0; its rows run side by side, in orders drawn for this round
    settings: Settings = {}  # task settings that were changed, by name


class Steady(Strict, frozen=True, kw_only=True):
    """Activity of a process's threads in all its turns or, if it took none, in its first training.

    Of a turn it covers what is timed and what is between the timed passes; of a first training what is from the end of
    its first pass to the end of the last, without evaluation.
    """

    window_s: Seconds  # wall time of this period
    cpu_s: Seconds  # CPU time of all threads
    vanished_cpu_s: Seconds  # part of cpu_s, of threads that ended within this period
    waited_s: Seconds | None  # time that threads were ready to run but had no core; None if not reported
    helpers_cpu_s: Seconds = 0.0  # CPU time of the processes that it has started, which is not part of cpu_s


class Turns(Strict, frozen=True, kw_only=True):
    """What a process did in the turns of its round, one entry per turn.

    In a turn, every row of the round trains once for a short time while the processes of the others are stopped. Entry
    i belongs to turn i of the round, so the entries of two rows with the same number lie side by side in time.
    """

    passes: tuple[Count, ...]  # complete passes; 0 if the process took no part
    wall_s: tuple[Seconds, ...]  # sum of the times of these passes
    cpu_s: tuple[Seconds, ...]  # CPU time of the process and its children during these passes
    longest_s: tuple[Seconds, ...] = ()  # the longest of these passes
    reads: tuple[Count, ...] = ()  # readings of the parameters: after each repetition, and at the end of the turn
    read_s: tuple[Seconds, ...] = ()  # sum of their times; they wait for unfinished work
    took_s: tuple[Seconds, ...] = ()  # the whole turn, warm-up and readings included, by the clock of the process
    asked_s: tuple[Seconds, ...] = ()  # from asking for the turn to the reply, by the clock of the parent process

    @property
    def passes_s(self) -> tuple[float, ...]:
        """Mean time of a pass in each turn that the process took part in."""
        return tuple(wall_s / passes for passes, wall_s in zip(self.passes, self.wall_s, strict=True) if passes)


class Timing(Strict, frozen=True, kw_only=True):
    """Times of one worker process. Its phases follow each other and add up to its wall time."""

    start_s: Seconds  # from the start of the process to the start of the job: Python, NumPy and this suite
    import_s: Seconds  # importing the framework
    data_s: Seconds  # loading data, drawing initial weights and batch orders
    setup_s: Seconds  # copying data to the device, creating the model, setting its weights
    passes_s: tuple[Seconds, ...]  # every call of `train`, including the first
    evaluation_s: Seconds  # predicting the test rows and computing the metric
    resets_s: Seconds  # setting the weights again between trainings
    checks_s: Seconds  # reading parameters to check that training had finished, and matrix products
    wall_s: Seconds  # from the start of the process to its reply, by the parent process's clock
    cpu_s: Seconds  # CPU time of the process and its children
    steps_per_pass: Number
    rows_per_step: Number
    flops_per_pass: Count  # of the model's matrix products; a multiplication and an addition count as two
    read_s: tuple[Seconds, ...]  # reading the parameters right after a pass, which waits for unfinished work
    reread_s: tuple[Seconds, ...]  # the same long after a pass, with the caches emptied
    steady: Steady
    peak_memory_bytes: Number  # maximum resident set size of the process
    peak_device_memory_bytes: Count | None  # GPU memory as reported by the framework; None on the CPU
    product_flops_per_s: Positive  # of the fastest large matrix product of this framework in this process
    product_limit_flops_per_s: Positive | None = None  # what the processor's cores can reach; None if unknown
    turns: Turns | None = None  # None in files of schema 2, whose processes did not run side by side

    @property
    def steady_s(self) -> tuple[float, ...]:
        """Times of all passes but the first, which may include compilation."""
        return self.passes_s[1:]

    @property
    def phases_s(self) -> float:
        """Sum of all phases: the wall time without the time that no phase accounts for."""
        named = (self.start_s, self.import_s, self.data_s, self.setup_s, self.evaluation_s, self.resets_s)
        return sum((*named, *self.passes_s, self.checks_s))


class Inference(Strict, frozen=True, kw_only=True):
    """How a process answered requests with the model that it had trained, after all its turns.

    Requests and answers are in host memory, and every request is new. In each of a few turns, side by side with those
    of the other rows, it answers requests of one row, then requests of `rows` rows.
    """

    reason: str = ""  # for people, why there are no times; empty if there are
    open_s: Seconds = 0.0  # compiling, and first calls for each shape of a request
    calls: Count = 0  # of one row, in all turns
    latency_median_s: Seconds | None = None  # of these calls
    latency_p95_s: Seconds | None = None  # None for fewer than 200 calls
    latency_p99_s: Seconds | None = None
    latency_s: tuple[Seconds, ...] = ()  # their median in each turn
    rows: Count = 0  # of a batch
    batches: Count = 0  # in all turns
    batch_s: tuple[Seconds, ...] = ()  # mean time of a batch in each turn
    # Largest difference of an answer that was checked from the float64 forward pass of the same parameters, as a
    # multiple of what rounding explains.
    predicted: NotNegative | None = None


class WarmStart(Strict, frozen=True, kw_only=True):
    """The start of a further process of a row that finds the compiled code of an earlier one, up to its first pass.

    The process is alone, and it does the first pass of the first training.
    """

    reason: str = ""  # for people, why there are no times; empty if there are
    import_s: Seconds = 0.0
    setup_s: Seconds = 0.0
    first_pass_s: Seconds = 0.0


class Quality(Strict, frozen=True, kw_only=True):
    """Result of the first training in a worker process."""

    losses: tuple[float | None, ...]  # [steps], each before its update; empty in a file if as in the row's first record
    metric: Metric
    value: NotNegative | None
    parameters: tuple[float | None, ...] | None  # weights, then bias, of a model with a single small layer; else None
    truth: tuple[float, ...]  # weights and bias that generated the data; empty if unknown
    # |w2 - w1| / |w1 - w0|: w0 the initial parameters, w1 and w2 those after the first pass and after its repetition.
    # None if w1 equals w0.
    repeated: NotNegative | None = None
    # Largest difference of any output for the evaluation rows from the float64 forward pass of the same parameters, as
    # a multiple of what rounding explains; None in files of earlier versions.
    predicted: NotNegative | None = None


class Learned(Strict, frozen=True, kw_only=True):
    """What the model of a process had learned: kept in the first record of a row, next to the `Lesson` of its task."""

    reason: str = ""  # for people, why there is nothing; empty if there is
    # After the first training, for the rows that the lesson shows, in its order [shown rows][outputs]: the outputs of
    # the last layer or, where the loss is softmax cross-entropy, the probabilities of the classes.
    outputs: tuple[tuple[float | None, ...], ...] = ()
    # Evaluation rows after the first training, by their class and by the class that the model gives them
    # [classes][classes]; empty if targets are no classes, or an output was not finite.
    confusion: tuple[tuple[Count, ...], ...] = ()
    # The metric after each pass of one more training with the same start and batches, made when all was measured. Empty
    # if a single pass is the whole training.
    metric_by_pass: tuple[float | None, ...] = ()
    cut: str = ""  # for people, why passes are missing there; empty if none is


class Pool(Strict, frozen=True, kw_only=True, order=True):
    """A pool of threads of a library or framework."""

    name: str
    threads: Count


class Used(Strict, frozen=True, kw_only=True):
    """What a framework really used, read back from its own objects after the training."""

    dtypes: tuple[str, ...]  # of the arrays that hold the weights, as NumPy calls them; empty if none was recognised
    devices: tuple[str, ...]  # that these arrays are on: cpu, gpu, or the framework's name of something else
    pools: tuple[Pool, ...]
    coarse: tuple[str, ...]  # settings that allow products with fewer digits than the precision has, for people


class Resources(Strict, frozen=True, kw_only=True):
    """What the worker process actually used, as it reported."""

    cores: Count | None  # cores that the process may run on; None where processes cannot be pinned
    dtype: str  # of the parameters that it hands out
    framework: str  # version of the framework
    used: Used | None = None  # None in files of earlier versions
    left: tuple[str, ...] = ()  # commands of processes that it left running, which were ended; of many, some


class Calibration(Strict, frozen=True, kw_only=True):
    """Times of the calibration loop at one moment: a fixed piece of work on all cores of the run, repeated."""

    loops_s: Annotated[tuple[Annotated[float, Meta(gt=0, le=1e9)], ...], Meta(min_length=1)]


class Record(Strict, frozen=True, kw_only=True, tag="record"):
    """What came of timing a job."""

    job: Job
    status: Status
    reason: str = ""  # for people, where the status is not ok
    started: UtcOrNone = ""  # empty if no process was started
    timing: Timing | None = None
    quality: Quality | None = None
    resources: Resources | None = None
    inference: Inference | None = None  # None if it was not measured in this process
    learned: Learned | None = None  # only in the first good record of a row
    warm: WarmStart | None = None  # None if it was not measured, or if nothing was compiled
    output: str = ""  # the last lines that the worker printed, where it failed


class CoreTimes(Strict, frozen=True, kw_only=True):
    """CPU time on the cores of a run since boot, and CPU time of the run's own processes."""

    busy_s: Seconds
    stolen_s: Seconds  # taken by the hypervisor for other machines
    own_s: Seconds


class Block(Strict, frozen=True, kw_only=True, tag="block"):
    """State of the machine during a round, in which each row of a task that needs more measurements runs once."""

    task: str
    block: Count
    wall_s: Seconds  # without the calibrations
    before: Calibration | None  # None if the calibration failed
    after: Calibration | None
    foreign_cores: NotNegative | None  # mean number of cores that other processes kept busy; None if unknown
    stolen_cores: NotNegative | None  # mean number of cores that the hypervisor gave to other machines; None if unknown


class ParityResult(Strict, frozen=True, kw_only=True, tag="verdict"):
    """Whether a row computes what the task defines, and how far it is from the NumPy reference in float64.

    Differences are relative unless stated otherwise, and None if the check did not reach that tier. Steps count from 0.
    """

    row: Row
    settings: Settings = {}
    status: Status  # of the float64 check
    agrees: bool | None = None  # None if the check could not decide
    tier: Tier | Literal[""] = ""  # the first one that found a fault; empty if none did
    reason: str = ""
    gradient: NotNegative | None = None  # of the first batch in float64: maximum over weights and biases
    losses: NotNegative | None = None  # in float64: maximum over the steps
    parameters: NotNegative | None = None  # in float64 after training: maximum over weights and biases
    # Of the timed run: maximum over its steps, as a multiple of what rounding explains.
    envelope: NotNegative | None = None
    metric: NotNegative | None = None  # of the timed run: its metric, as a multiple of what rounding explains
    # Of a later training from another start: as a multiple of what rounding explains.
    repetition: NotNegative | None = None


class Snapshot(Strict, frozen=True, kw_only=True):
    """What the reference gave after some steps, for the rows that the lesson shows."""

    step: Count  # updates that were made
    outputs: tuple[float | None, ...]  # [shown rows]


class Lesson(Strict, frozen=True, kw_only=True, tag="lesson"):
    """What is needed to draw what the models of a task learned, beside `Record.learned`: written once for each task.

    Its rows are evaluation rows. The reference is the plain NumPy training in float64 that parity compares rows with.
    """

    task: str
    reason: str = ""  # for people, why a part is missing; empty if none is
    inputs: tuple[tuple[float, ...], ...] = ()  # [shown rows][features], scaled as for training; empty for images
    images: tuple[bytes, ...] = ()  # of each shown row, grey values from 0 to 255, row by row; empty if not images
    image_shape: tuple[Count, ...] = ()  # height and width of an image
    targets: tuple[float, ...] = ()  # [shown rows]; the number of a row's class if there are classes
    classes: tuple[str, ...] = ()  # their names, by number; empty if targets are no classes
    snapshots: tuple[Snapshot, ...] = ()  # of the reference's outputs, from before the first step to after the last
    losses: tuple[float | None, ...] = ()  # of the reference [steps], each before its update
    # By how much parity lets the loss of a row in the precision of the run differ there [steps]; None for any.
    allowed: tuple[float | None, ...] = ()


class Machine(Strict, frozen=True, kw_only=True):
    """The machine of a run. A text that could not be determined is "unknown"."""

    system: str
    cpu: str
    cores: Number  # cores that the suite may run on
    quota_cores: Annotated[float, Meta(gt=0)] | None = None  # CPU time that a container grants; None without a limit
    memory_bytes: Number  # of the machine, or the container's limit if that is less
    governor: str
    gpus: tuple[str, ...]
    load: NotNegative  # runnable processes before the run, average of one minute
    id: str = ""  # the same in every run on this machine, and tells nothing about it; empty if unknown
    instructions: tuple[str, ...] = ()  # of its processor, those that matrix products may use; empty if unknown
    blas: str = ""  # library of NumPy's matrix products, its version and the kind of processor it takes this one for


class Goal(Strict, frozen=True, kw_only=True):
    """Stopping rule of a run."""

    workers: Number | None  # processes per row; None: until each comparison with the fastest is decided, or time is up
    effect: Positive  # detectable difference: 0.05 for 5 %; smaller differences count as equal
    time_s: Seconds  # time limit: no round starts that would exceed it; not used with a number of workers


class Header(Strict, frozen=True, kw_only=True, tag="header"):
    """The first line of a run file. The order of rows in a round follows from rows, schedule seed and its number."""

    schema: int = SCHEMA
    created: Utc
    command: str
    machine: Machine
    versions: dict[str, str]
    commit: str
    environment: dict[str, str] = {}  # variables that configure frameworks or thread libraries
    host: str = ""  # name of the machine in a run on a cluster; empty in others
    instead_of: str = ""  # for people, which host had begun these rounds and was lost; empty if none
    threads: Number
    goal: Goal
    followed: bool = True  # whether the float64 parity check ran; if not, only timed runs were checked
    inference: bool = False  # whether inference was measured
    learned: bool = False  # whether what the models learned was kept
    warm_cache: bool = False  # whether first calls with the cache of a compiler were measured
    schedule_seed: Count
    settings: Settings  # task settings that were changed, by name
    tasks: dict[str, Settings]  # every setting of every task
    rows: tuple[Row, ...]


Line = Header | Record | Block | ParityResult | Lesson


class Record2(Record, frozen=True, kw_only=True, tag="record"):
    """A record of schema 2, which has no turns and a place that was never used."""

    calibration: None = None


LINES: dict[int, Any] = {2: Header | Record2 | Block | ParityResult, SCHEMA: Line}  # of each schema that can be read


def run_file_schema() -> dict[str, Any]:
    """Return the JSON Schema of a line of a run file, which is published as `run-file.schema.json`."""
    schema = json.schema(Line)
    for kind in schema["$defs"].values():
        kind["description"] = cleandoc(kind["description"])  # which Python does from 3.13 on
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
