"""Comparisons of the rows of a run, block by block. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from bench.analysis.stats import Estimate, Interval, Judgement, blocks_needed, estimate, interval, judge, shared
from bench.records.schema import Record, Row

Times = Mapping[Row, Mapping[int, float]]  # by row and block: logarithm of the median steady pass in seconds


@dataclass(frozen=True)
class Comparison:
    """The estimated ratio of one row's time to another's, with interval and verdict."""

    ratio: float
    interval: Interval | None
    judged: Judgement
    blocks: int
    blocks_needed: float  # to detect the estimated difference, or the difference of the goal if that is larger


class Comparisons:
    """All pairs of rows that train the same task in the same precision, as one family of tests.

    P-values are corrected for all pairs, including those that no table shows. So it is valid to choose the fastest row
    after the times are known.
    """

    def __init__(self, times: Times, effect: float) -> None:
        self.times = times
        self.effect = effect
        self.groups: dict[tuple[str, str], list[Row]] = {}  # rows that are compared with each other
        for row in times:
            self.groups.setdefault((row.task, row.precision), []).append(row)
        pairs = [pair for rows in self.groups.values() for pair in itertools.combinations(rows, 2)]
        self.estimates = {pair: estimate(self._differences(pair)) for pair in pairs}
        self.judged = judge(self.estimates, effect)

    def _differences(self, pair: tuple[Row, Row]) -> list[float]:
        return shared(self.times[pair[0]], self.times[pair[1]])

    def rivals(self, row: Row) -> list[Row]:
        """Return all rows that a row is compared with, including itself; none for a row without times."""
        return self.groups.get((row.task, row.precision), [])

    def mean(self, row: Row, other: Row) -> float:
        """Return the mean logarithm of row / other over the blocks that both have; NaN if there are none."""
        if (row, other) in self.estimates:
            return self.estimates[row, other].mean
        return -self.estimates[other, row].mean

    def verdict(self, row: Row, other: Row) -> tuple[Estimate, Judgement]:
        """Return estimate and judgement of a pair, in the direction in which the pair is stored."""
        pair = (row, other) if (row, other) in self.estimates else (other, row)
        return self.estimates[pair], self.judged[pair]

    def compare(self, row: Row, other: Row) -> Comparison:
        """Return the ratio row / other with its interval and verdict."""
        found, judged = self.verdict(row, other)
        if (row, other) not in self.estimates:
            turned = {"faster": "slower", "slower": "faster"}
            outcome = turned.get(judged.verdict, judged.verdict)
            judged = Judgement(outcome, judged.detectable, judged.p_different)  # type: ignore[arg-type]
        between = interval(self._differences((row, other)))
        needed = blocks_needed(found, judged, self.effect)
        return Comparison(math.exp(self.mean(row, other)), between, judged, found.blocks, needed)

    def fastest(self, rows: Iterable[Row]) -> Row | None:
        """Return the row that takes less time than every other row in the blocks that both have; None without times."""
        contenders = [row for row in rows if self.times.get(row)]
        if not contenders:
            return None
        best = min(contenders, key=lambda row: fmean(self.times[row].values()))
        for _ in contenders:  # with different blocks, a < b < c < a is possible, so the search is bounded
            better = [row for row in contenders if row != best and self.mean(row, best) < 0]
            if not better:
                break
            best = min(better, key=lambda row: self.mean(row, best))
        return best


def log_times(records: Iterable[Record]) -> dict[Row, dict[int, float]]:
    """Return the logarithm of the median steady pass in seconds of every successful process, by row and block."""
    times: dict[Row, dict[int, float]] = {}
    for record in records:
        if record.status == "ok" and record.timing is not None:
            times.setdefault(record.job.row, {})[record.job.block] = log_time(record.timing.pass_s)
    return times


def log_time(time_s: float) -> float:
    """Return the logarithm of a time in seconds; shorter times count as one nanosecond, the resolution of the clock."""
    return math.log(max(time_s, 1e-9))
