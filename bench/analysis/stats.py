"""Intervals, verdicts and detectable differences, from samples in blocks. Pure.

A sample is one process: the logarithm of its median steady pass. Two rows are compared by the mean, over the blocks
that both have, of the difference of their logarithms: the logarithm of a ratio. A drift of the machine changes both
rows of a block alike and cancels.

Interval: a bootstrap over blocks. Its percentiles are widened by as much as Student's distribution is wider than the
normal one (Hesterberg 2015, "What Teachers Should Know About the Bootstrap", The American Statistician 69). With a
handful of blocks, plain percentiles, and BCa ones too, cover about 90 % instead of 95 %.

Verdicts: Student's t-test on the same differences, and two one-sided t-tests for equivalence (Schuirmann 1987), both
corrected for multiple comparisons by Holm's method (1979).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from scipy import stats

from backends.contract import Array

# Below this number there is no interval: five blocks all lie on one side of the true mean in 6 % of cases, and no
# bootstrap mean leaves their range.
MIN_BLOCKS = 6
# Intervals and tests use a nominal level of 3 % so that the actual level is 5 %: with few blocks the bootstrap is a
# little too narrow, and a run that ends when its intervals are narrow often ends when they are too narrow by chance.
# In simulated runs, intervals at a nominal 95 % contain the true ratio in 90 to 94 % of cases; these do in 93 to 97 %
# (tests/analysis/test_simulation.py).
LEVEL = 0.03
POWER = 0.95  # of the test, for a difference to be called detectable
RESAMPLES = 9_999

Verdict = Literal["faster", "slower", "equivalent", "inconclusive", "too few blocks"]
K = TypeVar("K")


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """A mean of logarithms, its standard error, and the number of blocks."""

    mean: float
    error: float  # standard error
    freedom: float  # degrees of freedom of that error
    blocks: int

    @property
    def ratio(self) -> float:
        """The mean as a ratio."""
        return math.exp(self.mean)


@dataclass(frozen=True)
class Judgement:
    """The verdict on a comparison."""

    verdict: Verdict
    detectable: float  # smallest difference found with probability `POWER`: 0.05 for 5 %; infinite for too few blocks
    p_different: float  # corrected


def estimate(differences: Sequence[float] | Array) -> Estimate:
    """Return the mean of differences [blocks] and its standard error, which is infinite for fewer than two blocks."""
    values = np.asarray(differences)
    count = len(values)
    error = float(values.std(ddof=1)) / math.sqrt(count) if count > 1 else math.inf
    return Estimate(float(values.mean()) if count else math.nan, error, max(count - 1, 0), count)


def estimate_apart(row: Sequence[float], others: Sequence[float]) -> Estimate:
    """Return the difference of two means of samples that share no blocks (Welch 1947)."""
    a, b = estimate(row), estimate(others)
    variance = a.error**2 + b.error**2
    parts = sum(each.error**4 / each.freedom for each in (a, b) if each.freedom)
    freedom = variance**2 / parts if parts and math.isfinite(variance) else float(min(a.freedom, b.freedom))
    return Estimate(a.mean - b.mean, math.sqrt(variance), freedom, min(a.blocks, b.blocks))


def interval(differences: Sequence[float] | Array) -> Interval | None:
    """Return the interval of the ratio exp(mean of differences [blocks]), None for fewer than `MIN_BLOCKS`."""
    values = np.asarray(differences)
    if len(values) < MIN_BLOCKS:
        return None
    return _bootstrap((values,), _mean, widened(len(values)))


def median_interval(values: Sequence[float]) -> Interval | None:
    """Return an interval of the median whose ends are two of the values (exact for any distribution; Conover 1999)."""
    if len(values) < MIN_BLOCKS:
        return None
    found = stats.quantile_test(values, p=0.5).confidence_interval(0.95)
    return Interval(float(found.low), float(found.high))


def interval_apart(row: Sequence[float], others: Sequence[float]) -> Interval | None:
    """Return the interval of the ratio exp(mean of row - mean of others), whose blocks are resampled apart."""
    fewest = min(len(row), len(others))
    if fewest < MIN_BLOCKS:
        return None
    samples = np.asarray(row), np.asarray(others)
    return _bootstrap(samples, lambda a, b, axis=-1: a.mean(axis) - b.mean(axis), widened(fewest))


def widened(count: int) -> float:
    """Return the confidence level whose bootstrap percentiles are used for `count` samples."""
    quantile = math.sqrt(count / (count - 1)) * stats.t.ppf(1 - LEVEL / 2, count - 1)
    return float(1 - 2 * stats.norm.sf(quantile))


def _mean(values: Array, axis: int = -1) -> Array:
    mean: Array = values.mean(axis)
    return mean


def _bootstrap(samples: tuple[Array, ...], statistic: object, confidence: float) -> Interval:
    found = stats.bootstrap(
        samples,
        statistic,
        n_resamples=RESAMPLES,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(0),  # the same file gives the same table
    ).confidence_interval
    return Interval(math.exp(found.low), math.exp(found.high))


def p_different(found: Estimate) -> float:
    """Return the p-value of a difference: the probability of one at least as large if there is none."""
    if found.blocks < 2:
        return 1.0
    if found.error == 0:
        return 0.0 if found.mean else 1.0
    return float(2 * stats.t.sf(abs(found.mean) / found.error, found.freedom))


def p_equivalent(found: Estimate, effect: float) -> float:
    """Return the p-value of equivalence: a difference as small if the ratio is 1 + `effect` or 1 / (1 + `effect`)."""
    if found.blocks < 2:
        return 1.0
    room = math.log1p(effect) - abs(found.mean)
    if found.error == 0:
        return float(room < 0)
    return float(stats.t.sf(room / found.error, found.freedom))


def holm(p_values: Mapping[K, float]) -> dict[K, float]:
    """Return p-values corrected for multiple comparisons (Holm 1979)."""
    corrected: dict[K, float] = {}
    largest, remaining = 0.0, len(p_values)
    for key, p in sorted(p_values.items(), key=lambda item: item[1]):
        largest = max(largest, min(1.0, p * remaining))
        corrected[key] = largest
        remaining -= 1
    return corrected


def detectable(error: float, freedom: float, comparisons: int) -> float:
    """Return the smallest difference that is found with probability `POWER` among `comparisons` comparisons."""
    if not math.isfinite(error) or freedom < 1:
        return math.inf
    quantiles = stats.t.ppf(1 - LEVEL / (2 * max(1, comparisons)), freedom) + stats.t.ppf(POWER, freedom)
    return math.expm1(min(700.0, float(quantiles) * error))


def judge(found: Mapping[K, Estimate], effect: float) -> dict[K, Judgement]:
    """Return the verdict on each comparison; p-values are corrected for all of them as one family.

    A significant difference of any size is called faster or slower, unless it is also significantly smaller than
    `effect`: then the verdict is equivalent.
    """
    enough = {key: each for key, each in found.items() if each.blocks >= MIN_BLOCKS}
    different = holm({key: p_different(each) for key, each in enough.items()})
    equivalent = holm({key: p_equivalent(each, effect) for key, each in enough.items()})
    undecided = sum(p > LEVEL for p in different.values())
    judged = {key: Judgement("too few blocks", math.inf, 1.0) for key in found}
    for key, each in enough.items():
        seen = detectable(each.error, each.freedom, undecided)
        judged[key] = Judgement(_verdict(each, different[key], equivalent[key]), seen, different[key])
    return judged


def _verdict(found: Estimate, different: float, equivalent: float) -> Verdict:
    if equivalent <= LEVEL:
        return "equivalent"
    if different <= LEVEL:
        return "slower" if found.mean > 0 else "faster"
    return "inconclusive"


def blocks_needed(found: Estimate, judged: Judgement, effect: float) -> float:
    """Return about how many blocks, with the same scatter as those so far, would detect the estimated difference.

    If that is below `effect`: how many would detect a difference of `effect`, or show equivalence.
    """
    if not math.isfinite(judged.detectable):
        return float(MIN_BLOCKS)
    wanted = max(math.log1p(effect), abs(found.mean))
    return max(float(found.blocks), found.blocks * (math.log1p(judged.detectable) / wanted) ** 2)


def shared(row: Mapping[int, float], others: Mapping[int, float]) -> list[float]:
    """Return row - others for the blocks that both have, in their order."""
    return [row[block] - others[block] for block in sorted(row.keys() & others.keys())]
