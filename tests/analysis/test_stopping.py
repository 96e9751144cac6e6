"""The stopping rule: which rows need another block, by rules that are tried one at a time on times made by hand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import pytest
from support import a_record, a_row

from bench.analysis import stopping
from bench.analysis.comparison import Comparison, typical
from bench.analysis.stats import Judgement, detectable
from bench.analysis.stopping import BEYOND_DOUBT, FAR, LOOK_EVERY, MIN_PRECISE, settled
from bench.analysis.turns import log_times
from bench.records.columns import Columns
from bench.records.schema import Goal, Record, Row

A, B, C = (a_row("linear_fit", "made_up", mode) for mode in "abc")
ELSEWHERE = a_row("thermometer", "made_up", "a")
ROWS = (A, B, C)
EFFECT = 0.05
UNTIL_TIGHT = Goal(workers=None, effect=EFFECT, time_s=1200.0)

STEADY = (0.001, -0.001) * 4  # logarithms by which the rounds of a row are off
ROUGH = (0.1, -0.1, 0.07, -0.07, 0.12, -0.12, 0.1, -0.1)  # too much to detect what counts
DRIFT = tuple(0.3 * number for number in range(8))  # that rows of a round share


def still_open(
    rows: Sequence[Row], goal: Goal, records: Iterable[Record], block: int, unranked: Iterable[Row] = ()
) -> set[Row]:
    return stopping.still_open(rows, goal, Columns.of(records), block, set(unranked))


def times(pass_s: float, off: Sequence[float]) -> list[float]:
    return [pass_s * math.exp(each) for each in off]


def records_of(times_s: Mapping[Row, Sequence[float]]) -> list[Record]:
    """Return a record for each time of a row, one a round."""
    return [a_record(row, block, 9.0, time) for row, each in times_s.items() for block, time in enumerate(each)]


def open_rows(
    times_s: Mapping[Row, Sequence[float]], unranked: Iterable[Row] = (), goal: Goal = UNTIL_TIGHT, block: int = 8
) -> set[Row]:
    return still_open(tuple(times_s), goal, records_of(times_s), block, set(unranked))


def failure(row: Row, block: int = 0) -> Record:
    return a_record(row, block, status="crashed")


# A number of processes


@pytest.mark.parametrize(("block", "runs"), [(0, True), (2, True), (3, False), (9, False)])
def test_a_number_of_workers_is_that_many_rounds(block: int, runs: bool) -> None:
    goal = Goal(workers=3, effect=EFFECT, time_s=1.0)
    records = records_of(dict.fromkeys(ROWS, (1.0,) * block))
    assert still_open(ROWS, goal, records, block) == (set(ROWS) if runs else set())


def test_rows_that_take_part_in_only_some_rounds_run_in_as_many_as_the_others() -> None:
    goal = Goal(workers=3, effect=EFFECT, time_s=1.0)
    records = records_of({A: (1.0,) * 4, B: (1.0,) * 2})
    assert still_open((A, B, C), goal, records, 4) == {B, C}
    assert still_open((A, B, C), UNTIL_TIGHT, records_of({A: (1.0,) * 4, B: (1.0,)}), 4) == {C}


def test_with_a_number_of_workers_rows_that_are_settled_or_unranked_go_on() -> None:
    steady = {A: times(1.0, STEADY), B: times(2.0, STEADY)}
    goal = Goal(workers=9, effect=EFFECT, time_s=1.0)
    assert open_rows(steady, unranked=[B], goal=goal) == {A, B}
    assert open_rows(steady, unranked=[B]) != {A, B}


@pytest.mark.parametrize("workers", [9, None])
def test_a_row_that_failed_is_not_tried_again(workers: int | None) -> None:
    goal = Goal(workers=workers, effect=EFFECT, time_s=1200.0)
    assert still_open(ROWS, goal, [failure(B)], 1) == {A, C}
    rough = {row: times(1.0, ROUGH) for row in (A, B)}
    assert still_open((A, B), goal, [*records_of(rough), failure(B, 7)], 8) == {A}


# Until rows are told apart


def test_all_rows_run_in_the_first_round_and_in_the_second_those_that_are_not_far_apart() -> None:
    one = {A: [1.0], B: [1.5], C: [3.0]}
    assert still_open(ROWS, UNTIL_TIGHT, [], 0) == set(ROWS)
    assert open_rows(one, block=1) == {A, B}
    assert open_rows({A: [1.0], C: [3.0]}, block=1) == set()


def test_rows_that_are_far_apart_beyond_doubt_have_told_enough_after_a_few_rounds() -> None:
    assert open_rows({A: times(1.0, STEADY[:3]), B: times(2.0, STEADY[2:5])}, block=3) == set()
    assert open_rows({A: times(1.0, STEADY[:3]), B: times(2.0, ROUGH[:3])}, block=3) == {A, B}


def test_rows_that_are_close_go_on_for_some_rounds_however_steady_they_are() -> None:
    close = {A: times(1.0, STEADY), B: times(1.2, STEADY[::-1])}
    for rounds in range(2, MIN_PRECISE):
        assert open_rows({row: each[:rounds] for row, each in close.items()}, block=rounds) == {A, B}
    assert open_rows(close, block=MIN_PRECISE) == set()


def test_a_slow_row_leaves_and_the_others_go_on() -> None:
    three = {A: times(1.0, STEADY[:4]), B: times(1.1, STEADY[:4][::-1]), C: times(3.0, STEADY[1:5])}
    assert open_rows(three, block=4) == {A, B}


def test_rows_that_are_equal_as_far_as_matters_have_told_enough() -> None:
    assert open_rows({A: times(1.0, STEADY), B: times(1.001, STEADY)}) == set()


def test_rows_that_cannot_be_told_apart_go_on() -> None:
    assert open_rows({A: times(1.0, STEADY), B: times(1.0, ROUGH)}) == {A, B}


def test_the_fastest_goes_on_with_the_rows_that_cannot_be_told_from_it_and_with_no_other() -> None:
    three = {A: times(1.0, STEADY), B: times(1.02, ROUGH), C: times(5.0, STEADY)}
    assert open_rows(three) == {A, B}
    two_rough = {A: times(1.0, STEADY), B: times(1.02, ROUGH), C: times(1.03, ROUGH[::-1])}
    assert open_rows(two_rough) == {A, B, C}


def test_what_is_beyond_doubt_is_settled_though_the_run_detects_little() -> None:
    assert open_rows({A: times(1.0, STEADY), B: times(9.0, ROUGH)}) == set()


def test_rows_that_drift_together_are_told_apart_though_each_alone_would_not_be() -> None:
    assert open_rows({A: times(1.0, DRIFT)}) == {A}
    assert open_rows({A: times(1.0, DRIFT), B: times(2.0, DRIFT)}) == set()


def test_the_size_of_a_difference_that_counts_is_that_of_the_goal() -> None:
    rough = {A: times(1.0, STEADY), B: times(1.0, ROUGH)}
    assert open_rows(rough, goal=Goal(workers=None, effect=0.5, time_s=1.0)) == set()
    steady = {A: times(1.0, STEADY), B: times(1.001, STEADY[::-1])}
    assert open_rows(steady, goal=Goal(workers=None, effect=0.0001, time_s=1.0)) == {A, B}


def test_rows_that_are_not_ranked_are_compared_with_nothing() -> None:
    three = {A: times(0.1, STEADY), B: times(1.0, STEADY), C: times(1.0, ROUGH)}
    assert open_rows(three) == set()  # both are far behind A
    assert open_rows(three, unranked=[A]) == {B, C}
    assert open_rows(three, unranked=[A, C]) == set()  # B is alone, and precise
    assert open_rows(three, unranked=[A, B]) == {C}
    assert open_rows(three, unranked=ROWS) == set()


def test_a_row_that_failed_is_compared_with_nothing() -> None:
    three = {A: times(0.1, STEADY), B: times(1.0, STEADY), C: times(1.0, ROUGH)}
    assert still_open(ROWS, UNTIL_TIGHT, [*records_of(three), failure(A, 7)], 8) == {B, C}


def test_each_task_ends_by_itself() -> None:
    both = {A: times(1.0, STEADY), B: times(2.0, STEADY), ELSEWHERE: times(1.0, ROUGH)}
    assert open_rows(both) == {ELSEWHERE}
    double = a_row("linear_fit", "made_up", "a", precision="float64")
    assert open_rows({A: times(1.0, STEADY), double: times(1.0, ROUGH)}) == {double}


def test_a_task_that_has_told_enough_ends_none_of_those_behind_it() -> None:
    other = a_row("thermometer", "made_up", "b")
    tasks = {
        A: times(1.0, STEADY), B: times(1.0, ROUGH),
        ELSEWHERE: times(1.0, STEADY), other: times(2.0, STEADY),
        a_row("iris_mlp", "made_up", "a"): times(1.0, ROUGH),
    }  # fmt: skip
    assert open_rows(tasks) == {A, B, a_row("iris_mlp", "made_up", "a")}


# A row alone


def test_a_row_alone_goes_on_until_it_would_show_a_change_of_that_size() -> None:
    rough = {A: times(1.0, ROUGH)}
    found = typical(log_times(records_of(rough))[A])
    size = detectable(found.error, found.freedom, 1)
    assert 0.2 < size < 0.5
    for effect, runs in ((0.99 * size, {A}), (size, set())):
        assert open_rows(rough, goal=Goal(workers=None, effect=effect, time_s=1.0)) == runs


def test_a_row_alone_that_is_precise_has_told_enough() -> None:
    assert open_rows({A: times(1.0, STEADY)}) == set()


# The rounds before


def test_only_the_rounds_before_count() -> None:
    rough = records_of({A: times(1.0, STEADY), B: times(1.0, ROUGH)})
    assert still_open((A, B), UNTIL_TIGHT, rough, 8) == {A, B}
    for block in (8, 9):
        assert still_open((A, B), UNTIL_TIGHT, [*rough, failure(A, block)], 8) == {A, B}
    assert still_open((A, B), UNTIL_TIGHT, [*rough, failure(A, 7)], 8) == {B}


# One comparison


@pytest.mark.parametrize(
    ("size", "p", "ratio", "rounds", "enough"),
    [
        (0.05, 1.0, 1.0, MIN_PRECISE, True),
        (0.05, 1.0, 1.0, MIN_PRECISE - 1, False),
        (0.05, 1.0, 1.0, MIN_PRECISE + 1, False),
        (0.05, 1.0, 1.0, MIN_PRECISE + LOOK_EVERY, True),
        (math.inf, BEYOND_DOUBT, 1.1, MIN_PRECISE + 1, True),
        (0.0501, 1.0, 1.0, MIN_PRECISE, False),
        (math.inf, BEYOND_DOUBT, 1.1, MIN_PRECISE, True),
        (math.inf, 1.01 * BEYOND_DOUBT, 1.1, MIN_PRECISE, False),
        (math.inf, BEYOND_DOUBT, 1.1, MIN_PRECISE - 1, False),
        (math.inf, BEYOND_DOUBT, 1.001 * math.exp(FAR), 2, True),
        (math.inf, BEYOND_DOUBT, 0.999 / math.exp(FAR), 2, True),
        (math.inf, 1.01 * BEYOND_DOUBT, 9.0, 2, False),
        (0.01, 0.0, 1.0, MIN_PRECISE, True),
    ],
)
def test_a_comparison_is_settled_by_its_precision_or_beyond_doubt(
    size: float, p: float, ratio: float, rounds: int, enough: bool
) -> None:
    found = Comparison(ratio, None, Judgement("inconclusive", size, p, 1), rounds, 9)
    assert settled(found, EFFECT) == enough


def test_beyond_doubt_is_as_strict_as_haybittle_and_peto() -> None:
    assert BEYOND_DOUBT == 1e-3
