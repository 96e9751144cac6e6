"""Means over machines, and where a new machine will be: against theory, and against other formulas."""

from __future__ import annotations

import math

import machines_simulation as simulation
import numpy as np
import pytest
from scipy import optimize, stats

from bench.analysis.random_effects import FEWEST_MACHINES, RandomEffects, random_effects
from bench.analysis.stats import Interval

SURE = 1e-5  # a standard error that is as good as none


def drawn(machines: int, spread: float, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(math.log(1.5), spread, machines)


def found(log_ratios: np.ndarray, errors: float | np.ndarray, freedom: float = 8.0) -> RandomEffects:
    count = len(log_ratios)
    return random_effects(log_ratios, np.broadcast_to(errors, count), np.full(count, freedom))


def reach(between: Interval) -> float:
    """Return half the width of an interval of a ratio, as a logarithm."""
    return math.log(between.high / between.low) / 2


@pytest.mark.parametrize("machines", [3, 4, 6, 20, 300])
def test_machines_that_differ_by_much_more_than_the_errors_have_the_intervals_of_student(machines: int) -> None:
    log_ratios = drawn(machines, 0.3)
    result = found(log_ratios, SURE)
    deviation, quantile = log_ratios.std(ddof=1), stats.t.ppf(0.975, machines - 1)
    assert result.ratio == pytest.approx(math.exp(log_ratios.mean()), rel=1e-6)
    assert result.spread == pytest.approx(deviation, rel=1e-6)
    assert reach(result.interval) == pytest.approx(quantile * deviation / math.sqrt(machines), rel=1e-3)
    assert reach(result.prediction) == pytest.approx(quantile * deviation * math.sqrt(1 + 1 / machines), rel=1e-3)
    squares = (machines - 1) * deviation**2 / stats.chi2.ppf([0.975, 0.025], machines - 1)
    between = result.spread_interval
    assert (between.low, between.high) == pytest.approx(tuple(np.sqrt(squares)), rel=1e-5)


def test_the_spread_is_where_the_weighted_sum_of_squares_is_what_is_expected() -> None:
    log_ratios, errors = drawn(9, 0.1), np.linspace(0.01, 0.12, 9)

    def off(squared: float) -> float:
        weights = 1 / (errors**2 + squared)
        mean = weights @ log_ratios / weights.sum()
        return float(weights @ (log_ratios - mean) ** 2) - 8

    result = found(log_ratios, errors)
    squared = optimize.brentq(off, 0, 1)
    weights = 1 / (errors**2 + squared)
    assert result.spread == pytest.approx(math.sqrt(squared), rel=1e-8)
    assert math.log(result.ratio) == pytest.approx(weights @ log_ratios / weights.sum())


def test_another_program_finds_the_same_mean_and_spread() -> None:
    meta_analysis = pytest.importorskip("statsmodels.stats.meta_analysis")
    log_ratios, errors = drawn(7, 0.2, seed=3), np.array([0.02, 0.05, 0.01, 0.1, 0.03, 0.02, 0.06])
    other = meta_analysis.combine_effects(log_ratios, errors**2, method_re="iterated", atol=1e-12, maxiter=500)
    result = found(log_ratios, errors)
    assert result.spread**2 == pytest.approx(other.tau2, rel=1e-5)
    assert math.log(result.ratio) == pytest.approx(other.mean_effect_re, rel=1e-6)


def test_machines_that_are_alike_have_no_spread_and_may_have_none() -> None:
    result = found(np.full(5, 0.4), 0.05)
    assert (result.spread, result.spread_interval.low) == (0.0, 0.0)
    assert result.interval.low < math.exp(0.4) < result.interval.high


def test_the_prediction_reaches_beyond_the_mean_and_a_machine_of_large_error_counts_for_little() -> None:
    log_ratios = np.array([0.4, 0.42, 0.38, 0.41, 3.0])
    result = found(log_ratios, np.array([0.01, 0.01, 0.01, 0.01, 2.0]))
    assert result.ratio == pytest.approx(math.exp(0.4), rel=0.02)
    assert result.prediction.low < result.interval.low < result.ratio < result.interval.high < result.prediction.high


def test_errors_that_are_known_badly_make_the_interval_of_the_mean_wider() -> None:
    log_ratios = drawn(10, 0.0001)
    assert reach(found(log_ratios, 0.05, 3.0).interval) > 1.2 * reach(found(log_ratios, 0.05, 1e6).interval)


def test_the_order_of_the_machines_changes_nothing() -> None:
    log_ratios, errors = drawn(6, 0.1), np.linspace(0.01, 0.1, 6)
    one, other = found(log_ratios, errors), found(log_ratios[::-1], errors[::-1])
    assert (other.ratio, other.prediction.high) == pytest.approx((one.ratio, one.prediction.high))


def test_turning_the_ratio_turns_its_intervals() -> None:
    log_ratios = drawn(6, 0.1)
    one, turned = found(log_ratios, 0.03), found(-log_ratios, 0.03)
    assert 1 / turned.prediction.low == pytest.approx(one.prediction.high)
    assert 1 / turned.ratio == pytest.approx(one.ratio)


@pytest.mark.parametrize(
    "errors", [np.array([1e-9, 1.0, 1e-3, 10.0]), np.zeros(4), np.full(4, 1e3), np.array([1e-12, 1e-12, 50.0, 50.0])]
)
def test_errors_of_any_size_give_finite_numbers_in_order(errors: np.ndarray) -> None:
    result = found(np.array([0.1, -2.0, 5.0, 0.3]), errors)
    inner, outer = result.interval, result.prediction
    assert 0 < outer.low <= inner.low <= inner.high <= outer.high < math.inf


def test_equal_ratios_without_any_error_have_no_spread() -> None:
    with np.errstate(all="raise"):
        result = found(np.zeros(3), 0.0)
    assert (result.ratio, result.spread) == (1.0, 0.0)
    assert result.prediction.high == pytest.approx(1.0, abs=1e-4)


def test_two_machines_are_too_few() -> None:
    with pytest.raises(ValueError, match="2 machines"):
        found(drawn(FEWEST_MACHINES - 1, 0.1), 0.01)


def test_runs_turn_by_turn_on_unlike_machines_give_intervals_that_contain_the_truth() -> None:
    mean, new = simulation.whole_runs_outcome(range(0, len(simulation.MODELS), 2), spread=0.05, draws=150)
    noise = 3 * simulation.error(0.95, 150)
    assert 0.95 - noise <= mean <= min(1.0, 0.95 + noise)
    assert 0.95 - noise <= new <= min(1.0, 0.95 + noise)


RUNS = 300
DOUBTFUL = 3.5 * simulation.error(0.95, RUNS)


@pytest.mark.parametrize("kind", simulation.KINDS.values(), ids=["alike", "unlike"])
@pytest.mark.parametrize(("machines", "spread"), [(3, 2.0), (8, 1.0), (30, 10.0)])
def test_intervals_contain_the_truth_as_often_as_they_say(kind: simulation.Kind, machines: int, spread: float) -> None:
    outcome = simulation.outcome_of(simulation.Case(kind, machines, spread), RUNS)
    for share in (outcome.mean, outcome.new):
        assert 0.93 - DOUBTFUL / 2 <= share <= 0.97 + DOUBTFUL / 2


def test_that_test_would_notice_a_spread_that_is_taken_as_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual formulas fail it: so few machines say too little about how they differ."""
    outcome = simulation.outcome_of(simulation.Case(simulation.KINDS["alike: 10 rounds each"], 5, 1.0), RUNS)
    assert outcome.usual_new < 0.93


@pytest.mark.parametrize("table", simulation.KINDS)
def test_the_kept_page_says_what_it_is_kept_for(table: str) -> None:
    """Both intervals contain the truth in 93 to 97 % or, where machines differ too little to be told, more often."""
    lines = _cells(simulation.PAGE.read_text().partition(f"### Machines {table}")[2].partition("\n\nIn %")[0])
    assert len(lines) == len(simulation.MACHINES) * len(simulation.SPREADS)
    for line in lines:
        least = min(float(line["mean"]), float(line["new machine"]))
        most = max(float(line["mean"]), float(line["new machine"]))
        assert least >= 93
        assert float(line["spread / error"]) < simulation.FROM or most <= 97


def test_the_kept_page_has_whole_runs_whose_intervals_contain_the_truth_in_93_to_97_percent() -> None:
    lines = _cells(simulation.PAGE.read_text().partition("## Whole runs")[2].partition("\n\nIn %")[0])
    assert len(lines) == 6
    assert all(93 <= float(line[name]) <= 97 for line in lines for name in ("mean", "new machine"))


def _cells(text: str) -> list[dict[str, str]]:
    table = ([each.strip() for each in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|")
    head, _, *lines = table
    return [dict(zip(head, line, strict=True)) for line in lines]
