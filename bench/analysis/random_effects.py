"""How a ratio differs from machine to machine: its mean over machines, and where that of a new machine will be. Pure.

The model is that of random effects: the logarithm of the ratio on machine i is normal with mean mu and variance tau^2,
and a run estimates it with a standard error s_i of its own. With weights w_i = 1 / (s_i^2 + tau^2), the statistic
Q(tau^2), the weighted sum of squares around the weighted mean, has a chi-squared distribution with k - 1 degrees of
freedom. tau^2 is estimated where Q equals k - 1 (Paule and Mandel 1982, "Consensus values and weighting factors").

With few machines tau is hardly known, and intervals that take the estimate as if it were tau contain the truth in
85 to 90 % where they should in 95 %. So each quantile of the chi-squared distribution gives the tau^2 at which Q has
that value, which together are the confidence distribution of tau^2 (Viechtbauer 2007, "Confidence intervals for the
amount of heterogeneity in meta-analysis"). The intervals are quantiles of the normal distributions of the mean, and of
a new machine, averaged over it (Iyer, Wang and Mathew 2004, "Models and confidence intervals for true values in
interlaboratory trials"; Nagashima, Noma and Furukawa 2019, "Prediction intervals for random-effects meta-analysis: a
confidence distribution approach", who also show how the usual interval fails). Where machines differ by much more than
runs can be wrong, this gives Student's intervals of the plain mean. Errors are estimates too: the variance of the
weighted mean is enlarged for that (Meier 1953, "Variance of a weighted mean").

How often these intervals contain the truth: tests/analysis/machines_simulation.py, results/machines.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from backends.contract import Array
from bench.analysis.stats import Interval

FEWEST_MACHINES = 3  # of which a mean and its intervals are told; two say nothing about how machines differ
LEVEL = 0.05
LEAST_ERROR = 1e-6  # smaller standard errors of a logarithm count as this much: no clock is as good
NODES = 64  # quantiles of the chi-squared distribution that stand for all of it
GRADED = 3  # they are denser near 0, where tau is large, which decides how far the intervals reach
STEPS, NEAR = 100, 1e-10  # of the search for tau^2
HALVINGS = 50  # of the search for a quantile


@dataclass(frozen=True)
class RandomEffects:
    """The ratio of two rows over machines. All intervals are of 95 %."""

    machines: int
    ratio: float  # exponential of the mean logarithm
    interval: Interval  # of that ratio
    prediction: Interval  # of the ratio on a new machine
    spread: float  # standard deviation of the logarithm between machines
    spread_interval: Interval  # of that; from 0 where the errors of the runs explain all differences


def random_effects(log_ratios: Array, errors: Array, freedom: Array) -> RandomEffects:
    """Return what ratios on machines come to, from logarithms, their standard errors and degrees of freedom [machines].

    Raises ValueError for fewer than `FEWEST_MACHINES`.
    """
    count = len(log_ratios)
    if count < FEWEST_MACHINES:
        raise ValueError(f"{count} machines, and {FEWEST_MACHINES} are needed")
    variances = np.maximum(errors, LEAST_ERROR) ** 2
    centre = float(log_ratios.mean())  # numbers near 0 lose no digits
    fit = _Fit(log_ratios - centre, variances, freedom)
    shares = ((np.arange(NODES) + 0.5) / NODES) ** GRADED
    parts = (np.arange(NODES) + 0.5) ** (GRADED - 1)
    ends = [LEVEL / 2, 1 - LEVEL / 2]
    wanted = special.chdtri(count - 1, np.array([*(1 - shares), *ends]))
    *drawn, low, high, best = fit.spreads(np.array([*wanted, count - 1.0])).tolist()
    means, of_means = fit.means(np.array(drawn))
    return RandomEffects(
        machines=count,
        ratio=math.exp(centre + float(fit.means(np.array([best]))[0][0])),
        interval=_interval(centre, means, of_means, parts),
        prediction=_interval(centre, means, of_means + np.array(drawn), parts),
        spread=math.sqrt(best),
        spread_interval=Interval(math.sqrt(low), math.sqrt(high)),
    )


@dataclass(frozen=True)
class _Fit:
    values: Array  # [machines]
    variances: Array  # squared standard errors [machines]
    freedom: Array  # degrees of freedom of these [machines]

    def spreads(self, wanted: Array) -> Array:
        """Return the tau^2 [n] at which Q has the wanted values [n]; 0 where Q is smaller even without any."""
        found = np.zeros(len(wanted))
        for _ in range(STEPS):
            q, slope = self._q(found)
            # Newton's method on 1 / Q, which is a straight line if all errors are equal
            found = np.maximum(0.0, found + q / slope * (q - wanted) / wanted)
            if np.all((np.abs(q - wanted) <= NEAR * wanted) | ((found == 0) & (q <= wanted))):
                break
        return found

    def _q(self, spread: Array) -> tuple[Array, Array]:
        """Return Q and how steeply it falls, at each tau^2 [n]."""
        weights = 1 / (self.variances + spread[:, None])
        away = self.values - (weights @ self.values / weights.sum(axis=1))[:, None]
        pulls = weights * away
        return (pulls * away).sum(axis=1), np.maximum((pulls**2).sum(axis=1), np.finfo(float).tiny)

    def means(self, spread: Array) -> tuple[Array, Array]:
        """Return the weighted mean and its variance, at each tau^2 [n]."""
        weights = 1 / (self.variances + spread[:, None])
        total = weights.sum(axis=1)
        shares = weights / total[:, None]
        known = (self.variances * weights) ** 2 / self.freedom
        estimated = 1 + 4 * (shares * (1 - shares) * known).sum(axis=1)
        return shares @ self.values, estimated / total


def _interval(centre: float, means: Array, variances: Array, parts: Array) -> Interval:
    """Return the interval of the ratio whose logarithm is a mixture of these normal distributions, by halving."""
    deviations = np.sqrt(variances)
    low, high = (np.full(2, end) for end in ((means - 10 * deviations).min(), (means + 10 * deviations).max()))
    shares = np.array([LEVEL / 2, 1 - LEVEL / 2]) * parts.sum()
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        below = special.ndtr((middle[:, None] - means) / deviations) @ parts < shares
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return Interval(*(_exp(centre + each) for each in ((low + high) / 2).tolist()))


def _exp(logarithm: float) -> float:
    return math.exp(max(-700.0, min(700.0, logarithm)))
