"""A machine that is made up: its clock moves as told, its processes take times drawn from known distributions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from msgspec.structs import replace
from support import a_row

from backends.contract import Device
from bench.harness.live import Sample
from bench.records.schema import (
    Block,
    Calibration,
    CoreTimes,
    Goal,
    Inference,
    Job,
    Learned,
    Record,
    Row,
    Steady,
    Timing,
    Turns,
    WarmStart,
)
from bench.runs.plan import Plan
from bench.runs.schedule import run_rounds

Kind = Literal["normal", "lognormal", "two-humped"]
KINDS: tuple[Kind, ...] = ("normal", "lognormal", "two-humped")
SAMPLE_S = 2.0  # of wall time for a first training, however long its passes
TURN_S = 0.25
CALIBRATION_S = 0.25
ROUND_TURNS = 8  # = SAMPLE_S / TURN_S, so that turns take as long as starting

TIMING = Timing(
    start_s=0.0,
    import_s=0.0,
    data_s=0.0,
    setup_s=0.0,
    passes_s=(1.0, 1.0),
    evaluation_s=0.0,
    resets_s=0.0,
    checks_s=0.0,
    wall_s=SAMPLE_S,
    cpu_s=SAMPLE_S,
    steps_per_pass=1,
    rows_per_step=1,
    flops_per_pass=1,
    read_s=(0.0,),
    reread_s=(0.0,),
    steady=Steady(window_s=1.0, cpu_s=1.0, vanished_cpu_s=0.0, waited_s=0.0),
    peak_memory_bytes=1,
    peak_device_memory_bytes=None,
    product_flops_per_s=1e12,
)


def factor(kind: Kind, sd: float, rng: np.random.Generator) -> float:
    """Return what one process is slower by; `sd` is about the deviation of its logarithm, its mean is the same always.

    Lognormal: an extra that is never negative and now and then large. Two-humped: three of ten processes land badly.
    """
    match kind:
        case "normal":
            return max(0.1, 1 + sd * rng.standard_normal())
        case "lognormal":
            shape = 0.8
            deviation = math.sqrt((math.exp(shape**2) - 1) * math.exp(shape**2))
            return 1 + sd * rng.lognormal(0, shape) / deviation
        case "two-humped":
            return math.exp(2 * sd * (rng.random() < 0.3) + 0.3 * sd * rng.standard_normal())


@dataclass
class MockExecutor:
    """A machine that is made up: `pass_s` is the true pass of each row, `speed` what the machine does to it by time."""

    pass_s: Mapping[Row, float]
    rng: np.random.Generator
    kind: Kind = "normal"
    sd: float = 0.03  # between processes
    within: float = 0.01  # between the turns of a process
    speed: Callable[[float], float] = lambda now_s: 1.0
    broken: frozenset[Row] = frozenset()
    turn_s: Mapping[Row, float] = field(default_factory=dict)  # of wall time, where it is not `TURN_S`
    dies_in_turn: Mapping[Row, int] = field(default_factory=dict)
    free_bytes: int | None = None
    takes_bytes: int = 1  # each process
    now_s: float = 0.0
    jobs: list[Job] = field(default_factory=list)
    turns: list[tuple[Row, int]] = field(default_factory=list)  # in the order in which they were taken
    alive: int = 0  # processes
    service_s: float = 0.05  # of wall time, to open a service or for a turn of it
    served: list[tuple[Row, int]] = field(default_factory=list)  # turns of services, in the order of the run
    learning_s: Mapping[Row, float] = field(default_factory=dict)  # of wall time, where one more training takes any
    told: list[tuple[Row, int, float]] = field(default_factory=list)  # row, round and limit of what was learned
    first_pass_s: float = 1.0
    started_warm: list[Row] = field(default_factory=list)

    def clock(self) -> float:
        return self.now_s

    @contextmanager
    def round(self) -> Iterator[MockRound]:
        try:
            yield MockRound(self)
        finally:
            self.alive = 0

    def free_memory_bytes(self, device: Device) -> int | None:
        return self.free_bytes

    def process_rng(self, job: Job) -> np.random.Generator:
        """Return what the times of a process are drawn from."""
        return self.rng

    def start_warm(self, job: Job) -> WarmStart:
        assert self.alive == 0
        self.started_warm.append(job.row)
        return WarmStart(setup_s=0.5, first_pass_s=0.25)

    def calibrate(self) -> Calibration | None:
        self.now_s += CALIBRATION_S
        return Calibration(loops_s=(1e-3 * self.speed(self.now_s),) * 5)

    def core_times(self) -> CoreTimes | None:
        return CoreTimes(busy_s=self.now_s, stolen_s=0.0, own_s=self.now_s)


class MockRound:
    """A round on that machine."""

    def __init__(self, executor: MockExecutor) -> None:
        self.executor = executor

    def begin(self, job: Job, watched: tuple[int, ...]) -> MockLive:
        self.executor.jobs.append(job)
        self.executor.alive += 1
        return MockLive(self.executor, job, self.executor.process_rng(job))


class MockLive:
    """A process on that machine. Its passes differ from those of other processes, and a little from turn to turn."""

    def __init__(self, executor: MockExecutor, job: Job, rng: np.random.Generator) -> None:
        self.executor, self.job, self.rng = executor, job, rng
        self.slowness = factor(executor.kind, executor.sd, rng)
        self.passes_s: list[float] = []
        pass_s = self._pass_s()
        executor.now_s += SAMPLE_S
        timing = replace(TIMING, passes_s=(executor.first_pass_s, pass_s), peak_memory_bytes=executor.takes_bytes)
        self.record = Record(job=job, status="ok", timing=timing)
        if job.row in executor.broken:
            self._die()

    def _pass_s(self) -> float:
        executor = self.executor
        noise = math.exp(executor.within * self.rng.standard_normal())
        return float(executor.pass_s[self.job.row] * self.slowness * executor.speed(executor.now_s) * noise)

    def _die(self) -> None:
        self.record = Record(job=self.job, status="crashed", reason="as told")

    def turn(self, number: int) -> None:
        if self.record.status != "ok":
            return
        self.executor.turns.append((self.job.row, number))
        if self.executor.dies_in_turn.get(self.job.row) == number:
            self._die()
        self.passes_s.append(self._pass_s())
        self.executor.now_s += self.executor.turn_s.get(self.job.row, TURN_S)

    def open_service(self) -> None:
        self.record = replace(self.record, inference=Inference(reason="made up"))
        self.executor.now_s += self.executor.service_s

    def serve(self, turn: int) -> None:
        self.executor.served.append((self.job.row, turn))
        self.executor.now_s += self.executor.service_s

    def learn(self, limit_s: float, cut: str) -> None:
        self.executor.told.append((self.job.row, self.job.block, limit_s))
        self.record = replace(self.record, learned=Learned(cut="" if limit_s else cut))
        self.executor.now_s += self.executor.learning_s.get(self.job.row, 0.0) if limit_s else 0.0

    def finish(self) -> Sample:
        if self.record.timing is None:
            return Sample(self.record, None)
        ones = (1,) * len(self.passes_s)
        turns = Turns(passes=ones, wall_s=tuple(self.passes_s), cpu_s=tuple(self.passes_s))
        return Sample(replace(self.record, timing=replace(self.record.timing, turns=turns)), None)


def alone(executor: MockExecutor, job: Job) -> Record:
    """Return the record of a process that takes its turns while no other is alive."""
    with executor.round() as processes:
        live = processes.begin(job, ())
        for number in range(ROUND_TURNS):
            live.turn(number)
        return live.finish().record


class Nobody:
    """Listens, and remembers the stages and how jobs ended."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.outcomes: list[tuple[str, str]] = []
        self.left_s: list[float | None] = []  # at the beginning of each stage

    def stage(self, label: str, total: int, left_s: float | None = None) -> None:
        self.stages.append((label, total))
        self.left_s.append(left_s)

    def begins(self, label: str) -> None:
        pass

    def ended(self, label: str, outcome: str) -> None:
        self.outcomes.append((label, outcome))


def rows_of(*modes: str, task: str = "linear_fit") -> tuple[Row, ...]:
    return tuple(a_row(task, "made_up", mode) for mode in modes)


def a_plan(rows: Iterable[Row], *, seed: int = 0, **goal: float | None) -> Plan:
    """Return a plan that aims, unless told otherwise, at what `bench run` aims at, with much time."""
    chosen = Goal(**{"workers": None, "effect": 0.05, "time_s": 400.0, **goal})
    return Plan(rows=tuple(rows), threads=2, settings={}, goal=chosen, seed=seed)


def lines_of(plan: Plan, executor: MockExecutor) -> list[Record | Block]:
    """Return the lines that a run writes."""
    found = run_rounds(plan, executor, Nobody())
    return [line if isinstance(line, Block) else line.record for line in found]


def records_of(plan: Plan, executor: MockExecutor) -> list[Record]:
    return [line for line in lines_of(plan, executor) if isinstance(line, Record)]
