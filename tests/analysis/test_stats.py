"""Intervals, tests and verdicts, number by number."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from bench.analysis.stats import (
    LEVEL,
    MIN_BLOCKS,
    POWER,
    Estimate,
    blocks_needed,
    detectable,
    estimate,
    estimate_apart,
    holm,
    interval,
    interval_apart,
    judge,
    p_different,
    p_equivalent,
    shared,
    widened,
)

RNG = np.random.default_rng(3)
VALUES = 0.1 + 0.02 * RNG.standard_normal(9)
OTHERS = 0.02 + 0.04 * RNG.standard_normal(14)


def an_estimate(mean: float, error: float, blocks: int = 10) -> Estimate:
    return Estimate(mean, error, blocks - 1, blocks)


# Estimates


def test_an_estimate_is_the_mean_and_its_standard_error() -> None:
    found = estimate(VALUES)
    assert found.mean == pytest.approx(np.mean(VALUES))
    assert found.error == pytest.approx(scipy_stats.sem(VALUES))
    assert (found.freedom, found.blocks) == (8, 9)
    assert found.ratio == pytest.approx(math.exp(np.mean(VALUES)))


@pytest.mark.parametrize("values", [[], [0.3]])
def test_the_error_of_fewer_than_two_is_infinite(values: list[float]) -> None:
    assert estimate(values).error == math.inf
    assert p_different(estimate(values)) == 1.0
    assert p_equivalent(estimate(values), 0.05) == 1.0


def test_samples_apart_are_compared_as_welch_does() -> None:
    found = estimate_apart(list(VALUES), list(OTHERS))
    theirs = scipy_stats.ttest_ind(VALUES, OTHERS, equal_var=False)
    assert found.mean / found.error == pytest.approx(theirs.statistic)
    assert found.freedom == pytest.approx(theirs.df)
    assert p_different(found) == pytest.approx(theirs.pvalue)


def test_only_blocks_that_both_have_are_compared() -> None:
    assert shared({0: 1.0, 1: 2.0, 3: 5.0}, {3: 1.0, 2: 9.0, 0: 0.5}) == [0.5, 4.0]


# Intervals


@pytest.mark.parametrize("count", range(MIN_BLOCKS))
def test_there_is_no_interval_of_too_few_blocks(count: int) -> None:
    assert interval([0.1] * count) is None
    assert interval_apart([0.1, 0.2] * 10, [0.1] * count) is None


def test_an_interval_holds_its_ratio_and_is_about_as_wide_as_students() -> None:
    between = interval(VALUES)
    assert between is not None
    half = scipy_stats.t.ppf(1 - LEVEL / 2, 8) * scipy_stats.sem(VALUES)
    assert between.low < math.exp(np.mean(VALUES)) < between.high
    assert math.log(between.high / between.low) == pytest.approx(2 * half, rel=0.15)


def test_the_same_samples_give_the_same_interval() -> None:
    assert interval(VALUES) == interval(VALUES.copy())


def test_times_that_are_all_the_same_give_an_interval_of_no_width() -> None:
    between = interval([math.log(1.5)] * MIN_BLOCKS)
    assert between is not None
    assert (between.low, between.high) == pytest.approx((1.5, 1.5))


def test_an_interval_of_samples_apart_holds_their_ratio() -> None:
    between = interval_apart(list(VALUES), list(OTHERS))
    assert between is not None
    assert between.low < math.exp(np.mean(VALUES) - np.mean(OTHERS)) < between.high
    assert between.low > 1


def test_few_blocks_are_read_at_wider_percentiles() -> None:
    assert widened(6) > widened(10) > widened(100) > 1 - LEVEL
    assert widened(10**6) == pytest.approx(1 - LEVEL, abs=1e-5)


# Tests


def test_a_difference_is_tested_as_student_does() -> None:
    assert p_different(estimate(VALUES)) == pytest.approx(scipy_stats.ttest_1samp(VALUES, 0).pvalue)


@pytest.mark.parametrize("sign", [1, -1])
def test_equivalence_is_two_tests_of_which_the_harder_counts(sign: int) -> None:
    values = sign * (VALUES - 0.08)
    room = math.log(1.05)
    one_sided = [
        scipy_stats.ttest_1samp(values, -room, alternative="greater").pvalue,
        scipy_stats.ttest_1samp(values, room, alternative="less").pvalue,
    ]
    assert p_equivalent(estimate(values), 0.05) == pytest.approx(max(one_sided))


def test_a_clock_without_any_spread_is_believed() -> None:
    assert p_different(an_estimate(0.01, 0.0)) == 0.0
    assert p_different(an_estimate(0.0, 0.0)) == 1.0
    assert p_equivalent(an_estimate(0.01, 0.0), 0.05) == 0.0
    assert p_equivalent(an_estimate(0.06, 0.0), 0.05) == 1.0


def test_holm_multiplies_by_what_is_left_and_never_falls() -> None:
    corrected = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert corrected == pytest.approx({"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({"a": 0.9, "b": 0.8}) == {"b": 1.0, "a": 1.0}
    assert holm({}) == {}


# What would have been seen


def test_what_is_detectable_is_found_with_the_power_that_is_claimed() -> None:
    rng, error, blocks = np.random.default_rng(5), 0.03, 12
    size = math.log1p(detectable(error / math.sqrt(blocks), blocks - 1, 1))
    draws = size + error * rng.standard_normal((4000, blocks))
    found = scipy_stats.ttest_1samp(draws, 0, axis=1).pvalue < LEVEL
    assert found.mean() == pytest.approx(POWER, abs=0.02)


def test_more_comparisons_see_less_and_more_blocks_see_more() -> None:
    assert detectable(0.01, 9, 28) > detectable(0.01, 9, 1) > detectable(0.01, 30, 1)
    assert detectable(math.inf, 9, 1) == math.inf
    assert detectable(0.01, 0, 1) == math.inf


def test_four_times_the_blocks_see_half_the_difference() -> None:
    found = an_estimate(0.0, 0.02, blocks=10)
    judged = judge({"pair": found}, 0.05)["pair"]
    half = math.expm1(math.log1p(judged.detectable) / 2)
    assert blocks_needed(found, judged, half) == pytest.approx(40)


def test_a_difference_that_seems_large_takes_fewer_blocks_to_see_than_a_small_one() -> None:
    small, large = an_estimate(0.01, 0.05), an_estimate(0.3, 0.05)
    needed = [blocks_needed(each, judge({"pair": each}, 0.05)["pair"], 0.05) for each in (small, large)]
    assert needed == pytest.approx([203, 10], rel=0.02)
    middling = an_estimate(0.12, 0.05)
    assert 10 < blocks_needed(middling, judge({"pair": middling}, 0.05)["pair"], 0.05) < 50


# Verdicts


@pytest.mark.parametrize(
    ("mean", "error", "outcome"),
    [
        (0.20, 0.01, "slower"),
        (-0.20, 0.01, "faster"),
        (0.01, 0.005, "equivalent"),
        (0.03, 0.001, "equivalent"),  # surely there, and surely too small to matter
        (0.04, 0.03, "inconclusive"),
        (0.0, 0.05, "inconclusive"),  # not the same: it could not have been seen
    ],
)
def test_there_are_three_verdicts(mean: float, error: float, outcome: str) -> None:
    assert judge({"pair": an_estimate(mean, error)}, 0.05)["pair"].verdict == outcome


def test_below_the_least_number_of_blocks_there_is_none() -> None:
    judged = judge({"pair": an_estimate(0.5, 0.001, blocks=MIN_BLOCKS - 1)}, 0.05)["pair"]
    assert (judged.verdict, judged.detectable) == ("too few blocks", math.inf)


def test_a_comparison_among_many_needs_more() -> None:
    close = an_estimate(0.06, 0.02)
    assert judge({"pair": close}, 0.05)["pair"].verdict == "slower"
    among = judge({"pair": close, **{number: an_estimate(0.0, 0.05) for number in range(20)}}, 0.05)
    assert among["pair"].verdict == "inconclusive"


def test_comparisons_that_are_beyond_doubt_cost_the_others_nothing() -> None:
    close = an_estimate(0.06, 0.02)
    alone = judge({"pair": close}, 0.05)["pair"]
    beside = judge({"pair": close, **{number: an_estimate(2.0, 0.01) for number in range(20)}}, 0.05)["pair"]
    assert beside == alone
