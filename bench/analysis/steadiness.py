"""Whether the passes of a process take as long in all its turns: its trend, and passes that are far longer. Pure.

A machine can be slow for seconds, and delay single passes. Both also happen to the other rows of the round, which take
turns with the process: what they went through is not the fault of the row.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backends.contract import Array
from bench.analysis.turns import SLOW, log_turns, quantiles
from bench.records.schema import Turns

TREND_TURNS = 5  # fewer tell no trend
SPIKE = 3.0  # times the usual pass
SPIKE_S = 5e-3  # no compiler is faster
DELAYED = 3.0  # times the delays of the other rows
ALIKE = 0.75  # of the processes: number that must show the same
SAME_TURN = 0.875  # of the processes, where only a single turn is slow: chance finds one of many turns more easily
FEWEST_SAME = 3  # processes, for the same reason


@dataclass(frozen=True)
class Trend:
    """How the times of a process changed over its turns."""

    last_to_first: float  # logarithm of the last passes / the first ones
    rises: int  # Kendall's S: pairs of turns of which the later one was slower, less those where it was faster
    variance: float  # of that number, if the order of the turns means nothing


def trend(turns: Turns, beside: Sequence[Turns]) -> Trend | None:
    """Return the trend of a process, beyond that of the rows `beside` it in its round; None if it had too few turns.

    Turns in which the machine was slow for the others are left out: rows can respond to that differently.
    """
    if len(turns.passes_s) < TREND_TURNS:
        return None
    own = log_turns(turns.wall_s, turns.passes)
    machine = _machine(len(own), beside)
    quick = np.isfinite(own) & (machine <= quantiles(machine[None], 0.25)[0] + SLOW)
    own, machine = own[quick], machine[quick]
    count = len(own)
    if count < TREND_TURNS:
        return None
    changes = _change(own), _change(own - machine)
    same_way = changes[0] * changes[1] > 0  # otherwise it is the others that changed
    rises = int(np.triu(np.sign(np.subtract.outer(machine - own, machine - own)), 1).sum())
    return Trend(min(changes, key=abs) if same_way else 0.0, rises, count * (count - 1) * (2 * count + 5) / 18)


def _machine(count: int, beside: Sequence[Turns]) -> Array:
    """Return the logarithm of how slow the machine was in each turn [turns], by the median of the other rows."""
    others = [log_turns(turns.wall_s, turns.passes) for turns in beside if len(turns.passes) == count]
    if not others:
        return np.zeros(count)
    times = np.array(others)
    found = quantiles((times - quantiles(times, 0.5)[:, None]).T, 0.5)
    return np.where(np.isfinite(found), found, 0.0)


def _change(times: Array) -> float:
    few = max(2, len(times) // 3)
    return float(np.median(times[-few:]) - np.median(times[:few]))


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
    return float(np.median(others_s)) if others_s else 0.0


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
