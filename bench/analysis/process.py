"""The numbers of each process of a run: its own, and those that depend on other lines of the run file. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from bench.analysis.flags import Flag, flags_of, product_bounds
from bench.analysis.noise import noise, usual_s
from bench.analysis.turns import level, turn_cpu_times, typical_pass_s
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
class Context:
    """What a run contains about a process besides its record."""

    run: Run
    parity: Mapping[Row, ParityResult]
    bounds: Mapping[tuple[str, str], float]  # fastest matrix product in FLOP/s, by device and precision
    flags: Mapping[Row, tuple[Flag, ...]]
    noise: Mapping[tuple[str, int], str]  # what disturbed a round, by task and number of the round

    @classmethod
    def of(cls, run: Run) -> Self:
        """Collect the context from a run."""
        usual_loop_s = usual_s(run.blocks)
        return cls(
            run=run,
            parity=run.parity,
            bounds=product_bounds(run.last_records),
            flags=flags_of(run.last_records),
            noise={(block.task, block.block): noise(block, usual_loop_s) for block in run.blocks},
        )

    def noise_of(self, record: Record) -> str:
        """Return what disturbed the round of a process, empty if nothing did."""
        return self.noise.get((record.job.row.task, record.job.block), "")

    def numbers_of(self, record: Record) -> Mapping[str, Any]:
        """Return the numbers of a process by column name; None if the process was not timed."""
        row = record.job.row
        if record.timing is None:
            return NO_NUMBERS
        own = numbers(record.timing, self.bounds[row.device, row.precision])
        return {**own, "one_training_s": one_training_s(record) if passes_of(record) else None}


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


def numbers(timing: Timing, bound_flops_per_s: float) -> dict[str, Any]:
    """Return recorded and derived numbers of a process; the bound is that of its device and precision."""
    pass_s = typical_pass_s(timing)
    flops_per_s = timing.flops_per_pass / max(pass_s, 1e-9)
    return {
        **{name: getattr(timing, name) for name in AS_RECORDED},
        "first_pass_s": timing.passes_s[0],
        "steady_passes_s": sum(timing.steady_s),  # all of them together
        "pass_s": pass_s,
        "pass_cpu_s": _cpu_s(timing),
        "first_call_s": _first_call_s(timing, pass_s),
        "rows_per_pass": timing.steps_per_pass * timing.rows_per_step,
        "rows_per_s": timing.steps_per_pass * timing.rows_per_step / max(pass_s, 1e-9),
        "cores_busy": timing.steady.cpu_s / max(timing.steady.window_s, 1e-9),
        "flops_per_s": flops_per_s,  # of the model's matrix products
        "flops_share": flops_per_s / bound_flops_per_s,  # of the fastest matrix product in the run
        "turn_passes": timing.turns.passes if timing.turns else None,
        "turn_wall_s": timing.turns.wall_s if timing.turns else None,
        "turn_cpu_s": timing.turns.cpu_s if timing.turns else None,
    }


def _cpu_s(timing: Timing) -> float | None:
    """Return the CPU time of a pass, in the turns that were not slow; None for a process without turns."""
    times = turn_cpu_times([timing])[0]
    return math.exp(level(times)) if np.isfinite(times).any() else None


def _first_call_s(timing: Timing, pass_s: float) -> float:
    """Return the extra time of the first pass over a steady one, 0 if it is within the spread of the steady passes."""
    spread_s = max(timing.steady_s, default=pass_s) - min(timing.steady_s, default=pass_s)
    extra_s = timing.passes_s[0] - pass_s
    return extra_s if extra_s > spread_s else 0.0
