"""Whether the passes of a process take as long in all its turns: its trend, and passes that are far longer. Pure.

A machine can be slow for seconds, and delay single passes. Both also happen to the other rows of the round, which take
turns with the process: what they went through is not the fault of the row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backends.contract import Array
from bench.analysis.turns import SLOW, medians, quantiles
from bench.records.columns import UNKNOWN, Columns
from bench.records.lists import Lists, alike

TREND_TURNS = 5  # fewer tell no trend
SPIKE = 3.0  # times the usual pass
SPIKE_S = 5e-3  # no compiler is faster
DELAYED = 3.0  # times the delays of the other rows
ALIKE = 0.75  # of the processes: number that must show the same
SAME_TURN = 0.875  # of the processes, where only a single turn is slow: chance finds one of many turns more easily
FEWEST_SAME = 3  # processes, for the same reason


@dataclass(frozen=True)
class Trends:
    """How the times of processes changed over their turns [processes]; NaN for a process of too few turns."""

    last_to_first: Array  # logarithm of the last passes / the first ones
    rises: Array  # Kendall's S: pairs of turns of which the later one was slower, less those where it was faster
    variance: Array  # of that number, if the order of the turns means nothing

    def __len__(self) -> int:
        """Return the number of processes."""
        return len(self.rises)

    def take(self, places: Array) -> Trends:
        """Return the trends of the processes at these places, in their order."""
        return Trends(self.last_to_first[places], self.rises[places], self.variance[places])


def trends(times: Lists, rounds: Array) -> Trends:
    """Return the trend of every process, from the logarithms of seconds a pass in its turns, and the round it was in.

    It is what is beyond the trend of the others in its round. Turns in which the machine was slow for those are left
    out: rows can respond to that differently. A process of fewer than `TREND_TURNS` turns, or in round `UNKNOWN`, has
    none.
    """
    found = np.full((3, len(times)), np.nan)
    for places, stack in _alike(times, rounds):  # [rounds, processes, turns]
        own = stack.reshape(-1, stack.shape[-1])
        found[:, places] = _trends(own, _machine(stack))
    return Trends(*found)


def _alike(times: Lists, rounds: Array) -> Iterator[tuple[Array, Array]]:
    """Yield rounds with as many processes of as many turns together: the places of processes, and their times."""
    known = np.flatnonzero((times.counts >= TREND_TURNS) & (rounds != UNKNOWN))
    turns = times.counts[known]
    groups, _ = alike(rounds[known], turns)  # of the same round with as many turns
    members = np.bincount(groups)[groups]
    kinds, firsts = alike(members, turns)
    for kind, first in enumerate(firsts.tolist()):
        same = np.flatnonzero(kinds == kind)
        places = known[same[np.argsort(groups[same], kind="stable")]]
        stack = times.take(places).values
        yield places, stack.reshape(-1, int(members[first]), int(turns[first]))


def _machine(times: Array) -> Array:
    """Return the logarithm of how slow the machine was in each turn, for each process by the median of the others.

    Shapes: [rounds, processes, turns] of times, [rounds * processes, turns] of the result.
    """
    rounds, processes, turns = times.shape
    found = np.zeros_like(times)
    usual = quantiles(times.reshape(-1, turns), 0.5).reshape(rounds, processes, 1)
    of_turns = np.ascontiguousarray(np.moveaxis(times - usual, 1, -1)).reshape(-1, processes)
    for process in range(processes if processes > 1 else 0):
        others = quantiles(np.delete(of_turns, process, axis=1), 0.5)
        found[:, process] = np.where(np.isfinite(others), others, 0.0).reshape(rounds, turns)
    return found.reshape(-1, turns)


def _trends(own: Array, machine: Array) -> Array:
    """Return the trend of each process beside what the machine did, both [processes, turns].

    The result [3, processes] has what `Trends` consists of.
    """
    took_part = np.isfinite(own)
    quick = took_part & (machine <= quantiles(machine, 0.25)[:, None] + SLOW)
    first = np.argsort(~quick, axis=1, kind="stable")  # moves the quick turns to the front, in their order
    own, machine = (np.take_along_axis(times, first, axis=1) for times in (own, machine))
    counts = np.where(took_part.sum(axis=1) < TREND_TURNS, 0, quick.sum(axis=1))
    found = np.full((3, len(own)), np.nan)
    for count in np.unique(counts[counts >= TREND_TURNS]).tolist():
        places = np.flatnonzero(counts == count)
        found[:2, places] = _changes(own[places, :count], machine[places, :count])
        found[2, places] = count * (count - 1) * (2 * count + 5) / 18
    return found


def _changes(own: Array, machine: Array) -> tuple[Array, Array]:
    """Return the change of the passes [processes], and Kendall's S, for times [processes, turns]."""
    alone, beyond = _change(own), _change(own - machine)
    same_way = alone * beyond > 0  # otherwise it is the others that changed
    changed = np.where(same_way, np.where(np.abs(alone) <= np.abs(beyond), alone, beyond), 0.0)
    less = machine - own
    rises = np.zeros(len(own), dtype=int)
    for apart in range(1, own.shape[1]):
        rises += np.sign(less[:, :-apart] - less[:, apart:]).sum(axis=1).astype(int)
    return changed, rises


