"""Whether the passes of a process take as long in all its turns: its trend, and passes that are far longer. Pure.

A machine can be slow for seconds, and delay single passes. Both also happen to the other rows of the round, which take
turns with the process: what they went through is not the fault of the row.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from backends.contract import Array
from bench.analysis.turns import SLOW, quantiles
from bench.records.schema import Turns

TREND_TURNS = 5  # fewer tell no trend
SPIKE = 3.0  # times the usual pass
SPIKE_S = 5e-3  # no compiler is faster
DELAYED = 3.0  # times the delays of the other rows
ALIKE = 0.75  # of the processes: number that must show the same
SAME_TURN = 0.875  # of the processes, where only a single turn is slow: chance finds one of many turns more easily
FEWEST_SAME = 3  # processes, for the same reason
NO_TURNS = np.array([], dtype=int)


@dataclass(frozen=True)
class Trend:
    """How the times of a process changed over its turns."""

    last_to_first: float  # logarithm of the last passes / the first ones
    rises: int  # Kendall's S: pairs of turns of which the later one was slower, less those where it was faster
    variance: float  # of that number, if the order of the turns means nothing


def trends(rounds: Sequence[Sequence[Array]]) -> list[list[Trend | None]]:
    """Return the trend of every process of several rounds, from the logarithms of seconds a pass in its turns [turns].

    It is what is beyond the trend of the others in its round. Turns in which the machine was slow for those are left
    out: rows can respond to that differently. None for a process of fewer than `TREND_TURNS` turns.
    """
    found: list[list[Trend | None]] = [[None] * len(processes) for processes in rounds]
    for places, times in _alike(rounds):  # [rounds, processes, turns]
        own = times.reshape(-1, times.shape[-1])
        for (number, process), each in zip(itertools.chain(*places), _trends(own, _machine(times)), strict=True):
            found[number][process] = each
    return found


def _alike(rounds: Sequence[Sequence[Array]]) -> Iterator[tuple[list[list[tuple[int, int]]], Array]]:
    """Yield rounds with as many processes of as many turns together: numbers of round and process, and their times."""
    kinds: dict[tuple[int, int], list[list[tuple[int, int]]]] = {}
    for number, processes in enumerate(rounds):
        by_turns: dict[int, list[tuple[int, int]]] = {}
        for process, times in enumerate(processes):
            by_turns.setdefault(len(times), []).append((number, process))
        for turns, places in by_turns.items():
            if turns >= TREND_TURNS:
                kinds.setdefault((len(places), turns), []).append(places)
    for (members, turns), found in kinds.items():
        times = np.concatenate([rounds[number][process] for number, process in itertools.chain(*found)])
        yield found, times.reshape(len(found), members, turns)


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


def _trends(own: Array, machine: Array) -> list[Trend | None]:
    """Return the trend of each process beside what the machine did, both [processes, turns]; None for too few turns."""
    took_part = np.isfinite(own)
    quick = took_part & (machine <= quantiles(machine, 0.25)[:, None] + SLOW)
    first = np.argsort(~quick, axis=1, kind="stable")  # moves the quick turns to the front, in their order
    own, machine = (np.take_along_axis(times, first, axis=1) for times in (own, machine))
    counts = np.where(took_part.sum(axis=1) < TREND_TURNS, 0, quick.sum(axis=1))
    found: list[Trend | None] = [None] * len(own)
    for count in np.unique(counts[counts >= TREND_TURNS]).tolist():
        places = np.flatnonzero(counts == count)
        changed, rises = _changes(own[places, :count], machine[places, :count])
        variance = count * (count - 1) * (2 * count + 5) / 18
        for place, change, rise in zip(places.tolist(), changed.tolist(), rises.tolist(), strict=True):
            found[place] = Trend(change, rise, variance)
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


def drift(trends: Sequence[Trend], least: float, errors: float) -> float:
    """Return the typical ratio of the last to the first passes if processes share a trend, else 1.

    Three quarters of them must have changed by more than the ratio `least`, and all of them together by more than
    `errors` standard errors in the seasonal Kendall test (Hirsch, Slack and Smith 1982, Techniques of trend analysis
    for monthly water quality data), here with a process for a season. One process alone cannot share anything.
    """
    if len(trends) < 2:
        return 1.0
    rises = sum(each.rises for each in trends)
    way = math.copysign(1.0, rises)
    changes = [each.last_to_first for each in trends]
    alike = sum(way * change > math.log(least) for change in changes)
    if alike < ALIKE * len(trends) or abs(rises) <= errors * math.sqrt(sum(each.variance for each in trends)):
        return 1.0
    return math.exp(float(np.median(changes)))


def long_passes(turns: Turns, beside: Sequence[Turns]) -> Array:
    """Return the numbers of the turns in which a pass took far longer than usual, and than delays of other rows."""
    usual_s = _usual_s(turns)
    if max(turns.longest_s, default=0.0) <= max(SPIKE * usual_s, usual_s + SPIKE_S):
        return NO_TURNS
    delays_s = [delay_s for other in beside for delay_s in _delays_s(other)]
    delay_s = float(np.quantile(delays_s, 0.75)) if delays_s else 0.0
    limit_s = max(SPIKE * usual_s, usual_s + max(SPIKE_S, DELAYED * delay_s))
    return np.flatnonzero(np.array(turns.longest_s) > limit_s)


def _delays_s(turns: Turns) -> list[float]:
    usual_s = _usual_s(turns)
    took_part = zip(turns.passes, turns.longest_s, strict=False)  # a process may not have measured the longest
    return [max(0.0, longest_s - usual_s) for passes, longest_s in took_part if passes]


def _usual_s(turns: Turns) -> float:
    """Return the median time of a pass; the longest of each turn does not count where there are others."""
    longest_s = turns.longest_s or (0.0,) * len(turns.passes)
    others_s = [
        (wall_s - most_s) / (passes - 1) if passes > 1 and turns.longest_s else wall_s / passes
        for passes, wall_s, most_s in zip(turns.passes, turns.wall_s, longest_s, strict=True)
        if passes
    ]
    return median(others_s) if others_s else 0.0


@dataclass(frozen=True)
class Repeated:
    """Long passes that most processes share."""

    turn: int | None  # the turn in which they lie, from 0; None: in most turns
    processes: int


def repeated(found: Sequence[tuple[int, Array]]) -> Repeated | None:
    """Return where processes share long passes, from the number of turns and the turns with a long pass of each."""
    often = sum(len(slow) > count / 2 for count, slow in found)
    if len(found) >= 2 and often >= ALIKE * len(found):
        return Repeated(None, often)
    times = Counter(int(number) for _, slow in found for number in slow)
    number, most = min(times.items(), key=lambda item: (-item[1], item[0]), default=(0, 0))
    return Repeated(number, most) if most >= max(FEWEST_SAME, SAME_TURN * len(found)) else None
