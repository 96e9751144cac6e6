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

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self

import numpy as np

from backends.contract import Array
from bench.records.schema import Record, Row, Timing

Times = Mapping[Row, Mapping[int, Array]]  # by row and round: logarithm of seconds a pass [turns], NaN: took no part

SLOW = math.log(1.15)  # a slow turn takes this much longer than the quicker quarter of the turns of its round
OTHERWISE = math.log(1.1)  # rows respond differently if their ratio in slow turns is off by more than this
NO_TURNS: tuple[tuple[float, ...], tuple[int, ...]] = (), ()
BY_CHANCE = 0.01  # rows respond differently if chance puts the slow turns on one side less often than this


@dataclass(frozen=True)
class Timed:
    """A process that was timed, and what its turns say of it alone."""

    record: Record
    timing: Timing
    wall: Array  # logarithm of seconds a pass [turns]; NaN for turns in which it took no part
    cpu: Array  # the same of CPU seconds; empty if it had no turns
    pass_s: float  # typical seconds a pass; one disturbed pass or turn cannot move it


def timed(records: Iterable[Record]) -> list[Timed]:
    """Return the processes that were timed.

    A process without turns, from an old run file, counts as a single turn: its median steady pass. The typical pass is
    that of the turns or, if it took part in none, the median steady pass.
    """
    known = [(record, record.timing) for record in records if record.timing is not None]
    turns = [timing.turns for _, timing in known]
    wall = all_log_turns([(each.wall_s, each.passes) if each else NO_TURNS for each in turns])
    cpu = all_log_turns([(each.cpu_s, each.passes) if each else NO_TURNS for each in turns])
    for place, (_, timing) in enumerate(known):
        if timing.turns is None:
            wall[place] = _of_steady_passes(timing)
    typical = each_level(wall).tolist()
    return [
        Timed(record, timing, of_wall, of_cpu, _pass_s(found, timing))
        for (record, timing), of_wall, of_cpu, found in zip(known, wall, cpu, typical, strict=True)
    ]


def typical_pass_s(timing: Timing) -> float:
    """Return the typical seconds a pass of one process, as `timed` does."""
    turns = timing.turns
    return _pass_s(level(log_turns(turns.wall_s, turns.passes) if turns else _of_steady_passes(timing)), timing)


def _of_steady_passes(timing: Timing) -> Array:
    return np.array([log_time(median(timing.steady_s))])


def _pass_s(typical: float, timing: Timing) -> float:
    return math.exp(typical) if math.isfinite(typical) else median(timing.steady_s)


def log_times(records: Iterable[Record]) -> dict[Row, dict[int, Array]]:
    """Return the logarithm of seconds a pass in each turn of every successful process, by row and round."""
    return wall_times(timed(records))


def wall_times(processes: Iterable[Timed]) -> dict[Row, dict[int, Array]]:
    """Return the logarithm of seconds a pass in each turn of every successful process, by row and round."""
    return _by_row((each.record, each.wall) for each in processes)


def cpu_times(processes: Iterable[Timed]) -> dict[Row, dict[int, Array]]:
    """Return the logarithm of CPU seconds a pass, by row, round and turn. Processes without turns are left out."""
    return _by_row((each.record, each.cpu) for each in processes)


def _by_row(processes: Iterable[tuple[Record, Array]]) -> dict[Row, dict[int, Array]]:
    found: dict[Row, dict[int, Array]] = {}
    for record, times in processes:
        if record.status == "ok" and np.isfinite(times).any():
            found.setdefault(record.job.row, {})[record.job.block] = times
    return found


def log_time(time_s: float) -> float:
    """Return the logarithm of a time in seconds; shorter times count as one nanosecond, the resolution of the clock."""
    return math.log(max(time_s, 1e-9))


def log_turns(times_s: Sequence[float], passes: Sequence[int]) -> Array:
    """Return the logarithm of seconds a pass [turns] from those of all passes; NaN for turns without any."""
    return all_log_turns([(times_s, passes)])[0]


def all_log_turns(processes: Sequence[tuple[Sequence[float], Sequence[int]]]) -> list[Array]:
    """Return for each process the logarithm of seconds a pass [turns], from the times and numbers of its passes."""
    pairs = itertools.chain.from_iterable(zip(times_s, counts, strict=True) for times_s, counts in processes)
    found = np.array([log_time(time_s / count) if count else math.nan for time_s, count in pairs])
    ends = itertools.accumulate((len(counts) for _, counts in processes), initial=0)
    return [found[begin:end] for begin, end in itertools.pairwise(ends)]


def level(times: Array) -> float:
    """Return the typical logarithm of one row in one round: the middle of its turns that were not slow."""
    return float(each_level([times])[0])


def levels(rounds: Mapping[int, Array]) -> Array:
    """Return the typical logarithm of a row in each of its rounds [rounds], in their order."""
    return each_level([rounds[number] for number in sorted(rounds)])


def each_level(several: Sequence[Array]) -> Array:
    """Return the typical logarithm of each process [processes], from those of its turns."""
    found = np.full(len(several), np.nan)
    for places, times in stacked(several):
        found[places] = middles(_quick(times, times))
    return found


def stacked(several: Sequence[Array]) -> Iterator[tuple[list[int], Array]]:
    """Yield arrays of the same length together: their places, and the stack [arrays, numbers]."""
    places: dict[int, list[int]] = {}
    for place, each in enumerate(several):
        places.setdefault(len(each), []).append(place)
    for size, same in places.items():
        if size:
            yield same, np.concatenate([several[place] for place in same]).reshape(len(same), size)


@dataclass(frozen=True)
class Grid:
    """The times of a row in all its rounds, as one array."""

    numbers: Array  # of the rounds, rising [rounds]
    turns: Array  # how many each round has [rounds]
    times: Array  # logarithms, filled up with NaN [rounds, turns]

    @classmethod
    def of(cls, rounds: Mapping[int, Array]) -> Self:
        """Collect it from the times by round."""
        numbers = sorted(rounds)
        turns = np.array([len(rounds[number]) for number in numbers], dtype=int)
        times = np.full((len(numbers), turns.max(initial=0)), np.nan)
        for places, same in stacked([rounds[number] for number in numbers]):
            times[places, : same.shape[1]] = same
        return cls(np.array(numbers, dtype=int), turns, times)

    @property
    def levels(self) -> Array:
        """The typical logarithm in each round [rounds]."""
        return each_level([times[:turns] for times, turns in zip(self.times, self.turns, strict=True)])


def differences(row: Mapping[int, Array], other: Mapping[int, Array]) -> Array:
    """Return the logarithm of row / other in each round that both have [rounds], in their order."""
    return apart(Grid.of(row), Grid.of(other))


def apart(row: Grid, other: Grid) -> Array:
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


def response(row: Mapping[int, Array], other: Mapping[int, Array]) -> Response | None:
    """Return how the ratio of two rows changes in slow turns; None if it does not change, or nothing can be said.

    It changes if three quarters of the slow turns lie on the same side of the ratio of their round, by 10 % or more,
    and a sign test says that this is not by chance. So at least eight slow turns are needed.
    """
    both = _side_by_side(Grid.of(row), Grid.of(other))
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
