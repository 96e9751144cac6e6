"""Which rows are ranked, and the one sentence that says why the others are not."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from support import VANISHED, a_header, a_parity_result, a_record, a_row, write_run

from bench.analysis.standing import ABSENT, RANKED, Standing, standings, standings_of
from bench.records.runfile import Records, read_run
from bench.records.schema import ParityResult, Record
from bench.runs.runner import unranked

ROW, OTHER = (a_row("linear_fit", name, "x") for name in ("one", "other"))
GOOD = a_record(ROW, 0, 1.0, 0.25)
LATE = a_record(ROW, 0, 1.0, 0.25, timing={"read_s": (0.125, 0.125)})
NOTED = a_record(ROW, 0, 1.0, 0.25, timing={"steady": VANISHED})
CRASHED = a_record(ROW, 1, status="crashed", reason="was killed\nTraceback")
UNFAIR = "does not wait: 50% of a pass was left to do when train returned"


def result(**changes: Any) -> ParityResult:
    return a_parity_result(ROW, **changes)


@pytest.mark.parametrize(
    ("parity", "records", "expected"),
    [
        (result(), [GOOD], RANKED),
        (result(), [NOTED], RANKED),  # a flag that is not unfair
        (result(), [LATE], Standing("unfair", UNFAIR)),
        (result(agrees=False, reason="loss 2 departs"), [GOOD], Standing("wrong", "parity: loss 2 departs")),
        (result(agrees=False, reason="loss 2 departs"), [], Standing("wrong", "parity: loss 2 departs")),
        (
            result(agrees=None, status="timeout", reason="no reply"),
            [GOOD],
            Standing("not checked", "could not be checked: timeout: no reply"),
        ),
        (
            result(agrees=None, status="timeout", reason="no reply"),
            [],
            Standing("not checked", "could not be checked: timeout: no reply"),
        ),
        (
            result(agrees=None, reason="no envelope"),
            [GOOD],
            Standing("not checked", "could not be checked: no envelope"),
        ),
        (None, [GOOD], Standing("not checked", "could not be checked: no result")),
        (result(agrees=None), [], Standing("not run", "has not been run")),
        (result(), [], Standing("not run", "has not been run")),
        (None, [], Standing("not run", "has not been run")),
        (result(), [GOOD, CRASHED], Standing("failed", "crashed: was killed\nTraceback")),
    ],
)
def test_a_row_is_ranked_where_it_ran_is_right_and_its_times_are_fair(
    parity: ParityResult | None, records: Iterable[Record], expected: Standing
) -> None:
    assert standings([ROW], {ROW: parity} if parity else {}, Records.of(records)) == {ROW: expected}
    assert expected.ranked == (expected is RANKED)


def test_a_failure_is_told_before_a_wrong_number_and_that_before_unfair_times() -> None:
    wrong = {ROW: result(agrees=False, reason="loss 2 departs")}
    assert standings([ROW], wrong, Records.of([LATE, CRASHED]))[ROW].cause == "failed"
    assert standings([ROW], wrong, Records.of([LATE]))[ROW].cause == "wrong"


def test_of_several_failures_the_first_is_told() -> None:
    later = a_record(ROW, 2, status="timeout", reason="no reply")
    assert standings([ROW], {}, Records.of([GOOD, CRASHED, later]))[ROW].why_not == "crashed: was killed"


def test_one_line_says_why_not() -> None:
    assert Standing("failed", "crashed: was killed\nTraceback").why_not == "crashed: was killed"
    assert (RANKED.why_not, RANKED.ranked) == ("", True)
    assert (ABSENT.why_not, ABSENT.ranked) == ("not among the rows of the run", False)


def test_each_row_stands_by_its_own_records() -> None:
    parity = {row: a_parity_result(row) for row in (ROW, OTHER)}
    found = standings([ROW, OTHER], parity, Records.of([GOOD, a_record(OTHER, status="failed", reason="no")]))
    assert found == {ROW: RANKED, OTHER: Standing("failed", "failed: no")}


def test_a_run_has_a_standing_for_every_row_of_its_header(tmp_path: Path) -> None:
    lines = [a_record(ROW, 1, status="timeout"), a_record(ROW, 1, 1.0, 0.25), a_parity_result(ROW)]
    run = read_run(write_run(tmp_path / "run", a_header(OTHER, ROW), lines))
    assert standings_of(run) == {OTHER: Standing("not run", "has not been run"), ROW: RANKED}  # tried again


def test_the_stopping_rule_passes_over_the_rows_that_are_not_ranked() -> None:
    parity = {ROW: result(), OTHER: a_parity_result(OTHER, agrees=False)}
    assert unranked(parity, Records.of([GOOD, a_record(OTHER, 0, 1.0, 0.2)])) == {OTHER}
    assert unranked(parity, Records.of([LATE, a_record(OTHER, 0, 1.0, 0.2)])) == {ROW, OTHER}
    assert unranked({ROW: result()}, Records.of([GOOD])) == set()
