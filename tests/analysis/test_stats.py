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
    Interval,
    Judgement,
    blocks_needed,
    detectable,
    estimate,
    estimate_apart,
    holm,
    interval,
    interval_apart,
    judge,
    median_interval,
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


# Detectable differences


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


# By hand: quantiles of Student's distribution from a table, and the rest on paper


def test_an_estimate_by_hand() -> None:
    found = estimate([1.0, 2.0, 3.0, 4.0])
    assert (found.mean, found.freedom, found.blocks) == (2.5, 3, 4)
    assert found.error == pytest.approx(math.sqrt(5 / 3) / 2)
    assert estimate([0.3]) == Estimate(0.3, math.inf, 0, 1)
    none = estimate([])
    assert math.isnan(none.mean)
    assert (none.error, none.freedom, none.blocks) == (math.inf, 0, 0)
    assert estimate([1.0, 3.0]) == Estimate(2.0, 1.0, 1, 2)


def test_samples_apart_by_hand() -> None:
    found = estimate_apart([1.0, 2.0, 3.0], [2.0, 4.0, 6.0, 8.0])  # variances of the means: 1/3 and 5/3
    assert (found.mean, found.blocks) == (-3.0, 3)
    assert found.error == pytest.approx(math.sqrt(2))
    assert found.freedom == pytest.approx(4 / (1 / 18 + 25 / 27))
    assert estimate_apart([2.0, 4.0, 6.0, 8.0], [1.0, 2.0, 3.0]).mean == 3.0


@pytest.mark.parametrize(
    ("mine", "others", "expected"),
    [
        ([1.0, 1.0, 1.0], [2.0, 2.0], Estimate(-1.0, 0.0, 1.0, 2)),  # no spread: the freedom of the smaller sample
        ([1.0], [2.0, 3.0, 4.0], Estimate(-2.0, math.inf, 0.0, 1)),
        ([2.0, 3.0, 4.0], [1.0], Estimate(2.0, math.inf, 0.0, 1)),
    ],
)
def test_samples_apart_of_which_one_has_no_spread_or_no_error(
    mine: list[float], others: list[float], expected: Estimate
) -> None:
    assert estimate_apart(mine, others) == expected


def test_samples_apart_of_which_one_never_varies_have_the_freedom_of_the_other() -> None:
    assert estimate_apart([1.0, 3.0, 5.0], [2.0] * 9).freedom == pytest.approx(2.0)


@pytest.mark.parametrize(("count", "low", "high"), [(6, 1, 6), (8, 1, 8), (9, 2, 8), (12, 3, 10)])
def test_the_interval_of_a_median_is_between_two_values(count: int, low: int, high: int) -> None:
    # By the binomial distribution: of nine values, the second to the eighth hold it with 1 - 2 (1 + 9) / 512.
    values = [float(value) for value in range(count, 0, -1)]
    assert median_interval(values) == Interval(low, high)


@pytest.mark.parametrize("count", range(MIN_BLOCKS))
def test_a_median_of_too_few_blocks_has_no_interval(count: int) -> None:
    assert median_interval([1.0] * count) is None


def test_intervals_begin_at_six_blocks() -> None:
    assert MIN_BLOCKS == 6
    assert interval([0.1, 0.2] * 3) is not None
    assert interval([0.1, 0.2, 0.1, 0.2, 0.1]) is None
    assert interval_apart([0.1, 0.2] * 3, [0.1, 0.2] * 8) is not None
    assert interval_apart([0.1, 0.2] * 8, [0.1, 0.2] * 3) is not None
    assert interval_apart([0.1, 0.2] * 8, [0.1] * 5) is None
    assert interval_apart([0.1] * 5, [0.1, 0.2] * 8) is None


@pytest.mark.parametrize(("count", "quantile"), [(6, 3.002875), (9, 2.633814), (10, 2.573804)])
def test_percentiles_are_as_wide_as_student_s_distribution_is(count: int, quantile: float) -> None:
    wide = math.sqrt(count / (count - 1)) * quantile  # a bootstrap's deviation has n where Student's has n - 1
    assert widened(count) == pytest.approx(math.erf(wide / math.sqrt(2)), abs=1e-6)


