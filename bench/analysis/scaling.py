"""How cost grows with size: the overhead and the rate of each row of a sweep, and where the winner changes. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from scipy.optimize import nnls

from backends.contract import Array
from bench.analysis.stats import Interval
from bench.analysis.sweep import Axis, Curve, Panel, Point, by_curve
from bench.analysis.turns import timed
from bench.records.runfile import Run

FIT_POINTS = 3  # with different FLOPs: a line through two points always fits
MIN_FITS = 6  # five fits all lie on one side of the true median in 6 % of cases
Step = tuple[float, float]  # FLOPs and seconds

# Overhead and rate


@dataclass(frozen=True)
class Cost:
    """A fitted cost of a step: step_s = overhead_s + FLOPs / flops_per_s."""

    overhead_s: float
    flops_per_s: float  # infinite if the time does not grow with the FLOPs
    misfit: float  # largest difference between the fit and a measured time, as a share of that time
    overhead: Interval | None = None  # over rounds, s
    rate: Interval | None = None  # over rounds, FLOP/s

    def step_s(self, flops: Array) -> Array:
        """Return the fitted time of a step with this number of FLOPs, in seconds."""
        return self.overhead_s + flops / self.flops_per_s


def fit(flops: Array, step_s: Array) -> Cost | None:
    """Return the cost that fits these points [points] best; None for fewer than `FIT_POINTS` different FLOPs.

    Non-negative least squares (Lawson and Hanson 1974) on relative differences, so that a point of microseconds counts
    as much as one of seconds.
    """
    if len(set(flops)) < FIT_POINTS:
        return None
    scale = flops.max()
    (overhead_s, slope), _ = nnls(np.column_stack([1 / step_s, flops / scale / step_s]), np.ones(len(flops)))
    flops_per_s = scale / slope if slope > 0 else math.inf
    found = Cost(float(overhead_s), float(flops_per_s), misfit=0.0)
    return replace(found, misfit=float(np.max(np.abs(found.step_s(flops) / step_s - 1))))


def costs(run: Run, points: Iterable[Point]) -> dict[Curve, Cost]:
    """Return the fitted cost of each curve whose points are all ranked.

    The intervals are those of the median over fits to single rounds: each round has every point once.
    """
    rounds = _steps_by_round(run)
    found = {}
    for curve, each in by_curve(points).items():
        if not all(point.ranked for point in each):
            continue
        whole = _fit_of([(point.flops, point.step_s) for point in each])
        if whole is None:
            continue
        full = [steps for _, steps in sorted(rounds[curve].items()) if len(steps) == len(each)]
        fits = [cost for steps in full if (cost := _fit_of(steps))]
        found[curve] = replace(
            whole,
            overhead=median_interval([cost.overhead_s for cost in fits]),
            rate=median_interval([cost.flops_per_s for cost in fits]),
        )
    return found


def _steps_by_round(run: Run) -> dict[Curve, dict[int, list[Step]]]:
    """Return the FLOPs and seconds of a step of every successful process, by curve and round."""
    known = timed(run.last_records.columns)
    steps = known.columns["steps_per_pass"]
    flops, step_s = known.columns["flops_per_pass"] / steps, known.pass_s / steps
    told = list(zip(flops.tolist(), step_s.tolist(), strict=True))
    found: dict[Curve, dict[int, list[Step]]] = {}
    for place in np.flatnonzero(known.columns["ok"]).tolist():
        rounds = found.setdefault(Curve.of(known.columns.rows[known.columns["row"][place]]), {})
        rounds.setdefault(int(known.columns["block"][place]), []).append(told[place])
    return found


def median_interval(values: Sequence[float]) -> Interval | None:
    """Return an interval of the median whose ends are two of the values (exact for any distribution; Conover 1999)."""
    if len(values) < MIN_FITS:
        return None
    found = stats.quantile_test(values, p=0.5).confidence_interval(0.95)
    return Interval(float(found.low), float(found.high))


def _fit_of(steps: Sequence[Step]) -> Cost | None:
    flops, step_s = np.array(steps, float).T
    return fit(flops, step_s)


# What more threads gain


@dataclass(frozen=True)
class SpeedUp:
    """How much faster a row is with the most threads of a sweep than with the fewest."""

    ratio: float  # time with the fewest / time with the most
    interval: Interval | None
    threads: float  # the most / the fewest: what the ratio would be if every thread did its share

    @property
    def efficiency(self) -> float:
        """The share of that which is reached."""
        return self.ratio / self.threads


def speed_up(points: Sequence[Point]) -> SpeedUp | None:
    """Return the speed-up of a row whose points differ in the number of threads; None for a row that is not ranked.

    The points are timed in different rounds, so the interval takes the worst and the best of both of theirs.
    """
    if not all(point.ranked for point in points) or not all(point.task.threads for point in points):
        return None
    few, many = (chosen(points, key=lambda point: point.task.threads or 0) for chosen in (min, max))
    between = None
    if few.step_interval and many.step_interval:
        low = few.step_interval.low / many.step_interval.high
        between = Interval(low, few.step_interval.high / many.step_interval.low)
    return SpeedUp(few.step_s / many.step_s, between, (many.task.threads or 1) / (few.task.threads or 1))


# Where the winner changes


@dataclass(frozen=True)
class Crossing:
    """Another row becomes the fastest between two neighbouring points."""

    before: str  # backend and mode
    after: str
    low: float  # positions of the two points on the axis
    high: float
    at: float | None  # position in between, by linear interpolation of the logarithms; None between categories
    sure: bool  # whether the difference of the two rows is significant at both points


def crossings(panel: Panel) -> list[Crossing]:
    """Return where the fastest row changes along the axis of a panel, on each device and in each precision."""
    found = []
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in panel.points:
        if point.ranked:
            groups.setdefault((point.curve.device, point.curve.precision), []).append(point)
    for ranked in groups.values():
        winners: dict[float, Curve] = {}
        for point in ranked:
            if point.fastest:
                winners.setdefault(panel.size(point), point.curve)
        curves = {curve: {panel.size(p): p for p in points} for curve, points in by_curve(ranked).items()}
        for low, high in itertools.pairwise(sorted(winners)):
            before, after = winners[low], winners[high]
            if before != after and (crossing := _crossing(panel.axis, low, high, before, after, curves)):
                found.append(crossing)
    return found


def _crossing(
    axis: Axis, low: float, high: float, before: Curve, after: Curve, curves: Mapping[Curve, Mapping[float, Point]]
) -> Crossing | None:
    """Return the crossing from the winner at `low` to the winner at `high`; None if one of them lacks a point."""
    a, b = curves[before], curves[after]
    if high not in a or low not in b:
        return None
    ahead, behind = (math.log(a[x].step_s / b[x].step_s) for x in (low, high))  # below 0, then above
    at = None
    if axis.of_numbers and ahead < 0 < behind:
        at = math.exp(math.log(low) + math.log(high / low) * -ahead / (behind - ahead))
    return Crossing(before.name, after.name, low, high, at, sure=_slower(b[low]) and _slower(a[high]))


def _slower(point: Point) -> bool:
    versus = point.summary.to_fastest
    return versus is not None and versus.verdict == "slower"
