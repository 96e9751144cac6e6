"""What became of each row from one run to another: told with its size, and with what cannot be told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import VANISHED, a_block, a_calibration, a_header, a_parity_result, a_record, a_row

from bench.analysis.changes import (
    KINDS,
    Change,
    Kind,
    changes,
    effect_of,
    good_times,
    log_loops,
    rounds_to_tell,
    speed_change,
    too_slow,
    undecided,
)
from bench.analysis.standing import standings_of
from bench.analysis.stats import MOST_ROUNDS, Estimate, estimate_apart, interval
from bench.records.blocks import Blocks
from bench.records.runfile import Others, Records, Run
from bench.records.schema import Block, Calibration, Goal, ParityResult, Record, Row

ROW, OTHER, THIRD = (a_row("linear_fit", "torch", mode) for mode in ("eager", "compile", "jit"))
ELSEWHERE = a_row("iris_mlp", "torch", "eager")
LOOP_S = 2e-3
EFFECT = 0.05


def a_run(
    times_s: Mapping[Row, float],
    *,
    blocks: int = 8,
    loop_s: float | Mapping[str, float] = LOOP_S,
    noise: float = 0.005,
    seed: int = 0,
    records: Mapping[Row, list[Record]] | None = None,
    parity_results: Mapping[Row, ParityResult] | None = None,
    header_rows: tuple[Row, ...] | None = None,
    calibrated: bool = True,
) -> Run:
    """Return a run whose rows take so many seconds a pass, but for some noise from round to round."""
    rng = np.random.default_rng([seed, 7])
    own = {
        row: [with_pass(row, block, time_s * math.exp(rng.normal(0, noise))) for block in range(blocks)]
        for row, time_s in times_s.items()
    } | dict(records or {})
    tasks = dict.fromkeys(row.task for row in own)
    loops_s = {task: loop_s if isinstance(loop_s, float) else loop_s[task] for task in tasks}
    others = Others(
        blocks=Blocks.of(
            calibrated_block(task, block, loops_s[task] * math.exp(rng.normal(0, 0.003)), calibrated)
            for task in tasks
            for block in range(blocks)
        ),
        parity_results=tuple(({row: a_parity_result(row) for row in own} | dict(parity_results or {})).values()),
        lessons={},
    )
    return Run(
        path=Path("run.jsonl"),
        header=a_header(*(own if header_rows is None else header_rows)),
        records=Records.of(record for each in own.values() for record in each),
        others=lambda: others,
    )


def with_pass(row: Row, block: int, pass_s: float, **more: Any) -> Record:
    """Return the record of a process whose steady passes take so long."""
    return a_record(row, block, 10 * pass_s, *(pass_s,) * 4, **more)


def calibrated_block(task: str, block: int, loop_s: float, calibrated: bool) -> Block:
    loops = {} if calibrated else {"before": None, "after": None}
    return a_block(task, block, loop_s, **loops)


def unfair(row: Row, **more: Any) -> list[Record]:
    """Return records of a row that returns before its work is done."""
    late = {"read_s": (0.05,), "reread_s": (0.0,), **more}
    return [with_pass(row, block, 0.1, timing=late) for block in range(8)]


def change_of(row: Row, then: Run, now: Run, effect: float = EFFECT) -> Change:
    (found,) = (change for change in changes(then, now, effect) if change.row == row)
    return found


THEN = a_run({ROW: 0.1, OTHER: 0.2})
PASSES = (0.1, 0.1, 0.09, 0.5, 0.1, 0.11, 0.05), (0.2, 0.9, 0.2, 0.2, 0.1, 0.15, 0.21)


# Rows that both runs have timed


@pytest.mark.parametrize(
    ("factor", "kind"),
    [(1.2, "slower"), (1.08, "slower"), (1 / 1.2, "faster"), (1.0, "equivalent"), (1.01, "equivalent")],
)
def test_a_row_is_slower_faster_or_equivalent(factor: float, kind: Kind) -> None:
    found = change_of(ROW, THEN, a_run({ROW: factor * 0.1, OTHER: 0.2}, seed=1))
    assert found.kind == kind
    assert found.ratio == pytest.approx(factor, rel=0.01)
    assert found.interval is not None
    assert found.interval.low < factor < found.interval.high
    assert found.interval.high / found.interval.low < 1.03
    assert found.then_s == pytest.approx(0.1, rel=0.01)
    assert found.now_s == pytest.approx(factor * 0.1, rel=0.01)
    assert 0 < found.detectable < EFFECT
    assert found.reason == ""


def test_a_row_takes_the_robust_mean_over_its_processes() -> None:
    then, now = ([with_pass(ROW, block, time_s) for block, time_s in enumerate(times_s)] for times_s in PASSES)
    found = change_of(ROW, a_run({}, records={ROW: then}), a_run({}, records={ROW: now}))
    assert found.then_s == pytest.approx(0.1, rel=0.03)
    assert found.now_s == pytest.approx(0.19, rel=0.03)
    assert found.ratio == pytest.approx((found.now_s or 0) / (found.then_s or 1))


def test_a_run_that_is_compared_with_itself_is_identical() -> None:
    assert [change.kind for change in changes(THEN, THEN, EFFECT)] == ["identical", "identical"]
    rough = a_run({ROW: 0.1}, noise=0.5)
    same = change_of(ROW, rough, rough)
    assert (same.kind, same.ratio, same.then_s) == ("identical", None, same.now_s)
    assert undecided([same], 0.05) == too_slow([same], 0.05) == []
    one_more = replace(rough, records=Records.of([*rough.records, with_pass(ROW, 8, 0.1)]))
    assert change_of(ROW, rough, one_more).kind != "identical"


def test_each_row_is_told_of_by_its_own_times() -> None:
    found = changes(THEN, a_run({ROW: 0.12, OTHER: 0.1}, seed=1), EFFECT)
    assert [(change.row, change.kind) for change in found] == [(ROW, "slower"), (OTHER, "faster")]


def test_a_change_that_matters_is_of_the_size_that_is_asked_for() -> None:
    now = a_run({ROW: 0.102}, seed=1)
    assert change_of(ROW, THEN, now, effect=0.05).kind == "equivalent"
    assert change_of(ROW, THEN, now, effect=0.005).kind == "slower"


def test_times_that_scatter_are_inconclusive() -> None:
    found = change_of(ROW, THEN, a_run({ROW: 0.1}, noise=0.2, seed=1))
    assert found.kind == "inconclusive"
    assert found.detectable > 0.2


@pytest.mark.parametrize(("then_rounds", "now_rounds"), [(1, 8), (8, 1), (1, 1)])
def test_one_round_is_too_few(then_rounds: int, now_rounds: int) -> None:
    found = change_of(ROW, a_run({ROW: 0.1}, blocks=then_rounds), a_run({ROW: 0.2}, blocks=now_rounds, seed=1))
    assert found.kind == "too few rounds"
    assert found.ratio == pytest.approx(2, rel=0.02)
    assert found.interval is None
    assert found.detectable == math.inf


def test_three_rounds_are_enough_to_see_twice_the_time() -> None:
    assert change_of(ROW, a_run({ROW: 0.1}, blocks=3), a_run({ROW: 0.2}, blocks=3, seed=1)).kind == "slower"


def test_the_number_of_rounds_that_would_tell_is_that_for_the_distance_to_the_limit() -> None:
    found = a_change(1.1, 0.05).found
    assert found is not None
    below, above, at = (rounds_to_tell(found, limit) for limit in (0.05, 0.2, 0.1))
    assert 9 < above < below < 400
    assert at == MOST_ROUNDS


def test_the_larger_goal_of_two_runs_is_used() -> None:
    strict, lax = (
        replace(THEN, header=a_header(ROW, OTHER, goal=Goal(workers=None, effect=effect, time_s=1.0)))
        for effect in (0.02, 0.05)
    )
    assert effect_of(strict, lax) == effect_of(lax, strict) == 0.05
    assert effect_of(strict, strict) == 0.02


# The machine


@pytest.mark.parametrize("loop_s", [1.1 * LOOP_S, LOOP_S / 1.1])
def test_nothing_is_divided_by_the_calibration_loop(loop_s: float) -> None:
    plain, other = (a_run({ROW: 0.12}, loop_s=each, seed=1) for each in (LOOP_S, loop_s))
    assert change_of(ROW, THEN, plain) == change_of(ROW, THEN, other)
    assert change_of(ROW, THEN, plain).kind == "slower"


def test_the_interval_is_that_of_the_processes_of_both_runs() -> None:
    now = a_run({ROW: 0.13}, seed=1)
    logs = [good_times(run, standings_of(run))[ROW].times[:, 0].tolist() for run in (THEN, now)]
    assert change_of(ROW, THEN, now).interval == interval(estimate_apart(logs[1], logs[0]))


def test_without_any_calibration_the_speed_of_the_machine_is_not_known() -> None:
    then, now = (a_run({ROW: time_s}, calibrated=False, seed=i) for i, time_s in enumerate((0.1, 0.12)))
    assert change_of(ROW, then, now).kind == "slower"
    assert math.isnan(speed_change(then, now).mean)


def test_the_loop_of_a_round_is_the_mean_of_both_calibrations_or_the_only_one() -> None:
    run = a_run({ROW: 0.1}, blocks=1)
    loops: list[tuple[Calibration | None, Calibration | None]] = [
        (a_calibration(1e-3), a_calibration(4e-3)),
        (a_calibration(1e-3), None),
        (None, a_calibration(4e-3)),
        (None, None),
    ]
    blocks = tuple(a_block("iris_mlp", i, before=before, after=after) for i, (before, after) in enumerate(loops))
    found = log_loops(replace(run, others=lambda: replace(run.others(), blocks=Blocks.of(blocks))))
    assert {key: math.exp(loop) for key, loop in found.items()} == pytest.approx(
        {("iris_mlp", 0): 2e-3, ("iris_mlp", 1): 1e-3, ("iris_mlp", 2): 4e-3}
    )


@pytest.mark.parametrize("factor", [1.5, 1 / 1.5])
def test_the_change_of_the_machine_is_told_as_how_much_longer_the_loop_takes_now(factor: float) -> None:
    found = speed_change(THEN, a_run({ROW: 0.1}, loop_s=factor * LOOP_S, seed=1))
    assert found.ratio == pytest.approx(factor, rel=0.005)


# Rows that only one run has good times of


def test_a_row_that_is_not_among_the_rows_any_more_is_missing() -> None:
    found = change_of(OTHER, THEN, a_run({ROW: 0.1}, seed=1))
    assert found == Change(row=OTHER, kind="missing", reason="not among the rows of the run")


def test_a_row_that_failed_is_missing_with_the_first_line_of_the_reason() -> None:
    failed = [with_pass(OTHER, 0, 0.2), a_record(OTHER, 1, status="crashed", reason="was killed\nby SIGKILL")]
    another = [a_record(THIRD, status="timeout")]
    found = change_of(OTHER, THEN, a_run({ROW: 0.1}, records={THIRD: another, OTHER: failed}, seed=1))
    assert found == Change(row=OTHER, kind="missing", reason="crashed: was killed")


def test_a_failure_that_was_tried_again_counts_no_more() -> None:
    again = [a_record(OTHER, 1, status="crashed"), *(with_pass(OTHER, block, 0.2) for block in range(8))]
    assert change_of(OTHER, THEN, a_run({ROW: 0.1}, records={OTHER: again}, seed=1)).kind == "equivalent"


def test_a_row_that_has_not_been_run_is_missing() -> None:
    found = change_of(OTHER, THEN, a_run({ROW: 0.1}, header_rows=(ROW, OTHER), seed=1))
    assert found == Change(row=OTHER, kind="missing", reason="has not been run")


def test_a_row_whose_times_are_unfair_now_is_missing_with_its_flag() -> None:
    found = change_of(OTHER, THEN, a_run({ROW: 0.1}, records={OTHER: unfair(OTHER)}, seed=1))
    assert found.kind == "missing"
    assert found.reason == "does not wait: 50% of a pass was left to do when train returned"


def test_all_that_is_unfair_is_told_and_nothing_else() -> None:
    both = unfair(OTHER, flops_per_pass=5 * 10**10, steady=VANISHED)
    found = change_of(OTHER, THEN, a_run({ROW: 0.1}, records={OTHER: both}, seed=1))
    first, second = found.reason.split("; ")
    assert first.startswith("does not wait")
    assert second.startswith("5.00 times as fast")


def test_a_flag_that_is_not_unfair_leaves_a_row_in() -> None:
    noted = [with_pass(OTHER, block, 0.2, timing={"steady": VANISHED}) for block in range(8)]
    assert change_of(OTHER, THEN, a_run({ROW: 0.1}, records={OTHER: noted}, seed=1)).kind == "equivalent"


def test_a_row_that_does_not_compute_its_task_any_more_is_wrong() -> None:
    verdict = a_parity_result(OTHER, agrees=False, reason="loss at step 7 departs")
    found = change_of(OTHER, THEN, a_run({ROW: 0.1, OTHER: 0.2}, parity_results={OTHER: verdict}, seed=1))
    assert found == Change(row=OTHER, kind="wrong", reason="parity: loss at step 7 departs")


@pytest.mark.parametrize("agrees", [None, False])
def test_a_row_that_is_not_known_to_be_right_has_no_good_times(agrees: bool | None) -> None:
    run = a_run({ROW: 0.1, OTHER: 0.2}, parity_results={OTHER: a_parity_result(OTHER, agrees=agrees)})
    assert set(good_times(run, standings_of(run))) == {ROW}


def test_a_row_of_which_parity_cannot_be_told_says_so() -> None:
    verdict = a_parity_result(OTHER, agrees=None, status="failed", reason="no reference: out of memory")
    now = a_run({ROW: 0.1, OTHER: 0.2}, parity_results={OTHER: verdict}, seed=1)
    reason = "could not be checked: failed: no reference: out of memory"
    assert change_of(OTHER, THEN, now) == Change(row=OTHER, kind="missing", reason=reason)


def test_good_times_are_logarithms_by_round() -> None:
    times = good_times(THEN, standings_of(THEN))
    assert {row: rounds.numbers.tolist() for row, rounds in times.items()} == {
        row: list(range(8)) for row in (ROW, OTHER)
    }
    assert np.exp(times[OTHER].times[3]) == pytest.approx(0.2, rel=0.03)


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        ({}, "not among the rows of the run"),
        ({"records": {OTHER: [a_record(OTHER, status="timeout", reason="no result")]}}, "timeout: no result"),
        (
            {
                "times_s": {ROW: 0.1, OTHER: 0.2},
                "parity_results": {OTHER: a_parity_result(OTHER, agrees=False, reason="departs")},
            },
            "parity: departs",
        ),
        (
            {"records": {OTHER: unfair(OTHER)}},
            "does not wait: 50% of a pass was left to do when train returned",
        ),
    ],
    ids=["not there", "failed", "wrong", "unfair"],
)
def test_a_row_that_only_the_later_run_has_good_times_of_is_new(then: dict[str, Any], reason: str) -> None:
    found = change_of(OTHER, a_run(**{"times_s": {ROW: 0.1}, **then}), a_run({ROW: 0.1, OTHER: 0.2}, seed=1))
    assert found == Change(row=OTHER, kind="new", reason=f"then: {reason}")


def test_a_row_that_neither_run_has_good_times_of_is_told_all_the_same() -> None:
    wrong = a_run(
        {ROW: 0.1, OTHER: 0.2}, parity_results={OTHER: a_parity_result(OTHER, agrees=False, reason="departs")}
    )
    assert change_of(OTHER, wrong, wrong) == Change(row=OTHER, kind="wrong", reason="then and now: parity: departs")
    broken = a_run({ROW: 0.1}, records={OTHER: [a_record(OTHER, status="crashed", reason="killed")]})
    assert change_of(OTHER, broken, broken).kind == "missing"


def test_a_row_that_is_unsupported_in_both_runs_is_no_fault() -> None:
    none = [a_record(OTHER, status="unsupported", reason="pip install other")]
    without = a_run({ROW: 0.1}, records={OTHER: none})
    reason = "then and now: unsupported: pip install other"
    assert change_of(OTHER, without, without) == Change(row=OTHER, kind="unsupported", reason=reason)
    gone = change_of(OTHER, THEN, without)
    assert gone == Change(row=OTHER, kind="missing", reason="unsupported: pip install other")


# Order and limits


def test_the_worst_comes_first() -> None:
    modes = ("missing", "wrong", "much slower", "slower", "equivalent", "faster", "much faster", "new")
    factors = dict(zip(modes[2:7], (1.5, 1.2, 1.0, 1 / 1.2, 1 / 1.5), strict=True))
    rows = {mode: a_row("linear_fit", "torch", mode) for mode in modes}
    then = a_run({rows[mode]: 0.1 for mode in reversed(modes) if mode != "new"})
    now = a_run(
        {rows[mode]: 0.1 * factors.get(mode, 1.0) for mode in modes if mode != "missing"},
        parity_results={rows["wrong"]: a_parity_result(rows["wrong"], agrees=False)},
        seed=1,
    )
    assert [change.row.mode for change in changes(then, now, EFFECT)] == [
        *("much slower", "slower", "wrong", "missing"),
        *("faster", "much faster", "equivalent", "new"),
    ]


def test_the_kinds_stand_in_the_order_in_which_they_are_shown() -> None:
    assert (
        *("slower", "wrong", "missing", "inconclusive", "too few rounds"),
        *("faster", "equivalent", "identical", "new", "unsupported"),
    ) == KINDS


def test_rows_without_a_ratio_stay_in_the_order_of_the_run() -> None:
    found = changes(a_run({OTHER: 0.2, ROW: 0.1, THIRD: 0.3}), a_run({}, blocks=0), EFFECT)
    assert [change.row for change in found] == [OTHER, ROW, THIRD]


def a_change(ratio: float, error: float, row: Row = ROW, rounds: int = 9, kind: Kind = "slower") -> Change:
    found = Estimate(math.log(ratio), error**2 * rounds, rounds, rounds - 1, rounds)
    return Change(row=row, kind=kind, found=found)


ABSENT = [Change(row=ROW, kind=kind) for kind in ("wrong", "missing", "new", "unsupported")]


def test_too_slow_is_what_is_surely_slower_by_more_than_the_limit() -> None:
    sure, not_sure = a_change(1.1, 0.01), a_change(1.1, 0.04, OTHER)
    assert too_slow([*ABSENT, sure, not_sure], 0.05) == [sure]
    assert too_slow([sure], 0.09) == []
    assert too_slow([sure, not_sure], 0.2) == []


def test_a_row_is_surely_too_slow_among_many_only_with_more_certainty() -> None:
    close = a_change(1.1, 0.018)
    others = [a_change(1.0, 0.018, a_row("linear_fit", "torch", f"{place}")) for place in range(9)]
    assert too_slow([close], 0.05) == [close]
    assert too_slow([close, *others], 0.05) == []


def test_undecided_is_what_may_be_slower_by_more_than_the_limit_and_may_not() -> None:
    open_, surely_not, surely = a_change(1.04, 0.02), a_change(1.0, 0.01, OTHER), a_change(1.5, 0.01, THIRD)
    assert undecided([*ABSENT, open_, surely_not, surely], 0.05) == [open_]
    assert undecided([open_], 0.2) == []
    one_round = replace(open_, found=Estimate(0.0, math.inf, 1, 0, 1))
    assert undecided([one_round], 0.05) == [one_round]
