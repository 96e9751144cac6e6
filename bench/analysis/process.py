"""The numbers of each process of a run: its own, and those that depend on other lines of the run file. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from backends.contract import Array
from bench.analysis.flags import Flag, flags_of_timed
from bench.analysis.noise import noise, usual_s
from bench.analysis.process_times import Bounds, bounds_of, product_bounds
from bench.analysis.turns import SHORTEST_S, Timed, each_level, exponentials, timed
from bench.records.blocks import Blocks
from bench.records.columns import DEVICE_MEMORY, UNKNOWN, Columns
from bench.records.lists import Lists
from bench.records.runfile import Records, Run
from bench.records.schema import ParityResult, Row

AS_RECORDED = (
    *("start_s", "import_s", "data_s", "setup_s", "evaluation_s", "resets_s", "checks_s", "wall_s", "cpu_s"),
    *("passes_s", "steps_per_pass", "flops_per_pass"),
    *("peak_memory_bytes", "peak_device_memory_bytes", "product_flops_per_s"),
)


@dataclass(frozen=True)
class Processes:
    """Processes that were timed, and what is derived from their turns; arrays have an entry for each process."""

    timed: Timed
    pass_cpu_s: Array  # CPU time of a pass, in the turns that were not slow; NaN for a process without turns
    bound_flops_per_s: Array  # of its device and precision

    @classmethod
    def of(cls, known: Timed, bounds: Bounds) -> Self:
        """Derive it; the bounds are those of each device and precision."""
        return cls(known, exponentials(each_level(known.cpu)), bounds_of(known.columns, bounds))

    @property
    def columns(self) -> Columns:
        """What the processes recorded."""
        return self.timed.columns


@dataclass(frozen=True)
class Context:
    """What a run contains about a process besides its record."""

    run: Run
    records: Records  # the last one of each job
    processes: Processes  # those among them that were timed
    parity: Mapping[Row, ParityResult]
    bounds: Bounds
    flags: Mapping[Row, tuple[Flag, ...]]
    noise: Mapping[str, Mapping[int, str]]  # what disturbed a round, by task and number of the round; if anything did

    @classmethod
    def of(cls, run: Run) -> Self:
        """Collect the context from a run."""
        records = run.last_records
        known = timed(records.columns)
        bounds = product_bounds(known.columns)
        return cls(
            run=run,
            records=records,
            processes=Processes.of(known, bounds),
            parity=run.parity,
            bounds=bounds,
            flags=flags_of_timed(known, bounds),
            noise=_noise(run.blocks),
        )

    def numbers(self) -> dict[str, list[Any]]:
        """Return the numbers of every record by column name; None for what is not known, or if it was not timed."""
        places = np.flatnonzero(self.records.columns["timed"]).tolist()
        found: dict[str, list[Any]] = {}
        for name, number in NUMBERS.items():
            found[name] = [None] * len(self.records)
            for place, value in zip(places, number(self.processes).tolist(), strict=True):
                found[name][place] = value if value == value else None
        return found

    def noisy_rounds(self, task: str) -> list[int]:
        """Return the numbers of the rounds of a task that something disturbed."""
        return list(self.noise.get(task, ()))

    def noise_of(self, row: Row, block: int) -> str:
        """Return what disturbed the round of a process, empty if nothing did."""
        return self.noise.get(row.task, {}).get(block, "")


def _noise(blocks: Blocks) -> dict[str, dict[int, str]]:
    """Return what disturbed rounds, by task and number; the last one counts of several with the same number."""
    found: dict[str, dict[int, str]] = {task: {} for task in blocks.tasks}
    told = noise(blocks, usual_s(blocks))
    for task, number, sentence in zip(blocks.task.tolist(), blocks.block.tolist(), told, strict=True):
        found[blocks.tasks[task]][number] = sentence
    return {task: {number: said for number, said in each.items() if said} for task, each in found.items()}


def passes_of(columns: Columns) -> Array:
    """Return the number of passes of one training of each record; 0 if it was not timed."""
    known = columns["timed"] & (columns["losses"] > 0)
    found: Array = np.where(known, columns["losses"] // np.maximum(columns["steps_per_pass"], 1), 0)
    return found


def one_training_s(columns: Columns) -> Array:
    """Return the wall time of one training of each record, from the start of its process to the metric.

    Without what only a benchmark does: further passes, reading the parameters, matrix products. NaN if it was not
    timed.
    """
    phases_s = sum(columns[name] for name in ("start_s", "import_s", "data_s", "setup_s", "evaluation_s"))
    passes, passes_s = passes_of(columns), columns.lists("passes_s")
    first = passes_s.positions < passes[passes_s.owners]
    return np.where(passes > 0, phases_s + passes_s.keep(first).added_to(np.zeros(len(columns))), math.nan)


def _steady_s(columns: Columns) -> Lists:
    """Return the times of all passes but the first."""
    passes_s = columns.lists("passes_s")
    return passes_s.keep(passes_s.positions > 0)


def first_pass_s(each: Processes) -> Array:
    """Return the time of the first pass of each process."""
    passes_s = each.columns.lists("passes_s")
    return passes_s.keep(passes_s.positions == 0).values


def _first_call_s(each: Processes) -> Array:
    """Return the extra time of the first pass over a steady one, 0 if it is within the spread of the steady passes."""
    steady_s = _steady_s(each.columns)
    spread_s = steady_s.each(lambda times: times.max(axis=1) - times.min(axis=1), empty=0.0)
    extra_s = first_pass_s(each) - each.timed.pass_s
    return np.where(extra_s > spread_s, extra_s, 0.0)


def _rows_per_pass(each: Processes) -> Array:
    """Return the product, which may be larger than the integers of NumPy."""
    found: Array = each.columns["steps_per_pass"].astype(object) * each.columns["rows_per_step"].astype(object)
    return found


def _pass_s(each: Processes) -> Array:
    return np.maximum(each.timed.pass_s, SHORTEST_S)


def _flops_per_s(each: Processes) -> Array:
    """Return the rate of the model's matrix products."""
    found: Array = each.columns["flops_per_pass"] / _pass_s(each)
    return found