def _change(times: Array) -> Array:
    """Return the last times minus the first ones, by medians of [processes, turns]."""
    few = max(2, times.shape[1] // 3)
    found: Array = np.median(times[:, -few:], axis=1) - np.median(times[:, :few], axis=1)
    return found


def drift(found: Trends, least: float, errors: float) -> float:
    """Return the typical ratio of the last to the first passes if processes share a trend, else 1.

    Three quarters of them must have changed by more than the ratio `least`, and all of them together by more than
    `errors` standard errors in the seasonal Kendall test (Hirsch, Slack and Smith 1982, Techniques of trend analysis
    for monthly water quality data), here with a process for a season. One process alone cannot share anything.
    """
    known = found.take(np.flatnonzero(np.isfinite(found.rises)))
    if len(known) < 2:
        return 1.0
    rises = float(known.rises.sum())
    alike_ones = (math.copysign(1.0, rises) * known.last_to_first > math.log(least)).sum()
    if alike_ones < ALIKE * len(known) or abs(rises) <= errors * math.sqrt(known.variance.sum()):
        return 1.0
    return math.exp(float(np.median(known.last_to_first)))


def long_passes(columns: Columns, rounds: Array) -> Lists:
    """Return for each process the numbers of the turns in which a pass took far longer than usual.

    It must be far longer, too, than the delays of the other rows of its round; `rounds` has the round of each process.
    """
    longest_s, usual_s = columns.lists("turns.longest_s"), _usual_s(columns)
    limit_s = np.maximum(SPIKE * usual_s, usual_s + SPIKE_S)
    suspects = longest_s.each(lambda times: times.max(axis=1), empty=0.0) > limit_s
    delays_s = _delays_s(columns, usual_s)
    of_round, row = _members(rounds), columns["row"]
    for place in np.flatnonzero(suspects).tolist():
        beside = of_round[rounds[place]]
        others = beside[row[beside] != row[place]]
        delay_s = _upper_quartile(delays_s.take(others).values)
        limit_s[place] = max(SPIKE * usual_s[place], usual_s[place] + max(SPIKE_S, DELAYED * delay_s))
    return longest_s.with_values(longest_s.positions).keep(longest_s.values > limit_s[longest_s.owners])


def _members(rounds: Array) -> list[Array]:
    """Return the places of the processes of each round."""
    order = np.argsort(rounds, kind="stable")
    return np.split(order, np.cumsum(np.bincount(rounds))[:-1]) if len(rounds) else []


def _upper_quartile(values: Array) -> float:
    return float(np.quantile(values, 0.75)) if len(values) else 0.0


def _delays_s(columns: Columns, usual_s: Array) -> Lists:
    """Return by how much the longest pass of each turn was longer than usual; a process may not have measured it."""
    longest_s, passes = columns.lists("turns.longest_s"), columns.lists("turns.passes")
    took_part = passes.values[(longest_s.counts > 0)[passes.owners]] > 0
    return longest_s.with_values(np.maximum(0.0, longest_s.values - usual_s[longest_s.owners])).keep(took_part)


def _usual_s(columns: Columns) -> Array:
    """Return the median time of a pass; the longest of each turn does not count where there are others [processes]."""
    passes, wall_s, longest_s = (columns.lists(f"turns.{name}") for name in ("passes", "wall_s", "longest_s"))
    measured = (longest_s.counts > 0)[passes.owners]
    most_s = np.zeros(len(passes.values))
    most_s[measured] = longest_s.values
    others = np.where(measured & (passes.values > 1), passes.values - 1, passes.values)
    with np.errstate(divide="ignore", invalid="ignore"):  # turns without a pass, which are left out
        times_s = (wall_s.values - np.where(others < passes.values, most_s, 0.0)) / others
    return passes.with_values(times_s).keep(passes.values > 0).each(medians, empty=0.0)


@dataclass(frozen=True)
class Repeated:
    """Long passes that most processes share."""

    turn: int | None  # the turn in which they lie, from 0; None: in most turns
    processes: int


def repeated(turns: Array, slow: Lists) -> Repeated | None:
    """Return where processes share long passes, from how many turns each took part in, and the numbers of slow ones."""
    often = int((slow.counts > turns / 2).sum())
    if len(turns) >= 2 and often >= ALIKE * len(turns):
        return Repeated(None, often)
    times = np.bincount(slow.values)
    most = int(times.max(initial=0))
    return Repeated(int(times.argmax()), most) if most >= max(FEWEST_SAME, SAME_TURN * len(turns)) else None
