"""The numbers of each process of a run: its own, and those that depend on other lines of the run file. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Self

from bench.analysis.flags import Flag, flags_of_timed
from bench.analysis.noise import noise, usual_s
from bench.analysis.process_times import Bounds, product_bounds
from bench.analysis.turns import Timed, each_level, timed
from bench.records.runfile import Run
from bench.records.schema import ParityResult, Record, Row, Timing

AS_RECORDED = (
    *("start_s", "import_s", "data_s", "setup_s", "evaluation_s", "resets_s", "checks_s", "wall_s", "cpu_s"),
    *("passes_s", "steps_per_pass", "flops_per_pass"),
    *("peak_memory_bytes", "peak_device_memory_bytes", "product_flops_per_s"),
)
DERIVED = (
    *("one_training_s", "first_pass_s", "steady_passes_s", "pass_s", "pass_cpu_s", "first_call_s"),
    *("rows_per_pass", "rows_per_s", "cores_busy"),
    *("flops_per_s", "flops_share", "turn_passes", "turn_wall_s", "turn_cpu_s"),
)
NO_NUMBERS: Mapping[str, Any] = dict.fromkeys((*AS_RECORDED, *DERIVED))


@dataclass(frozen=True)
class Process:
    """A process that was timed, and what is derived from its turns."""

    record: Record
    timing: Timing
    pass_s: float  # typical one
    pass_cpu_s: float | None  # CPU time of a pass, in the turns that were not slow; None for a process without turns
    bound_flops_per_s: float  # of its device and precision


@dataclass(frozen=True)
class Context:
    """What a run contains about a process besides its record."""

    run: Run
    records: tuple[Record, ...]  # the last one of each job
    timed: tuple[Timed, ...]  # the processes among them that were timed
    processes: Mapping[tuple[Row, int], Process]  # those that were timed, by row and number of the round
    parity: Mapping[Row, ParityResult]
    bounds: Bounds
    flags: Mapping[Row, tuple[Flag, ...]]
    noise: Mapping[tuple[str, int], str]  # what disturbed a round, by task and number of the round

    @classmethod
    def of(cls, run: Run) -> Self:
        """Collect the context from a run."""
        records, usual_loop_s = run.last_records, usual_s(run.blocks)
        bounds, known = product_bounds(records), tuple(timed(records))
        return cls(
            run=run,
            records=records,
            timed=known,
            processes={(each.record.job.row, each.record.job.block): each for each in processes(known, bounds)},
            parity=run.parity,
            bounds=bounds,
            flags=flags_of_timed(known, bounds),
            noise={(block.task, block.block): noise(block, usual_loop_s) for block in run.blocks},
        )

    def noise_of(self, record: Record) -> str:
        """Return what disturbed the round of a process, empty if nothing did."""
        return self.noise.get((record.job.row.task, record.job.block), "")

    def process_of(self, record: Record) -> Process | None:
        """Return a process with what is derived from its turns; None if it was not timed."""
        return self.processes.get((record.job.row, record.job.block))

    def numbers_of(self, record: Record) -> Mapping[str, Any]:
        """Return the numbers of a process by column name; None if the process was not timed."""
        process = self.process_of(record)
        return {name: number(process) for name, number in NUMBERS.items()} if process else NO_NUMBERS


def processes(known: Sequence[Timed], bounds: Bounds) -> Iterator[Process]:
    """Yield the processes that were timed; the bounds are those of each device and precision."""
    for each, cpu in zip(known, each_level([each.cpu for each in known]).tolist(), strict=True):
        bound = bounds[each.record.job.row.device, each.record.job.row.precision]
        yield Process(each.record, each.timing, each.pass_s, math.exp(cpu) if math.isfinite(cpu) else None, bound)


def passes_of(record: Record) -> int:
    """Return the number of passes of one training; 0 if it was not timed."""
    if record.timing is None or record.quality is None:
        return 0
    return len(record.quality.losses) // record.timing.steps_per_pass


def one_training_s(record: Record) -> float:
    """Return the wall time of one training, from the start of its process to the metric; NaN if it was not timed.

    Without what only a benchmark does: further passes, reading the parameters, matrix products.
    """
    timing, passes = record.timing, passes_of(record)
    if timing is None or not passes:
        return math.nan
    phases_s = timing.start_s + timing.import_s + timing.data_s + timing.setup_s + timing.evaluation_s
    return phases_s + sum(timing.passes_s[:passes])


def _first_call_s(process: Process) -> float:
    """Return the extra time of the first pass over a steady one, 0 if it is within the spread of the steady passes."""
    steady_s, pass_s = process.timing.steady_s, process.pass_s
    spread_s = max(steady_s, default=pass_s) - min(steady_s, default=pass_s)
    extra_s = process.timing.passes_s[0] - pass_s
    return extra_s if extra_s > spread_s else 0.0


def _rows_per_pass(process: Process) -> int:
    return process.timing.steps_per_pass * process.timing.rows_per_step


def _flops_per_s(process: Process) -> float:
    """Return the rate of the model's matrix products."""
    return process.timing.flops_per_pass / max(process.pass_s, 1e-9)


def _cores_busy(process: Process) -> float:
    steady = process.timing.steady
    return steady.cpu_s / max(steady.window_s, 1e-9)


def _of_turns(name: str) -> Number:
    return lambda process: getattr(process.timing.turns, name) if process.timing.turns else None


Number = Callable[[Process], Any]
# The recorded and derived numbers of a process, in the order of their columns.
NUMBERS: Mapping[str, Number] = {
    **{name: attrgetter(f"timing.{name}") for name in AS_RECORDED},
    "first_pass_s": lambda process: process.timing.passes_s[0],
    "steady_passes_s": lambda process: sum(process.timing.steady_s),  # all of them together
    "pass_s": attrgetter("pass_s"),
    "pass_cpu_s": attrgetter("pass_cpu_s"),
    "first_call_s": _first_call_s,
    "rows_per_pass": _rows_per_pass,
    "rows_per_s": lambda process: _rows_per_pass(process) / max(process.pass_s, 1e-9),
    "cores_busy": _cores_busy,
    "flops_per_s": _flops_per_s,
    "flops_share": lambda process: _flops_per_s(process) / process.bound_flops_per_s,
    "turn_passes": _of_turns("passes"),
    "turn_wall_s": _of_turns("wall_s"),
    "turn_cpu_s": _of_turns("cpu_s"),
    "one_training_s": lambda process: one_training_s(process.record) if passes_of(process.record) else None,
}
