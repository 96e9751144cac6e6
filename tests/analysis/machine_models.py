"""Machines that are made up: what the turns of live rounds, or fresh processes, look like on them.

All draws of many runs are made at once: an array has the axes [runs, rows, rounds, turns]. A number is the logarithm of
seconds a pass. True passes take 20 ms; a ratio other than 1 is put in afterwards by `slowed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from backends.contract import Array
from bench.analysis.comparison import Grid, Times
from bench.records.schema import Row

Design = Literal["live", "blocked", "sequential"]
DESIGNS: tuple[Design, ...] = ("sequential", "blocked", "live")

PASS_S = 0.02
START_S = 4.4  # of a process: import, set-up, first training
TURN_S, GAP_S = 0.1, 0.02  # the clocked part of a turn; continuing and warming up a process
TURNS = 40  # of a live round
WINDOWS = 10  # of 0.1 s in which a fresh process repeats its training
PAIR_S = 300.0  # time for a pair of rows, whatever the design


@dataclass(frozen=True)
class Machine:
    """What disturbs the times; the tuples have one number per row, repeated if there are more rows."""

    turns: tuple[float, ...] = (0.02,)  # deviation between turns of 0.1 s, each by itself
    processes: tuple[float, ...] = (0.005,)  # deviation between processes of one row
    slow: tuple[float, ...] = ()  # factors of the rows in the slow state; empty: there is no such state
    dwell_s: tuple[float, float] = (10.0, 3.0)  # mean time in the quick and in the slow state
    drift: float = 0.0  # growth of the logarithm of all times in 5 minutes
    outliers: float = 0.0  # share of turns that take 1.5 to 4 times as long
    tick_s: float = 0.0  # step of the clock


MACHINES: dict[str, Machine] = {
    "independent noise": Machine(),
    "two states, alike": Machine(slow=(2.0,)),
    "two states, 2 threads and 1": Machine(slow=(2.0, 1.05)),
    "drift": Machine(drift=0.1),
    "outliers": Machine(outliers=0.02),
    "processes differ": Machine(processes=(0.005, 0.03)),
    "turns of one row scatter": Machine(turns=(0.01, 0.05)),
    "clock in steps of 1 ms": Machine(tick_s=1e-3),
    "states, drift, outliers": Machine(slow=(2.0,), drift=0.1, outliers=0.02),
    "all of it": Machine(
        processes=(0.005, 0.01), slow=(2.0, 1.05), drift=0.1, outliers=0.02, tick_s=1e-3
    ),
}  # fmt: skip


def rounds_in(total_s: float, rows: int = 2, turns: int = TURNS) -> int:
    """Return how many live rounds fit into a time."""
    return int(total_s / (rows * (START_S + turns * (TURN_S + GAP_S))))


def processes_in(total_s: float) -> int:
    """Return how many fresh processes of each of two rows fit into a time."""
    return int(total_s / (2 * (START_S + WINDOWS * TURN_S)))


def live(machine: Machine, rng: np.random.Generator, runs: int, rows: int, rounds: int, turns: int = TURNS) -> Array:
    """Return times of live rounds [runs, rows, rounds, turns]: rows take turns side by side, in random order."""
    step_s = TURN_S + GAP_S
    lasts_s = rows * (START_S + turns * step_s)
    places = np.arange(turns * rows).reshape(turns, rows) * step_s
    begins_s = np.arange(rounds)[:, None, None] * lasts_s + rows * START_S + places  # [rounds, turns, places]
    shape = (runs, rounds, turns, rows)
    order = np.argsort(rng.random(shape), axis=-1)
    slow = _slow_states(machine, rng, runs, begins_s)
    slow, when_s = (np.take_along_axis(np.broadcast_to(each, shape), order, -1) for each in (slow, begins_s))
    return _times(machine, rng, *(np.moveaxis(each, -1, 1) for each in (slow, when_s)))


def fresh(machine: Machine, rng: np.random.Generator, runs: int, rounds: int, design: Design) -> Array:
    """Return times of fresh processes of two rows, one after the other [runs, 2, rounds, 1].

    Blocked: each round has a process of both rows, in random order. Sequential: all of one row, then all of the other.
    """
    lasts_s = START_S + WINDOWS * TURN_S
    starts_s = np.arange(2 * rounds) * lasts_s
    begins_s = starts_s[:, None] + START_S + np.arange(WINDOWS) * TURN_S  # [processes, windows]
    slow = _slow_states(machine, rng, runs, begins_s)
    when_s = np.broadcast_to(begins_s, slow.shape)
    if design == "sequential":
        slow, when_s = (each.reshape(runs, 2, rounds, WINDOWS) for each in (slow, when_s))
    else:
        order = np.argsort(rng.random((runs, rounds, 2, 1)), axis=2)
        pairs = (each.reshape(runs, rounds, 2, WINDOWS) for each in (slow, when_s))
        slow, when_s = (np.moveaxis(np.take_along_axis(each, order, 2), 2, 1) for each in pairs)
    return np.median(_times(machine, rng, slow, when_s), axis=-1, keepdims=True)


def drawn(machine: Machine, rng: np.random.Generator, runs: int, design: Design) -> Array:
    """Return times of two rows [runs, 2, rounds, turns] that were taken in five minutes by a design."""
    if design == "live":
        return live(machine, rng, runs, 2, rounds_in(PAIR_S))
    return fresh(machine, rng, runs, processes_in(PAIR_S), design)


def _slow_states(machine: Machine, rng: np.random.Generator, runs: int, begins_s: Array) -> Array:
    """Return whether the machine is in its slow state at these moments, which rise in the order of the array.

    A chain of two states with exponential dwell times, so that its chances after any time are known.
    """
    found = np.zeros((runs, begins_s.size), dtype=bool)
    if machine.slow:
        leaves, returns = (1 / dwell_s for dwell_s in machine.dwell_s)
        share = leaves / (leaves + returns)
        kept = np.exp(-(leaves + returns) * np.diff(begins_s.ravel(), prepend=-1e9))
        state = np.zeros(runs, dtype=bool)
        for place, keeps in enumerate(kept):
            state = rng.random(runs) < share + (state - share) * keeps
            found[:, place] = state
    return found.reshape(runs, *begins_s.shape)


def _times(machine: Machine, rng: np.random.Generator, slow: Array, when_s: Array) -> Array:
    """Return logarithms of seconds a pass [runs, rows, rounds, turns] from the states and moments of the turns."""
    rows = slow.shape[1]
    by_row = (1, rows, 1, 1)
    found = np.log(PASS_S) + np.resize(machine.turns, by_row) * rng.standard_normal(slow.shape)
    found += np.resize(machine.processes, by_row) * rng.standard_normal((*slow.shape[:3], 1))
    if machine.slow:
        found += slow * np.log(np.resize(machine.slow, by_row))
    found += machine.drift * when_s / PAIR_S
    hit = rng.random(slow.shape) < machine.outliers
    found += hit * np.log(rng.uniform(1.5, 4.0, slow.shape))
    return _read(found, machine.tick_s, rng) if machine.tick_s else found


def _read(log_pass_s: Array, tick_s: float, rng: np.random.Generator) -> Array:
    """Return what a clock with steps reads: whole passes until 0.1 s are over, from any moment between two steps."""
    pass_s = np.exp(log_pass_s)
    passes = np.ceil(TURN_S / pass_s)
    ticks = np.floor(passes * pass_s / tick_s + rng.random(pass_s.shape))
    return np.log(np.maximum(ticks, 1) * tick_s / passes)


def slowed(found: Array, ratio: float, row: int = 1) -> Array:
    """Return times of which one row's are so many times as long."""
    changed = found.copy()
    changed[:, row] += np.log(ratio)
    return changed


def as_times(run: Array, rows: Sequence[Row]) -> Times:
    """Return one run [rows, rounds, turns] as the analysis takes it."""
    return {row: Grid.of_rounds(dict(enumerate(times))) for row, times in zip(rows, run, strict=True)}


def spread(machine: Machine, low: float = 0.005, high: float = 0.03, rows: int = 8) -> Machine:
    """Return the machine with rows whose processes differ by `low` to `high`."""
    return replace(machine, processes=tuple(np.geomspace(low, high, rows)))
