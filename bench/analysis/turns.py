"""Times of rows by turn: what a round says of one row, and of two rows that took turns side by side. Pure.

Two rows are compared turn by turn, because turns that lie side by side meet the same machine: what it does to both
cancels in the ratio. The ratio of a round is the mean over the middle half of its turns, which single disturbed turns
cannot move.

Turns in which the machine was plainly in a slower state are left out of that mean: rows of many threads can take twice
as long in such a state while a row of one thread goes on as before, so the ratio there is another number, and a round
that lies mostly within such a state would report it. Slow turns are found by the mean logarithm of both rows,
which favours neither. On a machine without such states this leaves out nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Self

import numpy as np

from backends.contract import Array
from bench.records.columns import Columns
from bench.records.lists import Lists
from bench.records.schema import Record, Row, Timing

SLOW = math.log(1.15)  # a slow turn takes this much longer than the quicker quarter of the turns of its round
OTHERWISE = math.log(1.1)  # rows respond differently if their ratio in slow turns is off by more than this
BY_CHANCE = 0.01  # rows respond differently if chance puts the slow turns on one side less often than this
SHORTEST_S = 1e-9  # shorter times count as this much, the resolution of the clock


@dataclass(frozen=True)
class Timed:
    """Processes that were timed, and what the turns of each say of it alone."""

    columns: Columns  # of these processes
    wall: Lists  # logarithm of seconds a pass, by turn; NaN for turns in which the process took no part
    cpu: Lists  # the same of CPU seconds; empty for a process that had no turns
    pass_s: Array  # typical seconds a pass; one disturbed pass or turn cannot move it

    def take(self, places: Array) -> Timed:
        """Return the processes at these places, in their order."""
        return Timed(self.columns.take(places), self.wall.take(places), self.cpu.take(places), self.pass_s[places])


def timed(records: Columns) -> Timed:
    """Return the processes that were timed.

    A process without turns, from an old run file, counts as a single turn: its median steady pass. The typical pass is
    that of the turns or, if it took part in none, the median steady pass.
    """
    known = records.take(np.flatnonzero(records["timed"]))
    passes = known.lists("turns.passes")
    wall = _with_single_turns(known, log_lists(known.lists("turns.wall_s"), passes))
    typical = each_level(wall)
    lost = np.flatnonzero(~np.isfinite(typical))
    pass_s = exponentials(typical)
    pass_s[lost] = _median_steady_s(known, lost)
    return Timed(known, wall, log_lists(known.lists("turns.cpu_s"), passes), pass_s)


def _with_single_turns(known: Columns, turns: Lists) -> Lists:
    """Return the logarithms of turns, with the median steady pass as the only turn of a process that had none."""
    without = ~known["turns"]
    if not without.any():
        return turns
    counts = np.where(without, 1, turns.counts)
    found = Lists(np.empty(int(counts.sum())), counts)
    single = without[found.owners]
    found.values[~single] = turns.values
    found.values[single] = [*map(log_time, _median_steady_s(known, np.flatnonzero(without)))]
    return found


def _median_steady_s(known: Columns, places: Array) -> list[float]:
    passes_s = known.lists("passes_s").take(places)
    return [median(passes_s[place][1:].tolist()) for place in range(len(places))]


def typical_pass_s(timing: Timing) -> float:
    """Return the typical seconds a pass of one process, as `timed` does."""
    turns = timing.turns
    found = level(log_turns(turns.wall_s, turns.passes)) if turns else log_time(median(timing.steady_s))
    return math.exp(found) if math.isfinite(found) else median(timing.steady_s)


def log_times(records: Iterable[Record]) -> dict[Row, Grid]:
    """Return the logarithm of seconds a pass in each turn of every successful process, by row."""
    return wall_times(timed(Columns.of(records)))


def wall_times(processes: Timed) -> dict[Row, Grid]:
    """Return the logarithm of seconds a pass in each turn of every successful process, by row."""
    return _by_row(processes.columns, processes.wall)


def cpu_times(processes: Timed) -> dict[Row, Grid]:
    """Return the logarithm of CPU seconds a pass, by row. Processes without turns are left out."""
    return _by_row(processes.columns, processes.cpu)


def _by_row(columns: Columns, times: Lists) -> dict[Row, Grid]:
    took_part = np.bincount(times.owners[np.isfinite(times.values)], minlength=len(times)) > 0
    known = np.flatnonzero(columns["ok"] & took_part)
    columns, times = columns.take(known), times.take(known)
    return {row: Grid.of(columns["block"][places], times.take(places)) for row, places in columns.by_row().items()}


def log_time(time_s: float) -> float:
    """Return the logarithm of a time in seconds; shorter times count as one nanosecond, the resolution of the clock."""
    return math.log(max(time_s, SHORTEST_S))


def log_turns(times_s: Sequence[float], passes: Sequence[int]) -> Array:
    """Return the logarithm of seconds a pass [turns] from those of all passes; NaN for turns without any."""
    return log_lists(Lists.of([times_s]), Lists.of([passes], int)).values


def log_lists(times_s: Lists, passes: Lists) -> Lists:
    """Return the logarithm of seconds a pass from the times and numbers of passes; NaN where there was none."""
    found = np.full(len(times_s.values), np.nan)
    some = passes.values > 0
    found[some] = logarithms(np.maximum(times_s.values[some] / passes.values[some], SHORTEST_S))
    return times_s.with_values(found)


def logarithms(numbers: Array) -> Array:
    """Return logarithms. Those of NumPy depend on the processor, in their last digit."""
    return np.fromiter(map(math.log, numbers.tolist()), float, len(numbers))


def exponentials(numbers: Array) -> Array:
    """Return exponentials, for the same reason as `logarithms`."""
    return np.fromiter(map(math.exp, numbers.tolist()), float, len(numbers))


def level(times: Array) -> float:
    """Return the typical logarithm of one row in one round: the middle of its turns that were not slow."""
    return float(each_level(Lists.of([times]))[0])


def each_level(several: Lists) -> Array:
    """Return the typical logarithm of each process [processes], from those of its turns."""
    return several.each(lambda times: middles(_quick(times, times)))


@dataclass(frozen=True)
class Grid:
    """The times of a row in all its rounds, as one array."""

    numbers: Array  # of the rounds, rising [rounds]
    turns: Array  # how many each round has [rounds]
    times: Array  # logarithms of seconds a pass, filled up with NaN [rounds, turns]

    @classmethod
    def of(cls, numbers: Array, rounds: Lists) -> Self:
        """Collect it from the numbers of rounds and the logarithms in each of their turns."""
        order = np.argsort(numbers, kind="stable")
        rounds = rounds.take(order)
        times = np.full((len(rounds), rounds.counts.max(initial=0)), np.nan)
        times[np.arange(times.shape[1]) < rounds.counts[:, None]] = rounds.values
        return cls(numbers[order], rounds.counts, times)

    @classmethod
    def of_rounds(cls, rounds: Mapping[int, Array]) -> Self:
        """Collect it from the logarithms in the turns of each round, by its number."""
        return cls.of(np.fromiter(rounds, int, len(rounds)), Lists.of(rounds.values()))

    def __len__(self) -> int:
        """Return the number of rounds."""
        return len(self.numbers)

    @property
    def rounds(self) -> Lists:
        """The logarithms in the turns of each round."""
        return Lists(self.times[np.arange(self.times.shape[1]) < self.turns[:, None]], self.turns)

    @cached_property
    def levels(self) -> Array:
        """The typical logarithm in each round [rounds]."""
        return each_level(self.rounds)


Times = Mapping[Row, Grid]
NO_ROUNDS = Grid.of_rounds({})


def differences(row: Grid, other: Grid) -> Array:
    """Return the logarithm of row / other in each round that both have [rounds], in their order."""
    both = _side_by_side(row, other)
    if both is None:
        return np.array([])
    found = middles(_quick(both[0] - both[1], both.mean(axis=0)))
    return found[np.isfinite(found)]


def _side_by_side(row: Grid, other: Grid) -> Array | None:
    """Return the times of two rows in their common rounds [2, rounds, turns], filled up with NaN; None without any.

    A turn counts where both rows took part: in the first round a slow row leaves after a few.
    """
    _, at, at_other = np.intersect1d(row.numbers, other.numbers, assume_unique=True, return_indices=True)
    if not len(at):
        return None
    turns = np.minimum(row.turns[at], other.turns[at_other])
    most = turns.max()
    both = np.stack([row.times[at, :most], other.times[at_other, :most]])
    both[:, np.arange(most) >= turns[:, None]] = np.nan
    return both


def _quick(values: Array, machine: Array) -> Array:
    """Return values [rounds, turns] with NaN for the turns in which the machine was slow, by logarithms of times."""
    return np.where(machine <= _bounds(machine)[:, None], values, np.nan)


def _bounds(machine: Array) -> Array:
    """Return for each round the largest logarithm of a turn that was not slow."""
    return quantiles(machine, 0.25) + SLOW


def middles(values: Array) -> Array:
    """Return the interquartile mean of each line of values [lines, numbers], without NaN; NaN without any number.

    That is the mean of the middle half. Single disturbed turns cannot move it, as they cannot move the median; but a
    clock with coarse steps, which gives the median only a few values to take, does it no harm.
    """
    ordered = np.sort(values, axis=-1)  # NaN last
    count = np.isfinite(values).sum(axis=-1)[:, None]
    cut = np.maximum(np.minimum(-(-count // 4), (count - 1) // 2), 0)
    place = np.arange(values.shape[-1])
    middle = (place >= cut) & (place < count - cut)
    with np.errstate(invalid="ignore"):  # 0 / 0 for a line without any number
        found: Array = np.where(middle, ordered, 0.0).sum(axis=-1) / middle.sum(axis=-1)
    return found


def medians(values: Array) -> Array:
    """Return the median of each line of values [lines, numbers], which has no NaN."""
    ordered, count = np.sort(values, axis=-1), values.shape[-1]
    found: Array = (ordered[:, (count - 1) // 2] + ordered[:, count // 2]) / 2
    return found


def middle(values: Array) -> float:
    """Return the median of values, of which there is one at least; it does not depend on their order."""
    low, high = np.sort(values)[[(len(values) - 1) // 2, len(values) // 2]].tolist()
    return float(median((low, high)))


def quantiles(values: Array, share: float) -> Array:
    """Return a quantile of each line of values [lines, numbers], without NaN; NaN for a line that has no number."""
    ordered = np.sort(values, axis=-1)  # NaN last
    last = np.maximum(np.isfinite(values).sum(axis=-1) - 1, 0)
    place = share * last
    below = np.floor(place).astype(int)
    above = np.minimum(below + 1, last)
    lines = np.arange(len(values))
    low, high = ordered[lines, below], ordered[lines, above]
    found: Array = low + (place - below) * (high - low)
    return found


@dataclass(frozen=True)
class Response:
    """What two rows did in the slow turns of their rounds."""

    slow: int  # number of slow turns
    turns: int  # that both have
    factor: float  # ratio of the rows in slow turns / ratio in the others

    @property
    def share(self) -> float:
        """Share of slow turns."""
        return self.slow / self.turns


def response(row: Grid, other: Grid) -> Response | None:
    """Return how the ratio of two rows changes in slow turns; None if it does not change, or nothing can be said.

    It changes if three quarters of the slow turns lie on the same side of the ratio of their round, by 10 % or more,
    and a sign test says that this is not by chance. So at least eight slow turns are needed.
    """
    both = _side_by_side(row, other)
    if both is None:
        return None
    ratios, machine = both[0] - both[1], both.mean(axis=0)
    is_slow = machine > _bounds(machine)[:, None]
    off = (ratios - middles(_quick(ratios, machine))[:, None])[is_slow]
    if _by_chance(off) > BY_CHANCE:
        return None
    low, middle, high = (float(quantiles(off[None], share)[0]) for share in (0.25, 0.5, 0.75))
    if low < OTHERWISE and high > -OTHERWISE:
        return None
    return Response(len(off), int(np.isfinite(machine).sum()), math.exp(middle))


def _by_chance(off: Array) -> float:
    """Return the p-value of a sign test: how often chance alone puts so many of these numbers on one side of 0."""
    from scipy.special import bdtr  # which takes a while to import, and standings need none of it

    fewer = min(int((off > 0).sum()), int((off <= 0).sum()))
    return min(1.0, 2 * float(bdtr(fewer, len(off), 0.5))) if len(off) else 1.0
