"""A machine that is made up: its clock moves as told, its processes take times drawn from known distributions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec
import numpy as np
from support import a_row

from bench.records.schema import Block, Calibration, CoreTimes, Goal, Job, Record, Row, Steady, Timing
from bench.runs.plan import Plan
from bench.runs.schedule import run_blocks

Kind = Literal["normal", "lognormal", "two-humped"]
KINDS: tuple[Kind, ...] = ("normal", "lognormal", "two-humped")
SAMPLE_S = 2.0  # of wall time, however long its passes
CALIBRATION_S = 0.25
PASSES = 5

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
    within: float = 0.01  # between the passes of a process
    speed: Callable[[float], float] = lambda now_s: 1.0
    broken: frozenset[Row] = frozenset()
    now_s: float = 0.0
    jobs: list[Job] = field(default_factory=list)

    def clock(self) -> float:
        return self.now_s

    def time_job(self, job: Job) -> Record:
        self.jobs.append(job)
        slowness = self.speed(self.now_s) * factor(self.kind, self.sd, self.rng)
        self.now_s += SAMPLE_S
        if job.row in self.broken:
            return Record(job=job, status="crashed", reason="as told")
        passes = self.pass_s[job.row] * slowness * np.exp(self.within * self.rng.standard_normal(PASSES))
        timing = msgspec.structs.replace(TIMING, passes_s=(1.0, *map(float, passes)))
        return Record(job=job, status="ok", timing=timing)

    def calibrate(self) -> Calibration | None:
        self.now_s += CALIBRATION_S
        return Calibration(loops_s=(1e-3 * self.speed(self.now_s),) * 5)

    def core_times(self) -> CoreTimes | None:
        return CoreTimes(busy_s=self.now_s, stolen_s=0.0, own_s=self.now_s)


class Nobody:
    """Listens, and remembers the stages."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []

    def stage(self, label: str, total: int) -> None:
        self.stages.append((label, total))

    def begins(self, label: str) -> None:
        pass

    def ended(self, label: str, outcome: str) -> None:
        pass


def rows_of(*modes: str, task: str = "linear_fit") -> tuple[Row, ...]:
    return tuple(a_row(task, "made_up", mode) for mode in modes)


def a_plan(rows: Iterable[Row], *, seed: int = 0, **goal: float | None) -> Plan:
    """Return a plan that aims, unless told otherwise, at what `bench run` aims at, with much time."""
    chosen = Goal(**{"workers": None, "effect": 0.05, "time_s": 400.0, **goal})
    return Plan(rows=tuple(rows), threads=2, settings={}, goal=chosen, seed=seed)


def lines_of(plan: Plan, executor: MockExecutor) -> list[Record | Block]:
    return list(run_blocks(plan, executor, Nobody()))


def records_of(plan: Plan, executor: MockExecutor) -> list[Record]:
    return [line for line in lines_of(plan, executor) if isinstance(line, Record)]
