"""Whole runs on a machine that is made up, where the truth is known: how often the suite is wrong about it.

Every number of cases is fixed and every draw is seeded, so that a test says the same each time. Limits are those that
the suite claims, with two standard errors of the share in so many cases.
"""

from __future__ import annotations

import math
from statistics import median

import numpy as np
import pytest
from scipy import stats as scipy_stats
from synthetic import KINDS, Kind, MockExecutor, a_plan, alone, records_of, rows_of

from bench.analysis import stats
from bench.analysis.comparison import Comparison, Comparisons, log_times
from bench.analysis.stats import MIN_BLOCKS, interval
from bench.records.schema import Record, Row

RUNS = 400
ROWS = rows_of("a", "b")
A, B = ROWS


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resample less often than the tables do: thousands of intervals are made here."""
    monkeypatch.setattr(stats, "RESAMPLES", 999)


def two_errors(share: float, cases: int) -> float:
    return 2 * math.sqrt(share * (1 - share) / cases)


def compared(records: list[Record], row: Row = B, other: Row = A) -> Comparison:
    return Comparisons(log_times(records), 0.05).compare(row, other)


def run(seed: int, *, slower: float = 1.0, kind: Kind = "normal", sd: float = 0.03) -> Comparison:
    """Return what a run with the default goal says of B, which takes `slower` times as long as A."""
    rng = np.random.default_rng([seed, 1])
    executor = MockExecutor({A: 0.02, B: 0.02 * slower}, rng, kind=kind, sd=sd)
    return compared(records_of(a_plan(ROWS, seed=seed), executor))


# One backend under two names


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_one_backend_under_two_names_is_hardly_ever_told_from_itself(kind: Kind) -> None:
    outcomes = [run(seed, kind=kind).judged.verdict for seed in range(RUNS)]
    alarms = sum(outcome in ("faster", "slower") for outcome in outcomes)
    assert alarms / RUNS <= 0.05 + two_errors(0.05, RUNS)
    assert outcomes.count("equivalent") > 0.5 * RUNS  # and is mostly found to be the same


def test_pooling_passes_as_if_they_were_processes_would_tell_it_from_itself() -> None:
    alarms = ours = 0
    for seed in range(200):
        executor = MockExecutor({A: 0.02, B: 0.02}, np.random.default_rng(seed), sd=0.02, within=0.01)
        records = records_of(a_plan(ROWS, seed=seed, workers=8), executor)
        passes = {
            row: [p for r in records if r.job.row == row for p in np.log(r.timing.turns.passes_s)] for row in ROWS
        }
        alarms += scipy_stats.ttest_ind(passes[A], passes[B]).pvalue < 0.05
        ours += compared(records).judged.verdict in ("faster", "slower")
    assert alarms / 200 > 0.23  # the least that measuring has been seen to go wrong so
    assert ours / 200 <= 0.05 + two_errors(0.05, 200)


# A slowdown of 5 %


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_slowdown_of_five_percent_is_found_at_the_default_precision(kind: Kind) -> None:
    found = [run(seed, slower=1.05, kind=kind) for seed in range(RUNS)]
    assert sum(each.judged.verdict == "slower" for each in found) / RUNS >= 0.90
    assert median(each.judged.detectable for each in found) <= 0.05


def test_a_run_that_is_too_short_to_see_it_says_that_it_cannot_tell() -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        executor = MockExecutor({A: 0.02, B: 0.0202}, rng, sd=0.25)
        found = compared(records_of(a_plan(ROWS, seed=seed, workers=MIN_BLOCKS), executor))
        assert found.judged.detectable > 0.2
        assert found.judged.verdict != "equivalent"  # never the same for want of samples


def test_what_a_run_says_that_it_would_have_seen_is_seen_by_most_runs_like_it() -> None:
    slower = median(run(seed, sd=0.04).judged.detectable for seed in range(60))
    outcomes = [run(seed, slower=1 + slower, sd=0.04).judged.verdict for seed in range(60)]
    assert outcomes.count("slower") / 60 >= 0.90


# Intervals


@pytest.mark.slow
@pytest.mark.parametrize("blocks", [MIN_BLOCKS, 10, 20])
@pytest.mark.parametrize("kind", KINDS)
def test_the_interval_of_so_many_blocks_holds_the_truth_in_95_percent(kind: Kind, blocks: int) -> None:
    rng = np.random.default_rng(7)
    cases, held = 1000, 0
    for seed in range(cases):
        executor = MockExecutor({A: 0.02, B: 0.026}, rng, kind=kind, sd=0.05)
        between = compared(records_of(a_plan(ROWS, seed=seed, workers=blocks), executor)).interval
        assert between is not None
        held += between.low <= 1.3 <= between.high
    assert 0.93 <= held / cases <= 0.97


def held(seeds: range, kind: Kind, sd: float) -> float:
    """Return in what share of whole runs the interval holds the true ratio."""
    betweens = [run(seed, slower=1.05, kind=kind, sd=sd).interval for seed in seeds]
    return sum(between is not None and between.low <= 1.05 <= between.high for between in betweens) / len(seeds)


@pytest.mark.slow
@pytest.mark.parametrize("sd", [0.02, 0.03])
@pytest.mark.parametrize("kind", KINDS)
def test_the_interval_of_runs_that_end_by_themselves_holds_the_truth_in_95_percent(kind: Kind, sd: float) -> None:
    assert 0.93 <= held(range(1000), kind, sd) <= 0.97


@pytest.mark.slow
def test_at_a_nominal_95_percent_it_would_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "LEVEL", 0.05)
    assert held(range(1000), "two-humped", 0.03) < 0.93


def test_plain_percentiles_of_the_bootstrap_would_miss_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "widened", lambda count: 0.95)
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(400):
        between = interval(0.05 * rng.standard_normal(MIN_BLOCKS))
        assert between is not None
        held += between.low <= 1 <= between.high
    assert held / 400 < 0.91


# A machine that gets slower


def drifting(seed: int) -> MockExecutor:
    """Return a machine that is 10 % slower at the end of ten blocks than at their begin."""
    lasts_s = 10 * (2 * 2.0 + 2 * 0.25)
    return MockExecutor(
        {A: 0.02, B: 0.02}, np.random.default_rng(seed), sd=0.01, speed=lambda now_s: 1 + 0.1 * now_s / lasts_s
    )


def test_a_drift_of_the_machine_leaves_equals_undecided_or_equivalent() -> None:
    outcomes = [compared(records_of(a_plan(ROWS, seed=s, workers=10), drifting(s))).judged.verdict for s in range(200)]
    alarms = sum(outcome in ("faster", "slower") for outcome in outcomes)
    assert alarms / 200 <= 0.05 + two_errors(0.05, 200)


def test_one_row_after_the_other_would_call_one_of_them_slower() -> None:
    alarms = 0
    for seed in range(200):
        plan, executor = a_plan(ROWS, seed=seed, workers=10), drifting(seed)
        records = [alone(executor, plan.job(row, block)) for row in ROWS for block in range(10)]
        found = Comparisons(log_times(records), 0.02).compare(B, A)
        alarms += found.judged.verdict == "slower"
    assert alarms / 200 > 0.9


# Many comparisons


def test_among_many_equal_rows_hardly_any_run_calls_one_slower() -> None:
    rows = rows_of(*"abcdefgh")
    wrong = careless = 0
    for seed in range(200):
        executor = MockExecutor(dict.fromkeys(rows, 0.02), np.random.default_rng(seed))
        comparisons = Comparisons(log_times(records_of(a_plan(rows, seed=seed, workers=8), executor)), 0.05)
        best = comparisons.fastest(rows)
        pairs = [comparisons.verdict(row, best) for row in rows if row != best]
        wrong += any(judged.verdict in ("faster", "slower") for _, judged in pairs)
        careless += any(stats.p_different(found) < 0.05 for found, _ in pairs)
    assert wrong / 200 <= 0.05 + two_errors(0.05, 200)
    assert careless / 200 > 0.3  # what seven tests at 5 % against the luckiest row would have said
