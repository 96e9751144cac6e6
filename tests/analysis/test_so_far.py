"""What is told of the rows of a task while a run goes on."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_runs import FAST, GONE, SLOW, WRONG, noisy, right
from support import a_parity_result, a_record

from bench.analysis.comparison import groups
from bench.analysis.so_far import rows_so_far
from bench.analysis.standing import standings
from bench.analysis.turns import timed, wall_times
from bench.events import RowSoFar
from bench.records.columns import Columns
from bench.records.runfile import Records
from bench.records.schema import Goal, Line, ParityResult, Record

ROWS = (SLOW, FAST, WRONG, GONE)
GOAL = Goal(workers=None, effect=0.05, time_s=400.0)


def told(lines: list[Line]) -> dict[str, RowSoFar]:
    records = Records.of(line for line in lines if isinstance(line, Record))
    parity = {line.row: line for line in lines if isinstance(line, ParityResult)}
    found = rows_so_far(ROWS, GOAL, records.columns, standings(ROWS, parity, records))
    return {each.name: each for each in found}


def lines_of(rounds: int) -> list[Line]:
    times = {FAST: noisy(0.1, rounds, 0.02), SLOW: noisy(0.12, rounds, 0.02, seed=1)}
    return [*right(times), a_record(WRONG, 0, 1.0, 0.01), a_parity_result(WRONG, agrees=False, reason="loss 2")]


def test_rows_are_told_as_the_table_would_the_fastest_first() -> None:
    lines = lines_of(4)
    found = told(lines)
    assert list(found)[:2] == ["fast x", "slow x"]
    records = Columns.of(line for line in lines if isinstance(line, Record))
    (group,) = groups({row: each for row, each in wall_times(timed(records)).items() if row != WRONG}, GOAL.effect)
    compared = group.compared_with_fastest()[SLOW]
    assert compared.interval is not None
    slow = found["slow x"]
    assert (slow.ratio, slow.low, slow.high) == (compared.ratio, compared.interval.low, compared.interval.high)
    assert (found["fast x"].ratio, found["fast x"].low) == (1.0, None)
    assert slow.pass_s == pytest.approx(0.12, rel=0.1)
    assert (slow.rounds, slow.state) == (4, "goes on")


def test_intervals_shrink_as_rounds_come() -> None:
    widths = []
    for rounds in (1, 3, 12):
        slow = told(lines_of(rounds))["slow x"]
        assert slow.low is not None
        assert slow.high is not None
        widths.append(slow.high / slow.low)
    assert list(np.sort(widths)[::-1]) == widths


def test_a_row_that_is_wrong_or_failed_has_no_number() -> None:
    lines = [*lines_of(2), a_record(GONE, status="crashed", reason="killed")]
    found = told(lines)
    assert (found["wrong x"].state, found["wrong x"].ratio, found["wrong x"].pass_s) == ("not ranked", None, None)
    assert found["wrong x"].reason == "parity: loss 2"
    assert (found["gone x"].state, found["gone x"].reason) == ("failed", "crashed: killed")


def test_rows_wait_before_their_first_round_and_are_done_when_the_rule_says_so() -> None:
    waiting = told([a_parity_result(row) for row in ROWS])
    assert {each.state for each in waiting.values()} == {"waiting"}
    times = {FAST: noisy(0.1, 4, 0.01), SLOW: noisy(0.5, 4, 0.01, seed=1)}
    assert told(right(times))["slow x"].state == "done"
