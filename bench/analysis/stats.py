"""Robust means over rounds, their intervals, verdicts and detectable differences. Pure.

A sample is one round: a difference of two rows' logarithms of time, the logarithm of a ratio, from one process of each.
Over rounds they are averaged by a 20 % trimmed mean with its winsorised variance (Yuen 1974, "The two-sample trimmed t
for unequal population variances", Biometrika 61), and compared with Student's distribution. Fewer than six rounds have
nothing to spare, and get the plain mean.

A few rounds say little about their own scatter. So the variance of each comparison is moderated by the variance of all
comparisons of the task (Smyth 2004, "Linear models and empirical Bayes methods", Statistical Applications in Genetics
and Molecular Biology 3), which counts as three more degrees of freedom at most: rows do differ in their scatter.

All of this was chosen on machines that are made up: tests/analysis/test_simulation.py, results/simulation.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np
from scipy import special

from backends.contract import Array

MIN_ROUNDS = 2  # one round shows no scatter
# What a comparison of one round assumes of processes: the standard deviation by which those of one row differ. It is
# large on purpose, as on a busy machine; on a quiet one they differ by about 1 %. So one round can tell rows apart that
# are far apart, and no others.
ASSUMED_SD = 0.10
KNOWN = 1e6  # degrees of freedom of a variance that is assumed and not estimated
TRIMMED = 5  # one in so many rounds is trimmed at either end
FIRST_TRIMMED = 6  # rounds, from which on they are trimmed
PRIOR_FREEDOM = 3.0  # what the scatter of the other rows counts, at most
# A run that ends by itself often ends when its scatter is small by chance. So intervals and tests aim at 3 % to be
# wrong in 5 %; see the simulations.
LEVEL = 0.03
POWER = 0.95  # of the test, for a difference to be called detectable
MOST_ROUNDS = 9999

Verdict = Literal["faster", "slower", "equivalent", "inconclusive", "too few rounds"]
K = TypeVar("K")


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """A robust mean of logarithms."""

    mean: float
    variance: float  # of one round, robust; infinite if unknown
    weight: float  # number of rounds that the mean counts: those that are not trimmed
    freedom: float  # degrees of freedom of the variance
    rounds: int

    @property
    def error(self) -> float:
        """The standard error of the mean; infinite for a single round."""
        return math.sqrt(self.variance / self.weight) if self.weight else math.inf

    @property
    def ratio(self) -> float:
        """The mean as a ratio."""
        return math.exp(self.mean)

    @property
    def turned(self) -> Estimate:
        """The estimate of the opposite difference."""
        return replace(self, mean=-self.mean)


@dataclass(frozen=True)
class Pool:
    """The variance of a round over all comparisons of a task, and its degrees of freedom."""

    variance: float
    freedom: float


@dataclass(frozen=True)
class Judgement:
    """The verdict on a comparison."""

    verdict: Verdict
    detectable: float  # smallest difference found with probability `POWER`: 0.05 for 5 %; infinite for one round
    p_different: float  # corrected
    tests: int  # that the comparison is corrected for if it is not decided


def trimmed(rounds: int) -> int:
    """Return how many rounds are trimmed at either end."""
    return rounds // TRIMMED if rounds >= FIRST_TRIMMED else 0


def estimate(differences: Sequence[float] | Array) -> Estimate:
    """Return the robust mean of differences [rounds], whose variance is infinite for fewer than two rounds."""
    values = np.sort(np.asarray(differences, dtype=float))
    count = len(values)
    if not count:
        return Estimate(math.nan, math.inf, 0, 0, 0)
    cut = trimmed(count)
    weight = count - 2 * cut
    mean = float(values[cut : count - cut].mean())
    if count < MIN_ROUNDS:
        return Estimate(mean, math.inf, weight, 0, count)
    winsorised = np.clip(values, values[cut], values[count - cut - 1])
    squares = float(((winsorised - winsorised.mean()) ** 2).sum())
    return Estimate(mean, squares / (weight - 1), weight, weight - 1, count)


def estimate_apart(row: Sequence[float] | Array, others: Sequence[float] | Array) -> Estimate:
    """Return the difference of two robust means of samples that share no rounds (Welch 1947, Yuen 1974)."""
    a, b = estimate(row), estimate(others)
    fewest = min(a.rounds, b.rounds)
    if fewest < MIN_ROUNDS:
        return Estimate(a.mean - b.mean, math.inf, min(a.weight, b.weight), 0, fewest)
    parts = [(each.error**2, each.freedom) for each in (a, b)]
    squared = sum(part for part, _ in parts)
    spread = sum(part**2 / freedom for part, freedom in parts)
    freedom = squared**2 / spread if spread else min(a.freedom, b.freedom)
    weight = min(a.weight, b.weight)
    return Estimate(a.mean - b.mean, squared * weight, weight, freedom, fewest)


def pool(comparisons: Iterable[Estimate], rounds: Iterable[int]) -> Pool:
    """Return the pooled variance of all pairs of rows that have so many rounds each.

    Pairs with a common row are not independent: all pairs of R rows in n rounds have (R - 1)(n - 1) degrees of freedom,
    those of a two-way layout, and not as many as they are.
    """
    known = [each for each in comparisons if each.freedom]
    freedom = [count - 2 * trimmed(count) - 1 for count in rounds if count >= MIN_ROUNDS]
    total = sum(each.freedom for each in known)
    if not total:
        return Pool(0.0, 0.0)
    variance = sum(each.variance * each.freedom for each in known) / total
    return Pool(variance, sum(freedom) - max(freedom))


def moderated(found: Estimate, others: Pool) -> Estimate:
    """Return the estimate with its variance drawn towards the pooled one.

    The pool contains the comparison itself, so it adds no more degrees of freedom than it has beyond those.
    """
    added = min(PRIOR_FREEDOM, max(0.0, others.freedom - found.freedom))
    if not found.freedom or not added:
        return found
    freedom = found.freedom + added
    return replace(
        found, variance=(found.freedom * found.variance + added * others.variance) / freedom, freedom=freedom
    )


def assumed(found: Estimate) -> Estimate:
    """Return the estimate of a difference; if it is that of one round, with the variance of `ASSUMED_SD`."""
    if found.rounds != 1:
        return found
    return replace(found, variance=2 * ASSUMED_SD**2, freedom=KNOWN)


def interval(found: Estimate) -> Interval | None:
    """Return the interval of the ratio exp(mean), None if its error is unknown."""
    if not math.isfinite(found.error):
        return None
    reach = _quantile(1 - LEVEL / 2, found.freedom) * found.error
    return Interval(_exp(found.mean - reach), _exp(found.mean + reach))


def _exp(logarithm: float) -> float:
    return math.exp(max(-700.0, min(700.0, logarithm)))


def _quantile(share: float, freedom: float) -> float:
    """Return a quantile of Student's distribution."""
    return float(special.stdtrit(freedom, share))