def _cores_busy(each: Processes) -> Array:
    found: Array = each.columns["steady.cpu_s"] / np.maximum(each.columns["steady.window_s"], SHORTEST_S)
    return found


def _device_memory(each: Processes) -> Array:
    found = each.columns[DEVICE_MEMORY].astype(object)
    found[found == UNKNOWN] = None
    return found


def _of_turns(name: str) -> Number:
    def tuples(each: Processes) -> Array:
        found = _tuples(each.columns.lists(f"turns.{name}"))
        found[~each.columns["turns"]] = None
        return found

    return tuples


def _tuples(lists: Lists) -> Array:
    found = np.empty(len(lists), object)
    for place in range(len(lists)):
        found[place] = tuple(lists[place].tolist())
    return found


def _as_recorded(name: str) -> Number:
    return lambda each: each.columns[name]


Number = Callable[[Processes], Array]
# The recorded and derived numbers of processes, in the order of their columns; NaN or None for what is not known.
NUMBERS: Mapping[str, Number] = {
    **{name: _as_recorded(name) for name in AS_RECORDED},
    "passes_s": lambda each: _tuples(each.columns.lists("passes_s")),
    DEVICE_MEMORY: _device_memory,
    "first_pass_s": first_pass_s,
    "steady_passes_s": lambda each: _steady_s(each.columns).added_to(np.zeros(len(each.columns))),  # all of them
    "pass_s": lambda each: each.timed.pass_s,
    "pass_cpu_s": lambda each: each.pass_cpu_s,
    "first_call_s": _first_call_s,
    "rows_per_pass": _rows_per_pass,
    "rows_per_s": lambda each: (_rows_per_pass(each) / _pass_s(each)).astype(float),
    "cores_busy": _cores_busy,
    "flops_per_s": _flops_per_s,
    "flops_share": lambda each: _flops_per_s(each) / each.bound_flops_per_s,
    "turn_passes": _of_turns("passes"),
    "turn_wall_s": _of_turns("wall_s"),
    "turn_cpu_s": _of_turns("cpu_s"),
    "one_training_s": lambda each: one_training_s(each.columns),
}