SKEWED = np.array([0.0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.2])
LEVELS = (1 - widened(7)) / 2, (1 + widened(7)) / 2


def resampled_means(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return values[rng.integers(0, len(values), (100_000, len(values)))].mean(axis=1)


def test_an_interval_is_between_percentiles_of_resampled_means() -> None:
    low, high = np.quantile(resampled_means(SKEWED, np.random.default_rng(1)), LEVELS)
    between = interval(SKEWED)
    assert between is not None
    assert (math.log(between.low), math.log(between.high)) == pytest.approx((low, high), abs=0.003)


@pytest.mark.parametrize("turned", [False, True])
def test_samples_apart_are_resampled_apart_at_percentiles_of_the_smaller_one(turned: bool) -> None:
    rng = np.random.default_rng(2)
    other = np.linspace(-0.05, 0.05, 20)
    means = [resampled_means(values, rng) for values in (SKEWED, other)]
    sign = -1 if turned else 1
    low, high = np.quantile(sign * (means[0] - means[1]), LEVELS)
    between = interval_apart(*[list(SKEWED), list(other)][::sign])
    assert between is not None
    assert (math.log(between.low), math.log(between.high)) == pytest.approx((low, high), abs=0.005)


def test_a_sample_without_spread_beside_one_with_it_leaves_an_interval_of_some_width() -> None:
    between, same = interval_apart([0.5] * 6, [0.1, 0.2] * 3), interval_apart([0.5] * 6, [0.25] * 8)
    assert between is not None
    # One mean in 64 of six blocks is of nothing but 0.1, or but 0.2: more than lie outside the percentiles.
    assert (between.low, between.high) == pytest.approx((math.exp(0.3), math.exp(0.4)))
    assert same is not None
    assert (same.low, same.high) == pytest.approx((math.exp(0.25),) * 2)


def test_p_values_from_a_table() -> None:
    assert p_different(Estimate(0.2, 0.1, 10, 11)) == pytest.approx(0.0733880, rel=1e-5)
    assert p_different(Estimate(-0.2, 0.1, 10, 11)) == pytest.approx(0.0733880, rel=1e-5)
    assert p_different(Estimate(0.2, 0.1, 1, 2)) == pytest.approx(2 * (0.5 - math.atan(2) / math.pi))
    assert p_different(Estimate(0.2, 0.0, 0, 1)) == 1.0
    room = math.log1p(0.05) - 0.02
    assert p_equivalent(Estimate(-0.02, room / 2, 1, 2), 0.05) == pytest.approx(0.5 - math.atan(2) / math.pi)
    assert p_equivalent(Estimate(0.02, 0.0, 0, 1), 0.05) == 1.0


def test_a_difference_of_just_the_size_that_counts_is_equivalent_where_nothing_varies() -> None:
    assert p_equivalent(an_estimate(math.log1p(0.05), 0.0), 0.05) == 0.0


def test_holm_by_hand_in_any_order() -> None:
    assert holm({"a": 0.5}) == {"a": 0.5}
    assert holm({"a": 0.3, "b": 0.001, "c": 0.02}) == pytest.approx({"b": 0.003, "c": 0.04, "a": 0.3})
    assert holm({"a": 0.02, "b": 0.02}) == pytest.approx({"a": 0.04, "b": 0.04})
    assert list(holm({"a": 0.3, "b": 0.001})) == ["b", "a"]


@pytest.mark.parametrize(
    ("error", "freedom", "comparisons", "expected"),
    [
        (0.01, 9, 1, math.expm1(0.01 * (2.573804 + 1.833113))),
        (0.01, 9, 0, math.expm1(0.01 * (2.573804 + 1.833113))),  # a last comparison is still one
        (0.01, 9, 4, math.expm1(0.01 * (3.430695 + 1.833113))),  # LEVEL / 8 in each tail
        (0.01, 1, 1, math.expm1(0.01 * (21.204949 + 6.313752))),
        (0.0, 9, 1, 0.0),
        (1000.0, 1, 1, math.expm1(700.0)),  # as much as a float holds, not an overflow
    ],
)
def test_what_is_detectable_by_quantiles_from_a_table(
    error: float, freedom: float, comparisons: int, expected: float
) -> None:
    assert detectable(error, freedom, comparisons) == pytest.approx(expected, rel=1e-5)


def test_nothing_is_detectable_without_an_error_or_without_freedom() -> None:
    assert detectable(math.inf, 1, 1) == math.inf
    assert detectable(math.nan, 9, 1) == math.inf
    assert detectable(0.01, 0.5, 1) == math.inf


def test_a_judgement_holds_the_corrected_p_and_what_is_detectable_among_the_undecided() -> None:
    sure, open_ = Estimate(1.0, 0.01, 9, 10), Estimate(0.2, 0.1, 10, 11)
    few = Estimate(0.5, 0.001, 4, 5)
    judged = judge({"sure": sure, "open": open_, "other": open_, "few": few}, 0.05)
    assert judged["open"] == Judgement("inconclusive", detectable(0.1, 10, 2), pytest.approx(2 * 0.0733880, rel=1e-5))
    assert judged["sure"].detectable == detectable(0.01, 9, 2)
    assert judged["few"] == Judgement("too few blocks", math.inf, 1.0)
    assert list(judged) == ["sure", "open", "other", "few"]


def test_a_comparison_whose_p_is_just_the_level_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"a": an_estimate(0.05, 0.01), "b": an_estimate(0.0, 0.01), "c": an_estimate(0.001, 0.01)}
    monkeypatch.setattr("bench.analysis.stats.LEVEL", judge(found, 0.01)["a"].p_different)
    assert judge(found, 0.01)["b"].detectable == detectable(0.01, 9, 2)