def _tail(ratio: float, freedom: float) -> float:
    """Return the probability that a variable of Student's distribution is larger than so many standard errors."""
    return float(special.stdtr(freedom, -ratio))


def p_different(found: Estimate) -> float:
    """Return the p-value of a difference: the probability of one at least as large if there is none."""
    if not math.isfinite(found.error):
        return 1.0
    if found.error == 0:
        return 0.0 if found.mean else 1.0
    return 2 * _tail(abs(found.mean) / found.error, found.freedom)


def p_above(found: Estimate, limit: float) -> float:
    """Return the p-value of a mean above a limit: the probability of one as large if it is at the limit."""
    if not math.isfinite(found.error):
        return 1.0
    if found.error == 0:
        return float(found.mean <= limit)
    return _tail((found.mean - limit) / found.error, found.freedom)


def p_equivalent(found: Estimate, effect: float) -> float:
    """Return the p-value of equivalence: a difference as small if the ratio is 1 + `effect` or 1 / (1 + `effect`)."""
    return max(p_above(each, -math.log1p(effect)) for each in (found, found.turned))


Tests = Callable[[int], int]  # how many tests so many comparisons stand for


def with_one_row(comparisons: int) -> int:
    """Return the number of tests in comparisons with a row that was chosen in advance: as many (Holm 1979)."""
    return comparisons


