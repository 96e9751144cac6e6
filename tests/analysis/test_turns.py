"""What a round says: of one row, and of two rows that took turns side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from support import a_record, a_row, a_timing

from backends.contract import Array
from bench.analysis.turns import (
    BY_CHANCE,
    NO_ROUNDS,
    Grid,
    cpu_times,
    differences,
    level,
    log_times,
    middles,
    quantiles,
    response,
    timed,
    typical_pass_s,
)
from bench.records.columns import Columns
from bench.records.schema import Turns

ROW, OTHER = (a_row("linear_fit", "made_up", mode) for mode in "ab")
NAN = math.nan


def logs(*times_s: float) -> Array:
    return np.log(np.array(times_s))


def grid(rounds: Mapping[int, Array]) -> Grid:
    return Grid.of_rounds(rounds)


def turns(passes: Sequence[int], wall_s: Sequence[float], cpu_s: Sequence[float] | None = None) -> Turns:
    return Turns(passes=tuple(passes), wall_s=tuple(wall_s), cpu_s=tuple(cpu_s or wall_s))


# From records


def test_a_turn_is_its_time_divided_by_its_passes() -> None:
    record = a_record(ROW, 3, 9.0, 1.0, timing={"turns": turns((4, 0, 2), (0.4, 0.0, 0.3), (0.8, 0.0, 0.5))})
    found = log_times([record])[ROW]
    assert found.numbers.tolist() == [3]
    assert np.exp(found.times[0]) == pytest.approx([0.1, NAN, 0.15], nan_ok=True)
    assert np.exp(cpu_times(timed(Columns.of([record])))[ROW].times[0]) == pytest.approx([0.2, NAN, 0.25], nan_ok=True)


def test_a_process_of_an_old_file_is_a_single_turn_of_its_median_pass() -> None:
    record = a_record(ROW, 1, 9.0, 0.1, 0.2, 0.9)
    assert np.exp(log_times([record])[ROW].times[0]) == pytest.approx([0.2])
    assert cpu_times(timed(Columns.of([record]))) == {}


def test_the_typical_pass_of_a_process_is_that_of_its_turns_or_else_of_its_first_training() -> None:
    took_part, absent = (turns((2, 2), (0.2, 0.2)), turns((0, 0), (0.0, 0.0)))
    assert typical_pass_s(a_timing(9.0, 0.3, 0.5, 0.4, turns=took_part)) == pytest.approx(0.1)
    for none in (absent, None):
        assert typical_pass_s(a_timing(9.0, 0.3, 0.5, 0.4, turns=none)) == pytest.approx(0.4)


def test_failures_and_processes_that_took_no_part_have_no_times() -> None:
    absent = a_record(ROW, 0, 9.0, 1.0, timing={"turns": turns((0, 0), (0.0, 0.0))})
    assert log_times([absent, a_record(ROW, 1, status="crashed")]) == {}


# One row


def test_the_level_of_a_row_is_the_middle_of_its_turns() -> None:
    assert math.exp(level(logs(0.1, 0.1, 0.1, 0.1, 9.0, 0.1))) == pytest.approx(0.1)
    assert math.exp(level(logs(0.25))) == pytest.approx(0.25)
    assert math.exp(level(np.append(logs(0.25), NAN))) == pytest.approx(0.25)
    assert np.exp(grid({5: logs(0.2), 2: logs(0.1)}).levels) == pytest.approx([0.1, 0.2])
    assert len(NO_ROUNDS.levels) == 0


def test_slow_turns_do_not_count_even_where_they_are_most() -> None:
    assert math.exp(level(logs(*[0.1] * 4, *[0.2] * 8))) == pytest.approx(0.1)
    assert math.exp(level(logs(*[0.1] * 4, *[0.11] * 8))) > 0.108  # as much as turns scatter


# Two rows


def test_two_rows_are_compared_in_the_rounds_and_turns_that_both_have() -> None:
    row = {0: logs(0.2, 0.3, NAN), 1: logs(0.2, 0.2), 2: logs(9.0)}
    other = {1: logs(0.1, 0.1), 0: logs(0.1, NAN, 0.1), 5: logs(0.1)}
    assert np.exp(differences(grid(row), grid(other))) == pytest.approx([2.0, 2.0])
    assert len(differences(grid({0: logs(1.0)}), grid({1: logs(1.0)}))) == 0
    assert len(differences(grid({0: logs(1.0, NAN)}), grid({0: np.append(NAN, logs(1.0))}))) == 0


def test_what_the_machine_does_to_both_cancels() -> None:
    machine = np.random.default_rng(4).uniform(-0.05, 0.05, 40)
    found = differences(grid({0: logs(0.3) + machine}), grid({0: logs(0.1) + machine}))
    assert np.exp(found) == pytest.approx([3.0])


def test_a_disturbed_turn_in_four_on_either_side_moves_nothing() -> None:
    other = np.zeros(12)
    row = np.array([0.02] * 6 + [0.1] * 3 + [-0.1] * 3)
    assert differences(grid({0: row}), grid({0: other})) == pytest.approx([0.02])


def test_a_round_that_is_mostly_slow_still_reports_the_ratio_of_its_quick_turns() -> None:
    slow = np.array([True] * 25 + [False] * 15)
    two_threads, one_thread = slow * math.log(2.0), slow * math.log(1.05)
    assert differences(grid({0: two_threads}), grid({0: one_thread})) == pytest.approx([0.0])
    assert differences(grid({0: one_thread}), grid({0: two_threads})) == pytest.approx([0.0])


def test_turns_that_did_not_lie_side_by_side_are_not_paired() -> None:
    row, other = {0: logs(0.2, 0.2, 0.2)}, {0: logs(0.1, 0.1)}
    assert np.exp(differences(grid(row), grid(other))) == pytest.approx([2.0])


# Means of the middle half


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([7.0], 7.0),
        ([1.0, 2.0], 1.5),
        ([1.0, 2.0, 99.0], 2.0),
        ([0.0, 1.0, 3.0, 99.0], 2.0),
        ([-99.0, 0.0, 1.0, 2.0, 99.0], 1.0),
        ([-99.0, -9.0, 1.0, 2.0, 3.0, 4.0, 9.0, 99.0], 2.5),
        ([1.0, NAN, 2.0, NAN], 1.5),
        ([NAN, NAN], NAN),
    ],
)
def test_the_middle_of_values_is_the_mean_without_a_quarter_at_either_end(values: list[float], expected: float) -> None:
    shuffled = np.random.default_rng(4).permutation(values)
    assert middles(shuffled[None]) == pytest.approx([expected], nan_ok=True)


def test_quantiles_are_those_of_numpy() -> None:
    values = np.random.default_rng(4).standard_normal((5, 11))
    values[2, 4:] = NAN
    values[3] = NAN
    for share in (0.0, 0.25, 0.5, 1.0):
        kept = [np.quantile(line[np.isfinite(line)], share) if np.isfinite(line).any() else NAN for line in values]
        assert quantiles(values, share) == pytest.approx(kept, nan_ok=True)


# Rows that respond differently


def noisy(times: Array, seed: int) -> Grid:
    return grid(dict(enumerate(times + 0.02 * np.random.default_rng(seed).standard_normal(times.shape))))


SLOW = np.arange(40) % 5 == 0  # one turn in five
QUIET = np.zeros((4, 40))


def test_rows_that_respond_to_a_slow_machine_differently_are_told_with_size_and_share() -> None:
    found = response(noisy(QUIET + SLOW * math.log(2.0), seed=1), noisy(QUIET + SLOW * math.log(1.05), seed=2))
    assert found is not None
    assert found.factor == pytest.approx(2.0 / 1.05, rel=0.02)
    assert found.share == pytest.approx(0.2)
    turned = response(noisy(QUIET + SLOW * math.log(1.05), seed=1), noisy(QUIET + SLOW * math.log(2.0), seed=2))
    assert turned is not None
    assert turned.factor == pytest.approx(1.05 / 2.0, rel=0.02)


def test_rows_that_respond_alike_are_not_told_of() -> None:
    assert response(noisy(QUIET + SLOW * math.log(2.0), seed=1), noisy(QUIET + SLOW * math.log(2.0), seed=2)) is None
    assert response(noisy(QUIET, seed=1), noisy(QUIET, seed=2)) is None
    assert response(NO_ROUNDS, NO_ROUNDS) is None


def test_outliers_that_hit_either_row_are_no_response() -> None:
    def told(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        row, other = (np.where(rng.random(QUIET.shape) < 0.05, math.log(3.0), 0.0) for _ in range(2))
        return response(noisy(row, seed=2 * seed), noisy(other, seed=2 * seed + 1)) is not None

    assert sum(told(seed) for seed in range(200)) <= 200 * 2 * BY_CHANCE


def test_seven_slow_turns_are_too_few_to_say() -> None:
    one = np.zeros((1, 40))
    assert response(noisy(one + (np.arange(40) < 7) * math.log(2.0), seed=1), noisy(one, seed=2)) is None
    assert response(noisy(one + (np.arange(40) < 8) * math.log(2.0), seed=1), noisy(one, seed=2)) is not None