def test_six_blocks_are_judged() -> None:
    assert judge({"pair": Estimate(0.5, 0.001, 5, 6)}, 0.05)["pair"].verdict == "slower"


@pytest.mark.parametrize(
    ("mean", "different", "equivalent", "verdict"),
    [
        (0.1, 0.03, 1.0, "slower"),
        (-0.1, 0.03, 1.0, "faster"),
        (0.1, 0.0301, 1.0, "inconclusive"),
        (0.1, 1.0, 0.03, "equivalent"),
        (0.1, 0.0, 0.03, "equivalent"),  # surely there, and surely small
        (0.1, 1.0, 0.0301, "inconclusive"),
    ],
)
def test_verdicts_at_their_limits(
    mean: float, different: float, equivalent: float, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.analysis.stats.p_different", lambda found: different)
    monkeypatch.setattr("bench.analysis.stats.p_equivalent", lambda found, effect: equivalent)
    assert judge({"pair": an_estimate(mean, 0.01)}, 0.05)["pair"].verdict == verdict


TWENTY_ONE = Judgement("inconclusive", 0.21, 0.5)  # log 1.21 is twice log 1.1


@pytest.mark.parametrize(
    ("mean", "effect", "needed"),
    [
        (0.0, 0.1, 40.0),
        (-math.log(1.21) / 3, 0.01, 90.0),  # a third of what is detectable: nine times the blocks
        (math.log(1.21) / 3, 0.01, 90.0),
        (0.0, 0.21, 10.0),
        (2 * math.log(1.21), 0.1, 10.0),  # never fewer than there are
    ],
)
def test_blocks_needed_by_hand(mean: float, effect: float, needed: float) -> None:
    assert blocks_needed(Estimate(mean, 0.1, 9, 10), TWENTY_ONE, effect) == pytest.approx(needed)


def test_too_few_blocks_need_as_many_as_intervals_do() -> None:
    few = Estimate(0.1, 0.1, 2, 3)
    assert blocks_needed(few, Judgement("too few blocks", math.inf, 1.0), 0.05) == 6.0


def test_shared_blocks_come_in_their_order() -> None:
    assert shared({3: 5.0, 0: 1.0, 1: 2.0}, {1: 0.5, 3: 1.0, 7: 1.0}) == [1.5, 4.0]
    assert shared({0: 1.0}, {1: 1.0}) == []