def with_the_best(comparisons: int) -> int:
    """Return the number of tests in comparisons with a row that was chosen by the same times: all pairs of the rows.

    Which row is the fastest is not known in advance. Any of the rows that are left may turn out to be it, so each
    comparison is one of all pairs among them. Rows that have been told from the fastest are not left.
    """
    return comparisons * (comparisons + 1) // 2


def holm(p_values: Mapping[K, float], tests: Tests = with_one_row) -> dict[K, float]:
    """Return p-values corrected step by step for the comparisons that are left (Holm 1979)."""
    corrected: dict[K, float] = {}
    largest, remaining = 0.0, len(p_values)
    for key, p in sorted(p_values.items(), key=lambda item: item[1]):
        largest = max(largest, min(1.0, p * tests(remaining)))
        corrected[key] = largest
        remaining -= 1
    return corrected


def detectable(error: float, freedom: float, tests: int) -> float:
    """Return the smallest difference that is found with probability `POWER` as one of so many tests."""
    if not math.isfinite(error) or freedom < 1:
        return math.inf
    quantiles = _quantile(1 - LEVEL / (2 * max(1, tests)), freedom) + _quantile(POWER, freedom)
    return math.expm1(min(700.0, quantiles * error))


def judge(found: Mapping[K, Estimate], effect: float, tests: Tests = with_one_row) -> dict[K, Judgement]:
    """Return the verdict on each comparison; p-values are corrected for all of them as one family.

    A significant difference of any size is called faster or slower, unless it is also significantly smaller than
    `effect`: then the verdict is equivalent.
    """
    enough = {key: each for key, each in found.items() if math.isfinite(each.error)}
    different = holm({key: p_different(each) for key, each in enough.items()}, tests)
    equivalent = holm({key: p_equivalent(each, effect) for key, each in enough.items()})
    left = max(1, tests(sum(p > LEVEL for p in different.values())))
    judged = {key: Judgement("too few rounds", math.inf, 1.0, left) for key in found}
    for key, each in enough.items():
        seen = detectable(each.error, each.freedom, left)
        judged[key] = Judgement(_verdict(each, different[key], equivalent[key]), seen, different[key], left)
    return judged


def _verdict(found: Estimate, different: float, equivalent: float) -> Verdict:
    if equivalent <= LEVEL:
        return "equivalent"
    if different <= LEVEL:
        return "slower" if found.mean > 0 else "faster"
    return "inconclusive"


def rounds_needed(found: Estimate, tests: int, effect: float) -> int:
    """Return about how many rounds in all, with the same scatter as those so far, would tell the two rows apart.

    If the difference is below `effect`: how many would detect a difference of `effect`, or show equivalence. The
    quantiles are those that so many rounds have, for one of so many `tests`. `MOST_ROUNDS` if even those are too few.
    """
    if not math.isfinite(found.error):
        return MIN_ROUNDS + 1
    wanted = math.expm1(max(math.log1p(effect), abs(found.mean)))
    added = found.freedom - max(0.0, found.weight - 1)  # by the other rows of the task
    low, high = MIN_ROUNDS, MOST_ROUNDS
    while low < high:  # trimming makes it not quite monotonic: a difference of one round
        rounds = (low + high) // 2
        weight = rounds - 2 * trimmed(rounds)
        enough = detectable(math.sqrt(found.variance / weight), weight - 1 + added, tests) <= wanted
        low, high = (low, rounds) if enough else (rounds + 1, high)
    return low
