"""Whole runs on machines that are made up, where the truth is known: how often the suite is wrong about it.

Every number of cases is fixed and every draw is seeded, so that a test says the same each time. Limits are those that
the suite claims, with two standard errors of the share in so many cases. results/simulation.md has many more cases.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import machine_models as models
import numpy as np
import pytest
import simulation
from machine_models import MACHINES
from scipy import stats as scipy_stats
from simulation import EFFECT, SEED, Outcome, equal_rows, five_minutes, share, told_slower, two_rows, until_told
from support import ROOT

from bench.analysis import stats, stopping, turns
from bench.analysis.comparison import Group
from bench.analysis.stats import POWER, estimate, rounds_needed, trimmed

FEW, MANY = 300, 1000
QUIET = MACHINES["independent noise"]
UNLIKE = MACHINES["two states, 2 threads and 1"]


def two_errors(share: float, cases: int) -> float:
    return 2 * math.sqrt(share * (1 - share) / cases)


def assert_honest(found: Outcome, cases: int) -> None:
    """Assert that intervals hold the truth in 93 to 97 %, and that equal rows are told apart in 5 % at most."""
    assert 0.93 - two_errors(0.93, cases) <= found.covered <= 0.97 + two_errors(0.97, cases)
    assert found.alarms <= 0.05 + two_errors(0.05, cases)


# Five minutes of live rounds for a pair of rows


@pytest.mark.parametrize("name", MACHINES)
def test_live_rounds_are_honest_on_every_machine(name: str) -> None:
    assert_honest(five_minutes(MACHINES[name], "live", FEW), FEW)


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("name", MACHINES)
def test_live_rounds_are_honest_on_every_machine_in_many_runs(name: str) -> None:
    assert_honest(five_minutes(MACHINES[name], "live", MANY), MANY)


@pytest.mark.parametrize("name", [name for name in MACHINES if name != "processes differ"])
def test_live_rounds_find_two_percent_in_five_minutes(name: str) -> None:
    two, five = five_minutes(MACHINES[name], "live", FEW).found
    assert two >= 0.9
    assert five >= 0.95


def test_where_processes_differ_by_three_percent_five_can_be_found_and_two_cannot() -> None:
    two, five = five_minutes(MACHINES["processes differ"], "live", FEW).found
    assert two < 0.8
    assert five > 0.95


def test_the_pages_show_the_table_that_is_kept() -> None:
    kept = {tuple(line.split()) for line in simulation.PAGE.read_text().splitlines()}
    page = (ROOT / "bench/README.md").read_text()
    _, _, section = page.partition("**Why turns.**")
    shown = [line for line in section.partition("On every such machine")[0].splitlines() if line.startswith("| ")]
    assert len(shown) > 12
    assert [line for line in shown[1:] if tuple(line.split()) not in kept] == []


# The designs that live rounds replace


def test_one_row_after_the_other_takes_a_drift_for_a_difference() -> None:
    assert five_minutes(MACHINES["drift"], "sequential", FEW).alarms > 0.9
    assert five_minutes(MACHINES["drift"], "live", FEW).alarms <= 0.05 + two_errors(0.05, FEW)


@pytest.mark.parametrize("design", ["sequential", "blocked"])
def test_fresh_processes_mostly_miss_two_percent_on_a_machine_with_two_states(design: models.Design) -> None:
    found = five_minutes(MACHINES["two states, alike"], design, FEW)
    assert found.found[0] < 0.6
    assert five_minutes(MACHINES["two states, alike"], "live", FEW).found[0] > 0.95


def test_pooling_turns_as_if_they_were_processes_would_tell_equal_rows_apart() -> None:
    times = models.live(replace(QUIET, processes=(0.02,)), np.random.default_rng(SEED), FEW, 2, 8)
    apart = (times[:, 1] - times[:, 0]).reshape(FEW, -1)
    assert share(scipy_stats.ttest_1samp(apart, 0, axis=1).pvalue < 0.05) > 0.23  # the least that has been measured
    assert_honest(Outcome.of(two_rows(times)), FEW)


# What the estimator is for


def test_without_leaving_out_slow_turns_two_percent_would_not_be_found_where_rows_respond_differently(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert five_minutes(UNLIKE, "live", FEW).found[0] > 0.9
    monkeypatch.setattr(turns, "SLOW", math.inf)
    assert five_minutes(UNLIKE, "live", FEW).found[0] < 0.3


def test_without_trimming_rounds_two_percent_would_not_be_found_there_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "FIRST_TRIMMED", 10**6)
    assert five_minutes(UNLIKE, "live", FEW).found[0] < 0.6


# Runs that end by the stopping rule


@pytest.mark.parametrize("name", ["independent noise", "all of it"])
@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_runs_that_end_by_themselves_are_honest(name: str, ratio: float) -> None:
    assert_honest(until_told(MACHINES[name], FEW, ratio), FEW)


@pytest.mark.slow
@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("ratio", [1.0, pytest.param(1.05, marks=pytest.mark.exhaustive), 2.0])
def test_runs_that_end_by_themselves_are_honest_on_every_machine(name: str, ratio: float) -> None:
    assert_honest(until_told(MACHINES[name], FEW, ratio), FEW)


def test_if_runs_ended_when_they_first_look_precise_equal_rows_would_be_told_apart_too_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limit = 0.05 + two_errors(0.05, 400)
    assert until_told(MACHINES["all of it"], 400).alarms <= limit
    monkeypatch.setattr(stopping, "MIN_PRECISE", 2)
    monkeypatch.setattr(stopping, "LOOK_EVERY", 1)
    assert until_told(MACHINES["all of it"], 400).alarms > limit


def test_rows_that_are_twice_as_slow_leave_after_a_few_rounds() -> None:
    assert until_told(QUIET, FEW, 2.0).rounds < 4
    assert until_told(MACHINES["all of it"], FEW, 2.0).rounds < 5


# Many rows, few rounds


@pytest.mark.parametrize("rows", [2, 8, 13])
def test_among_equal_rows_hardly_any_run_calls_one_slower(rows: int) -> None:
    cases = 60
    found = equal_rows(QUIET, rows, 8, cases)
    assert found.alarms <= 0.05 + two_errors(0.05, cases)
    assert found.covered > 0.93 - two_errors(0.93, cases)


def test_holm_over_the_rows_alone_would_call_one_slower_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.analysis.comparison.with_the_best", stats.with_one_row)
    monkeypatch.setattr(stats, "PRIOR_FREEDOM", 0.0)
    assert equal_rows(QUIET, 8, 12, 100).alarms > 0.05 + two_errors(0.05, 100)


def more(*values: int) -> list[Any]:
    """Return values of a parameter that lie between others, and show the same again."""
    return [pytest.param(value, marks=pytest.mark.exhaustive) for value in values]


@pytest.mark.slow
@pytest.mark.parametrize("rows", [2, *more(8), 13])
@pytest.mark.parametrize("rounds", [2, *more(3, 4, 5, 10), 16])
@pytest.mark.parametrize("spread", [False, True])
def test_among_equal_rows_hardly_any_run_calls_one_slower_after_any_number_of_rounds(
    rows: int, rounds: int, spread: bool
) -> None:
    found = equal_rows(models.spread(QUIET) if spread else QUIET, rows, rounds, 200)
    assert found.alarms <= 0.05 + two_errors(0.05, 200)
    assert found.covered >= 0.93 - two_errors(0.93, 200)


def test_a_few_rounds_of_many_rows_say_much_more_than_each_row_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    times = models.live(QUIET, np.random.default_rng(SEED), 40, 8, 2, 20)
    rows = simulation.rows_of(8)

    def width() -> float:
        groups = [Group(models.as_times(run, rows), EFFECT) for run in times]
        widths = [stats.interval(each) for group in groups for each in group.estimates.values()]
        return float(np.median([math.log(each.high / each.low) for each in widths if each]))

    pooled = width()
    monkeypatch.setattr(stats, "PRIOR_FREEDOM", 0.0)
    assert pooled < 0.5 * width()


# The number of rounds that would tell


@pytest.mark.parametrize(("sd", "effect"), [(0.02, 0.02), (0.04, 0.03)])
def test_so_many_rounds_as_a_run_says_do_tell(sd: float, effect: float) -> None:
    rng = np.random.default_rng(SEED)
    found = [estimate(sd * rng.standard_normal(40)) for _ in range(200)]
    promised = float(np.median([rounds_needed(each, 1, effect) for each in found]))

    def power(rounds: int) -> float:
        runs = sd * rng.standard_normal((1500, rounds))
        return share(told_slower(estimate(run), 1 + effect) for run in runs)

    enough = next(rounds for rounds in range(3, 400) if trimmed(rounds) and power(rounds) >= POWER)
    assert promised == pytest.approx(enough, rel=0.2)
