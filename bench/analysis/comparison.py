"""Comparisons of the rows of a run, round by round. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from bench.analysis.stats import (
    Estimate,
    Interval,
    Judgement,
    assumed,
    estimate,
    estimate_apart,
    interval,
    judge,
    moderated,
    pool,
    rounds_needed,
    with_one_row,
    with_the_best,
)
from bench.analysis.turns import Grid, Times, differences
from bench.records.schema import Row


@dataclass(frozen=True)
class Comparison:
    """The estimated ratio of one row's time to another's, with interval and verdict."""

    ratio: float
    interval: Interval | None
    judged: Judgement
    rounds: int
    rounds_needed: int  # to detect the estimated difference, or the difference of the goal if that is larger


class Group:
    """Rows that train the same task in the same precision, and are compared with each other."""

    def __init__(self, times: Times, effect: float) -> None:
        """Estimate all pairs of these rows, each of which has a round. `effect` is the difference that matters."""
        self.times = times
        self.effect = effect
        alone = {(a, b): _estimated(times[a], times[b]) for a, b in itertools.combinations(times, 2)}
        shared = pool(alone.values(), [len(rounds) for rounds in times.values()])
        found = {pair: assumed(moderated(each, shared)) for pair, each in alone.items()}
        self.estimates = found | {(b, a): each.turned for (a, b), each in found.items()}
        self.fastest = min(times, key=self._farthest_behind)

    def _farthest_behind(self, row: Row) -> float:
        """Return the largest logarithm of row / other: below 0 for a row that is faster than every other.

        Three rows that share different rounds may each be faster than the next; then this picks one of them.
        """
        return max((self.estimates[row, other].mean for other in self.times if other != row), default=0.0)

    def against(self, row: Row) -> dict[Row, Estimate]:
        """Return the estimates of a row / each other one."""
        return {other: self.estimates[row, other] for other in self.times if other != row}

    def compared_with_fastest(self) -> dict[Row, Comparison]:
        """Return the comparison of every other row with the fastest, as one family of tests.

        The fastest is chosen by the same times, so the tests are corrected for all pairs of the rows that are left.
        """
        others = {row: self.estimates[row, self.fastest] for row in self.times if row != self.fastest}
        return self._compared(others, judge(others, self.effect, with_the_best))

    def compared_with(self, chosen: Row) -> dict[Row, Comparison]:
        """Return the comparison of every other row with a row that was chosen in advance, as one family of tests."""
        others = {row: self.estimates[row, chosen] for row in self.times if row != chosen}
        return self._compared(others, judge(others, self.effect, with_one_row))

    def _compared(self, found: Mapping[Row, Estimate], judged: Mapping[Row, Judgement]) -> dict[Row, Comparison]:
        needed = {row: rounds_needed(each, judged[row].tests, self.effect) for row, each in found.items()}
        return {
            row: Comparison(each.ratio, interval(each), judged[row], each.rounds, needed[row])
            for row, each in found.items()
        }


def _estimated(row: Grid, other: Grid) -> Estimate:
    """Return the mean logarithm of row / other, by rounds that both have or, without any, by the times of each."""
    found = estimate(differences(row, other))
    return found if found.rounds else estimate_apart(row.levels, other.levels)


def groups(times: Times, effect: float) -> list[Group]:
    """Return the rows of a run in groups that are compared: by task and precision, in the order of the rows."""
    found: dict[tuple[str, str], dict[Row, Grid]] = {}
    for row, rounds in times.items():
        found.setdefault((row.task, row.precision), {})[row] = rounds
    return [Group(each, effect) for each in found.values()]


def typical(rounds: Grid) -> Estimate:
    """Return the mean logarithm of seconds a pass of one row, by its own processes."""
    return estimate(rounds.levels)
