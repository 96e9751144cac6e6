"""Intervals, tests and verdicts, number by number."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from bench.analysis.scaling import MIN_FITS, median_interval
from bench.analysis.stats import (
    LEVEL,
    MIN_ROUNDS,
    MOST_ROUNDS,
    POWER,
    PRIOR_FREEDOM,
    Estimate,
    Interval,
    Judgement,
    Pool,
    detectable,
    estimate,
    estimate_apart,
    holm,
    interval,
    judge,
    moderated,
    p_above,
    p_different,
    p_equivalent,
    pool,
    rounds_needed,
    trimmed,
    with_one_row,
    with_the_best,
)

RNG = np.random.default_rng(3)
VALUES = 0.1 + 0.02 * RNG.standard_normal(5)  # too few to be trimmed
MANY = 0.1 + 0.02 * RNG.standard_normal(11)
OTHERS = 0.02 + 0.04 * RNG.standard_normal(4)


def an_estimate(mean: float, error: float, rounds: int = 10) -> Estimate:
    return Estimate(mean, error**2 * rounds, rounds, rounds - 1, rounds)


# Estimates


def test_a_few_rounds_are_estimated_by_their_mean_and_its_standard_error() -> None:
    found = estimate(VALUES)
    assert found.mean == pytest.approx(np.mean(VALUES))
    assert found.error == pytest.approx(scipy_stats.sem(VALUES))
    assert (found.freedom, found.rounds) == (4, 5)
    assert found.ratio == pytest.approx(math.exp(np.mean(VALUES)))


def test_more_rounds_are_estimated_as_yuen_does() -> None:
    found = estimate(MANY)
    assert found.mean == pytest.approx(scipy_stats.trim_mean(MANY, 0.2))
    winsorised = scipy_stats.mstats.winsorize(MANY, (2 / 11, 2 / 11))
    assert found.error == pytest.approx(math.sqrt(11 * winsorised.var() / (7 * 6)))
    assert (found.weight, found.freedom, found.rounds) == (7, 6, 11)


@pytest.mark.parametrize(("rounds", "cut"), [(2, 0), (5, 0), (6, 1), (9, 1), (10, 2), (16, 3)])
def test_one_round_in_five_is_trimmed_at_either_end_from_six_on(rounds: int, cut: int) -> None:
    assert trimmed(rounds) == cut
    wild = [0.0] * (rounds - cut) + [99.0] * cut
    assert estimate(wild).mean == 0.0


@pytest.mark.parametrize("values", [[], [0.3]])
def test_the_error_of_fewer_than_two_is_infinite(values: list[float]) -> None:
    assert estimate(values).error == math.inf
    assert p_different(estimate(values)) == 1.0
    assert p_equivalent(estimate(values), 0.05) == 1.0
    assert p_above(estimate(values), -9.0) == 1.0
    assert interval(estimate(values)) is None


def test_samples_apart_are_compared_as_welch_does() -> None:
    found = estimate_apart(list(VALUES), list(OTHERS))
    theirs = scipy_stats.ttest_ind(VALUES, OTHERS, equal_var=False)
    assert found.mean / found.error == pytest.approx(theirs.statistic)
    assert found.freedom == pytest.approx(theirs.df)
    assert p_different(found) == pytest.approx(theirs.pvalue)


def test_larger_samples_apart_are_compared_as_yuen_does() -> None:
    others = 0.05 + 0.04 * RNG.standard_normal(16)
    found = estimate_apart(MANY, others)
    theirs = scipy_stats.ttest_ind(MANY, others, equal_var=False, trim=0.2)
    assert found.mean / found.error == pytest.approx(theirs.statistic)
    assert found.freedom == pytest.approx(theirs.df)


# Intervals


def test_an_interval_is_students() -> None:
    between = interval(estimate(VALUES))
    assert between is not None
    low, high = scipy_stats.t.interval(1 - LEVEL, 4, np.mean(VALUES), scipy_stats.sem(VALUES))
    assert (math.log(between.low), math.log(between.high)) == pytest.approx((low, high))


def test_intervals_begin_at_two_rounds() -> None:
    assert MIN_ROUNDS == 2
    assert interval(estimate([0.1])) is None
    assert interval(estimate([0.1, 0.2])) is not None
    assert interval(estimate_apart([0.1, 0.2], [0.1])) is None


def test_times_that_are_all_the_same_give_an_interval_of_no_width() -> None:
    between = interval(estimate([math.log(1.5)] * 6))
    assert between is not None
    assert (between.low, between.high) == pytest.approx((1.5, 1.5))


def test_an_interval_that_is_wider_than_numbers_reach_is_no_overflow() -> None:
    between = interval(an_estimate(0.0, 1e6))
    assert between is not None
    assert 0 < between.low < 1e-300
    assert 1e300 < between.high < math.inf


# The scatter of other rows


def test_pairs_of_rows_with_a_common_row_count_as_a_two_way_layout() -> None:
    pairs = [Estimate(0.0, variance, 3, 2, 3) for variance in (1.0, 2.0, 3.0)]
    assert pool(pairs, [3, 3, 3]) == Pool(2.0, 4.0)  # (3 - 1) (3 - 1), and not 3 (3 - 1)
    assert pool(pairs, [3, 3, 1]).freedom == 2.0
    assert pool([Estimate(0.0, math.inf, 1, 0, 1)], [1, 1]) == Pool(0.0, 0.0)
    assert pool(pairs, [20, 20, 20]).freedom == 2 * (20 - 2 * 4 - 1)  # four rounds in twenty are trimmed at either end
    uneven = [Estimate(0.0, 1.0, 3, 2, 3), Estimate(0.0, 4.0, 2, 1, 2)]
    assert pool(uneven, [3, 3, 2]) == Pool(2.0, 3.0)


def test_the_pooled_variance_of_equal_rows_is_that_of_a_two_way_layout() -> None:
    times = RNG.standard_normal((4, 5))
    pairs = [estimate(times[a] - times[b]) for a in range(4) for b in range(a)]
    residuals = times - times.mean(axis=0) - times.mean(axis=1, keepdims=True) + times.mean()
    found = pool(pairs, [5] * 4)
    assert found.freedom == 12
    assert found.variance == pytest.approx(2 * (residuals**2).sum() / 12)


def test_a_variance_is_drawn_towards_the_pooled_one_by_what_that_adds() -> None:
    own = Estimate(0.3, 4.0, 2, 1, 2)
    assert moderated(own, Pool(2.0, 7.0)) == Estimate(0.3, (4.0 + PRIOR_FREEDOM * 2.0) / (1 + PRIOR_FREEDOM), 2, 4, 2)
    assert moderated(own, Pool(2.0, 2.0)) == Estimate(0.3, 3.0, 2, 2, 2)  # the pool contains its own freedom
    assert moderated(own, Pool(2.0, 1.0)) == own
    one = Estimate(0.3, math.inf, 1, 0, 1)
    assert moderated(one, Pool(2.0, 7.0)) == one


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
    rng, error, rounds = np.random.default_rng(5), 0.03, 12
    size = math.log1p(detectable(error / math.sqrt(rounds), rounds - 1, 1))
    draws = size + error * rng.standard_normal((4000, rounds))
    found = scipy_stats.ttest_1samp(draws, 0, axis=1).pvalue < LEVEL
    assert found.mean() == pytest.approx(POWER, abs=0.02)


def test_more_comparisons_see_less_and_more_rounds_see_more() -> None:
    assert detectable(0.01, 9, 28) > detectable(0.01, 9, 1) > detectable(0.01, 30, 1)
    assert detectable(math.inf, 9, 1) == math.inf
    assert detectable(0.01, 0, 1) == math.inf


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


def test_one_round_has_no_verdict() -> None:
    judged = judge({"pair": estimate([0.5])}, 0.05)["pair"]
    assert (judged.verdict, judged.detectable) == ("too few rounds", math.inf)


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


# Which row is the fastest is not known in advance


def test_comparisons_with_the_best_count_as_all_pairs_of_the_rows_that_are_left() -> None:
    assert [with_one_row(left) for left in range(4)] == [0, 1, 2, 3]
    assert [with_the_best(left) for left in range(4)] == [0, 1, 3, 6]
    corrected = holm({"a": 0.001, "b": 0.01, "c": 0.02}, with_the_best)
    assert corrected == pytest.approx({"a": 0.006, "b": 0.03, "c": 0.03})


def test_a_comparison_with_the_best_is_corrected_for_all_pairs() -> None:
    found = {number: an_estimate(0.02, 0.01) for number in range(3)}
    chosen, best = (judge(found, 0.001, tests)[0] for tests in (with_one_row, with_the_best))
    assert best.p_different == pytest.approx(2 * chosen.p_different)  # 6 pairs instead of 3
    assert (chosen.tests, best.tests) == (3, 6)
    assert judge({"pair": an_estimate(1.0, 0.01)}, 0.05)["pair"].tests == 1


def test_rows_that_are_told_from_the_best_cost_the_others_nothing_either() -> None:
    close = an_estimate(0.04, 0.02)
    alone = judge({"pair": close}, 0.05, with_the_best)["pair"]
    far = {number: an_estimate(2.0, 0.01) for number in range(12)}
    assert judge({"pair": close, **far}, 0.05, with_the_best)["pair"] == alone


# By hand: quantiles of Student's distribution from a table, and the rest on paper


def test_an_estimate_by_hand() -> None:
    found = estimate([1.0, 2.0, 3.0, 4.0])
    assert (found.mean, found.freedom, found.rounds) == (2.5, 3, 4)
    assert found.error == pytest.approx(math.sqrt(5 / 3) / 2)
    assert estimate([0.3]) == Estimate(0.3, math.inf, 1, 0, 1)
    none = estimate([])
    assert math.isnan(none.mean)
    assert (none.error, none.freedom, none.rounds) == (math.inf, 0, 0)
    assert estimate([1.0, 3.0]) == Estimate(2.0, 2.0, 2, 1, 2)
    # Trimmed to 2, 3, 4, 5; winsorised to 2, 2, 3, 4, 5, 5 with mean 3.5 and squares that add up to 9.5
    assert estimate([0.0, 2.0, 3.0, 4.0, 5.0, 99.0]) == Estimate(3.5, pytest.approx(9.5 / 3), 4, 3, 6)


def test_samples_apart_by_hand() -> None:
    found = estimate_apart([1.0, 2.0, 3.0], [2.0, 4.0, 6.0, 8.0])  # variances of the means: 1/3 and 5/3
    assert (found.mean, found.rounds) == (-3.0, 3)
    assert found.error == pytest.approx(math.sqrt(2))
    assert found.freedom == pytest.approx(4 / (1 / 18 + 25 / 27))
    assert estimate_apart([2.0, 4.0, 6.0, 8.0], [1.0, 2.0, 3.0]).mean == 3.0


@pytest.mark.parametrize(
    ("mine", "others", "expected"),
    [
        ([1.0, 1.0, 1.0], [2.0, 2.0], Estimate(-1.0, 0.0, 2, 1, 2)),  # no spread: the freedom of the smaller sample
        ([1.0], [2.0, 3.0, 4.0], Estimate(-2.0, math.inf, 1, 0, 1)),
        ([2.0, 3.0, 4.0], [1.0], Estimate(2.0, math.inf, 1, 0, 1)),
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


@pytest.mark.parametrize("count", range(MIN_FITS))
def test_a_median_of_too_few_fits_has_no_interval(count: int) -> None:
    assert median_interval([1.0] * count) is None


def test_p_values_from_a_table() -> None:
    assert p_different(an_estimate(0.2, 0.1, 11)) == pytest.approx(0.0733880, rel=1e-5)
    assert p_different(an_estimate(-0.2, 0.1, 11)) == pytest.approx(0.0733880, rel=1e-5)
    assert p_different(an_estimate(0.2, 0.1, 2)) == pytest.approx(2 * (0.5 - math.atan(2) / math.pi))
    assert p_above(an_estimate(0.3, 0.1, 11), 0.1) == pytest.approx(0.0733880 / 2, rel=1e-5)
    assert p_above(an_estimate(-0.1, 0.1, 11), 0.1) == pytest.approx(1 - 0.0733880 / 2, rel=1e-5)
    assert p_above(an_estimate(0.1, 0.0), 0.1) == 1.0
    assert p_above(an_estimate(0.11, 0.0), 0.1) == 0.0
    room = math.log1p(0.05) - 0.02
    assert p_equivalent(an_estimate(-0.02, room / 2, 2), 0.05) == pytest.approx(0.5 - math.atan(2) / math.pi)


def test_a_difference_of_just_the_size_that_counts_is_not_equivalent() -> None:
    assert p_equivalent(an_estimate(math.log1p(0.05), 0.0), 0.05) == 1.0
    assert p_equivalent(an_estimate(math.log1p(0.0499), 0.0), 0.05) == 0.0


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
    sure, open_, one = an_estimate(1.0, 0.01), an_estimate(0.2, 0.1, 11), estimate([0.5])
    judged = judge({"sure": sure, "open": open_, "other": open_, "one": one}, 0.05)
    expected = Judgement("inconclusive", detectable(0.1, 10, 2), pytest.approx(2 * 0.0733880, rel=1e-5), 2)
    assert judged["open"] == expected
    assert judged["sure"].detectable == detectable(0.01, 9, 2)
    assert judged["one"] == Judgement("too few rounds", math.inf, 1.0, 2)
    assert list(judged) == ["sure", "open", "other", "one"]


def test_a_comparison_whose_p_is_just_the_level_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"a": an_estimate(0.05, 0.01), "b": an_estimate(0.0, 0.01), "c": an_estimate(0.001, 0.01)}
    monkeypatch.setattr("bench.analysis.stats.LEVEL", judge(found, 0.01)["a"].p_different)
    assert judge(found, 0.01)["b"].detectable == detectable(0.01, 9, 2)


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


# The number of rounds that would tell


@pytest.mark.parametrize("effect", [0.01, 0.02, 0.05])
@pytest.mark.parametrize("rounds", [3, 5, 8, 20])
def test_so_many_rounds_would_detect_the_difference_and_fewer_would_not(effect: float, rounds: int) -> None:
    found = an_estimate(0.0, 0.03 / math.sqrt(rounds), rounds)
    judged = judge({"pair": found}, effect)["pair"]
    needed = rounds_needed(found, judged.tests, effect)

    def seen(count: int) -> float:
        weight = count - 2 * trimmed(count)
        return detectable(0.03 / math.sqrt(weight), weight - 1, judged.tests)

    assert seen(needed) <= effect < seen(needed - 2)


def test_the_quantile_is_that_of_the_rounds_that_it_takes_and_not_that_of_the_rounds_so_far() -> None:
    found = an_estimate(0.0, 0.03 / math.sqrt(3), 3)
    judged = judge({"pair": found}, 0.05)["pair"]
    kept = 3 * (math.log1p(judged.detectable) / math.log1p(0.05)) ** 2  # with the quantile of two degrees of freedom
    assert kept > 2 * rounds_needed(found, judged.tests, 0.05)


def test_what_the_other_rows_tell_of_the_scatter_counts_for_further_rounds_too() -> None:
    alone = an_estimate(0.0, 0.03 / math.sqrt(3), 3)
    with_others = Estimate(alone.mean, alone.variance, alone.weight, alone.freedom + PRIOR_FREEDOM, alone.rounds)
    needed = [rounds_needed(each, 1, 0.05) for each in (alone, with_others)]
    assert needed == [13, 12]
    weight = 12 - 2 * trimmed(12)
    error = math.sqrt(alone.variance / weight)
    assert detectable(error, weight - 1 + PRIOR_FREEDOM, 1) <= 0.05 < detectable(error, weight - 1, 1)


def test_a_difference_that_seems_large_takes_fewer_rounds_to_see_than_a_small_one() -> None:
    small, middling, large = (an_estimate(mean, 0.05) for mean in (0.01, 0.12, 0.3))
    needed = [rounds_needed(each, 1, 0.05) for each in (small, middling, large)]
    assert needed[0] > 100 > needed[1] > 10 > needed[2]


def test_one_round_needs_at_least_two_more_and_some_differences_are_never_seen() -> None:
    one, hopeless = estimate([0.1]), an_estimate(0.0, 100.0)
    assert rounds_needed(one, 1, 0.05) == MIN_ROUNDS + 1
    assert rounds_needed(hopeless, 1, 0.05) == MOST_ROUNDS
