"""Processes whose times are made up, as the flags and the tests of trends and long passes take them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from support import a_record, a_row, a_timing

from backends.contract import Array
from bench.analysis.process_times import ProcessTimes, process_times
from bench.analysis.steadiness import Trends, long_passes, trends
from bench.analysis.turns import log_turns, timed
from bench.records.columns import Columns
from bench.records.lists import Lists
from bench.records.schema import Resources, Timing, Turns

ROW, BESIDE = a_row("linear_fit"), [a_row("linear_fit", mode=f"beside {number}") for number in range(10)]
NO_BOUNDS: Mapping[tuple[str, str], float] = {}


@dataclass(frozen=True)
class ATimedProcess:
    """A process that had two threads granted."""

    timing: Timing
    resources: Resources
    bound_flops_per_s: float


def process_times_of(processes: Sequence[ATimedProcess]) -> ProcessTimes:
    """Return what processes of a row recorded, each in a round of its own, with nobody beside it."""
    records = [
        replace(a_record(ROW, number, resources=each.resources), timing=each.timing)
        for number, each in enumerate(processes or [A_PROCESS])
    ]
    (found,) = process_times(timed(Columns.of(records)), NO_BOUNDS).values()
    bounds = np.array([each.bound_flops_per_s for each in processes])
    return dataclasses.replace(found.take(np.arange(len(processes))), bound_flops_per_s=bounds)


A_PROCESS = ATimedProcess(a_timing(1.0, 1.0), Resources(cores=2, dtype="float32", framework="1.0"), 1e11)


class Trend(NamedTuple):
    """The trend of one process; see `Trends`."""

    last_to_first: float
    rises: float
    variance: float


def each_trend(processes: Sequence[Array], rounds: Sequence[int]) -> list[Trend | None]:
    """Return the trend of each process from the logarithms in its turns and its round; None if it has none."""
    found = trends(Lists.of(processes), np.array(rounds, int))
    each = map(Trend, found.last_to_first.tolist(), found.rises.tolist(), found.variance.tolist())
    return [trend if np.isfinite(trend.rises) else None for trend in each]


def trend(turns: Turns, beside: Sequence[Turns]) -> Trend | None:
    """Return the trend of a process, beyond that of the rows `beside` it in its round; None if it had too few turns."""
    processes = [log_turns(each.wall_s, each.passes) for each in (turns, *beside)]
    return each_trend(processes, [0] * len(processes))[0]


def together(found: Iterable[Trend | None]) -> Trends:
    """Return the trends of several processes."""
    return Trends(*np.array([each or Trend(np.nan, np.nan, np.nan) for each in found]).reshape(-1, 3).T)


def long_turns(turns: Turns, beside: Sequence[Turns]) -> list[int]:
    """Return the numbers of the turns with a pass that took far longer than usual, beside other rows of its round."""
    numbers: list[int] = each_long_turns([(turns, *beside)])[0].tolist()
    return numbers


def each_long_turns(rounds: Sequence[Sequence[Turns]]) -> Lists:
    """Return these numbers for each process of several rounds, which has a row of its own in its round."""
    found = [
        (number, a_record(row, number, timing={"turns": turns}))
        for number, processes in enumerate(rounds)
        for row, turns in zip((ROW, *BESIDE), processes, strict=False)
    ]
    return long_passes(Columns.of([record for _, record in found]), np.array([number for number, _ in found], int))
