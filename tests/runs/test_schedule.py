"""How a run goes: its order, when it ends, what it passes over, and how it is gone on with; on a made-up machine."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from synthetic import (
    CALIBRATION_S,
    ROUND_TURNS,
    SAMPLE_S,
    TURN_S,
    MockExecutor,
    Nobody,
    a_plan,
    lines_of,
    records_of,
    rows_of,
)

from bench.analysis.comparison import groups
from bench.analysis.stopping import MIN_PRECISE, still_open
from bench.analysis.turns import log_times
from bench.harness.live import Sample
from bench.harness.turns import LONG_PASS_S
from bench.records.columns import Columns
from bench.records.schema import Block, Calibration, CoreTimes, Job, Record, Row
from bench.runs.plan import Plan, round_order, turn_order
from bench.runs.schedule import (
    FAR_BEHIND,
    FIRST_TURNS,
    INFERENCE_SHARE,
    LEARNING_S,
    LEARNING_SHARE,
    MAX_TURNS,
    MIN_TURNS,
    SERVING_S,
    SERVING_TURNS,
    run_rounds,
)

A, B, C = ROWS = rows_of("a", "b", "c")
OTHERS = rows_of("a", "b", task="thermometer")


def an_executor(pass_s: Iterable[float] = (0.02, 0.02, 0.02), seed: int = 0, **more: object) -> MockExecutor:
    times = {**dict(zip(ROWS, pass_s, strict=True)), **dict.fromkeys(OTHERS, 0.01)}
    return MockExecutor(times, np.random.default_rng(seed), **more)  # type: ignore[arg-type]


def order_of(records: Iterable[Record]) -> list[tuple[Row, int]]:
    return [(record.job.row, record.job.block) for record in records]


def blocks_of(records: Iterable[Record]) -> Counter[Row]:
    return Counter(record.job.row for record in records)


# Order


def test_the_header_s_rows_and_seed_give_the_order_in_which_a_run_ran() -> None:
    plan = a_plan((*ROWS, *OTHERS), workers=5, seed=11)
    expected = [
        (row, block)
        for block in range(5)
        for rows in plan.tasks.values()
        for row in round_order(rows, seed=11, block=block)
    ]
    assert order_of(records_of(plan, an_executor())) == expected


def test_the_rows_of_a_task_run_side_by_side_in_every_block() -> None:
    plan = a_plan((A, OTHERS[0], B, OTHERS[1], C), workers=4)
    for line in range(0, 20, 5):
        tasks = [record.job.row.task for record in records_of(plan, an_executor())[line : line + 5]]
        assert tasks == ["linear_fit"] * 3 + ["thermometer"] * 2


def test_the_order_does_not_depend_on_which_rows_have_told_enough() -> None:
    plan, fast_and_two = a_plan(ROWS, seed=4, time_s=3000.0), an_executor((0.02, 0.02, 0.9), sd=0.06)
    for row, block in order_of(records_of(plan, fast_and_two)):
        order = [each for each in round_order(ROWS, seed=4, block=block) if block < 4 or each != C]
        assert row in order
    later = [row for row, block in order_of(records_of(plan, an_executor((0.02, 0.02, 0.9), sd=0.06))) if block == 8]
    assert later == [row for row in round_order(ROWS, seed=4, block=8) if row != C]


# Turns


def test_in_each_turn_every_row_trains_once_in_an_order_drawn_for_it() -> None:
    executor = an_executor()
    records_of(a_plan(ROWS, workers=2, seed=11), executor)
    expected = [
        (row, turn)
        for block in (0, 1)
        for turn in range(MIN_TURNS if block == 0 else ROUND_TURNS)  # the first round has fewer
        for row in turn_order(ROWS, seed=11, block=block, turn=turn)
    ]
    assert executor.turns == expected


@pytest.mark.parametrize(
    ("start_s", "first", "later"),
    [(0.0, MIN_TURNS, MIN_TURNS), (30 * TURN_S, MIN_TURNS, 30), (1e3, MIN_TURNS, MAX_TURNS)],
)
def test_turns_take_as_long_as_starting_did_within_limits_and_the_first_round_has_five_at_most(
    start_s: float, first: int, later: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthetic.SAMPLE_S", start_s)
    records = records_of(a_plan([A], workers=2), an_executor())
    assert [len(record.timing.turns.passes) for record in records] == [first, later]


def test_in_the_first_round_a_row_whose_turns_are_long_leaves_after_two() -> None:
    executor = an_executor((0.02, 0.02, 2.0), turn_s={C: 4.0})
    records = records_of(a_plan(ROWS, workers=2), executor)
    counts = {(r.job.row, r.job.block): len(r.timing.turns.passes) for r in records if r.timing and r.timing.turns}
    assert (counts[C, 0], counts[A, 0], counts[B, 0]) == (FIRST_TURNS, MIN_TURNS, MIN_TURNS)
    assert counts[C, 1] == counts[A, 1] == counts[B, 1] == MIN_TURNS
    (group,) = groups(log_times(record for record in records if record.job.block == 0), 0.05)
    assert group.compared_with_fastest()[C].ratio == pytest.approx(100, rel=0.2)


OTHER_MODES = rows_of(*"defghijklmno")
FAST_S = 1.0  # of a pass; five times that is far behind
TURNS_OF = pytest.mark.parametrize(
    ("fast_s", "slow_s", "turns"),
    [
        (FAST_S, 1.01 * FAR_BEHIND * FAST_S, 1),
        (FAST_S, 0.99 * FAR_BEHIND * FAST_S, FIRST_TURNS),
        (0.02, 1.01 * LONG_PASS_S, 1),
        (0.02, 0.99 * LONG_PASS_S, FIRST_TURNS),  # far behind, but disturbances last as long as its passes
    ],
)


@TURNS_OF
def test_a_row_far_behind_whose_passes_take_seconds_leaves_the_first_round_after_a_turn(
    fast_s: float, slow_s: float, turns: int
) -> None:
    executor = an_executor((fast_s, slow_s, fast_s), sd=0.0, within=0.0, turn_s={B: slow_s})
    executor.first_pass_s = 100.0
    records = records_of(a_plan(ROWS, workers=2), executor)
    counts = {(r.job.row, r.job.block): len(r.timing.turns.passes) for r in records if r.timing and r.timing.turns}
    assert [counts[row, 0] for row in ROWS] == [MIN_TURNS, turns, MIN_TURNS]
    assert [counts[row, 1] for row in ROWS] == [MIN_TURNS] * 3
    (group,) = groups(log_times(record for record in records if record.job.block == 0), 0.05)
    assert group.compared_with(A)[B].ratio == pytest.approx(slow_s / fast_s)


def test_how_many_turns_a_row_has_depends_on_first_trainings_and_not_on_turns() -> None:
    slow_later = an_executor((0.02, 1.9, 0.02), sd=0.0, within=0.0, speed=lambda now_s: 1 + (now_s > 3 * SAMPLE_S))
    slow_later.first_pass_s = 100.0
    found = {record.job.row: record for record in records_of(a_plan(ROWS, workers=1), slow_later)}
    assert min(found[B].timing.turns.wall_s) > LONG_PASS_S
    assert len(found[B].timing.turns.passes) == MIN_TURNS


def test_a_single_turn_settles_a_row_far_behind_even_if_it_was_disturbed() -> None:
    seen_s = FAR_BEHIND / 2  # what is seen of a row that is just far enough, if something doubled the fastest's times
    rows = (A, B, *OTHER_MODES)
    executor = MockExecutor(dict.fromkeys(rows, FAST_S) | {B: 1.01 * FAR_BEHIND}, np.random.default_rng(0), sd=0.0)
    executor.first_pass_s, executor.within = 100.0, 0.0
    first = records_of(a_plan(rows, workers=1), executor)
    (of_b,) = (record for record in first if record.job.row == B)
    assert of_b.timing.turns.passes == (1,)
    turns = msgspec.structs.replace(of_b.timing.turns, wall_s=(seen_s,))
    disturbed = msgspec.structs.replace(of_b, timing=msgspec.structs.replace(of_b.timing, turns=turns))
    found = Columns.of([record for record in first if record is not of_b] + [disturbed])
    assert still_open(rows, a_plan(rows).goal, found, 1) == set(rows) - {B}


def test_a_row_of_long_passes_that_is_alone_has_all_turns() -> None:
    (record,) = records_of(a_plan([A], workers=1), an_executor((30.0, 1.0, 1.0), turn_s={A: 30.0}))
    assert len(record.timing.turns.passes) == MIN_TURNS


def test_a_process_that_dies_in_a_turn_is_a_failure_of_its_row_and_the_others_go_on() -> None:
    executor = an_executor(dies_in_turn={B: 3})
    found = {record.job.row: record for record in records_of(a_plan(ROWS, workers=1), executor)}
    assert {row: record.status for row, record in found.items()} == {A: "ok", B: "crashed", C: "ok"}
    assert found[B].timing is None
    for row in (A, C):
        assert len(found[row].timing.turns.passes) == MIN_TURNS
    assert [turn for row, turn in executor.turns if row == B] == [0, 1, 2, 3]


def test_the_audience_is_told_that_a_process_died_in_a_turn() -> None:
    nobody = Nobody()
    list(run_rounds(a_plan(ROWS, workers=1), an_executor(dies_in_turn={B: 3}), nobody))
    assert nobody.outcomes[-1] == ("linear_fit turns #1", "crashed")
    nobody = Nobody()
    list(run_rounds(a_plan(ROWS, workers=1), an_executor(broken=frozenset([B])), nobody))
    assert nobody.outcomes[-1] == ("linear_fit turns #1", "ok")
    assert (f"{B} #1", "crashed") in nobody.outcomes


class Interrupted(MockExecutor):
    """The user interrupts it in the tenth turn."""

    def core_times(self) -> CoreTimes | None:
        if len(self.jobs) == len(ROWS):
            self.speed = self.interrupt
        return super().core_times()

    def interrupt(self, now_s: float) -> float:
        if len(self.turns) == 10 + len(ROWS) * MIN_TURNS:
            raise KeyboardInterrupt
        return 1.0


def test_an_interrupt_in_a_turn_ends_all_processes_and_what_was_finished_is_kept() -> None:
    executor = Interrupted(dict.fromkeys(ROWS, 0.02), np.random.default_rng(0))
    finished = []
    with pytest.raises(KeyboardInterrupt):
        finished.extend(run_rounds(a_plan(ROWS, workers=3), executor, Nobody()))
    assert executor.alive == 0
    assert len(executor.jobs) == 2 * len(ROWS)


# Memory


def test_rows_that_do_not_fit_side_by_side_run_in_successive_rounds_with_the_fastest() -> None:
    rows = rows_of(*"abcdefg")
    pass_s = dict(zip(rows, (5.0, 4.0, 3.0, 1.0, 3.0, 4.0, 5.0), strict=True))
    executor = MockExecutor(pass_s, np.random.default_rng(0), free_bytes=5 * 2**30, takes_bytes=5 * 2**28)
    records = records_of(a_plan(rows, workers=2), executor)
    rounds = [{r.job.row for r in records if r.job.block == number} for number in range(records[-1].job.block + 1)]
    assert {len(each) for each in rounds[:-1]} == {3}  # of 5 GiB, 4.5 are used
    assert min(blocks_of(records).values()) == 2
    found = next(number for number, each in enumerate(rounds) if rows[3] in each)
    assert all(rows[3] in each for each in rounds[found:])


@pytest.mark.parametrize(("takes_bytes", "side_by_side"), [(2**28, 7), (2**30, 3)])
def test_in_the_first_round_a_row_comes_if_it_fits_beside_what_the_others_have_taken(
    takes_bytes: int, side_by_side: int
) -> None:
    rows = rows_of(*"abcdefg")  # each is bounded by 1.2 GiB before a process of it is known; of 4 GiB, 3.6 are used
    executor = MockExecutor(
        dict.fromkeys(rows, 1.0), np.random.default_rng(0), free_bytes=2**32, takes_bytes=takes_bytes
    )
    records = records_of(a_plan(rows, workers=1), executor)
    assert len([record for record in records if record.job.block == 0]) == side_by_side
    assert blocks_of(records).keys() == set(rows)


@pytest.mark.parametrize("free_gib", [0.5, 1.2])
def test_rows_of_which_one_alone_fits_or_none_run_alone_and_each_of_them_does(free_gib: float) -> None:
    executor = an_executor(free_bytes=int(free_gib * 2**30), takes_bytes=2**30)
    records = records_of(a_plan(ROWS, workers=3), executor)
    assert [len({r.job.row for r in records if r.job.block == number}) for number in range(9)] == [1] * 9
    assert blocks_of(records) == dict.fromkeys(ROWS, 3)


# Enough


def test_a_number_of_workers_is_kept_whatever_they_tell() -> None:
    assert blocks_of(records_of(a_plan(ROWS, workers=3), an_executor(sd=0.0001))) == dict.fromkeys(ROWS, 3)
    long = a_plan(ROWS, workers=9, time_s=1.0)
    assert blocks_of(records_of(long, an_executor(sd=0.5))) == dict.fromkeys(ROWS, 9)


def test_a_run_ends_as_soon_as_its_intervals_are_tight() -> None:
    assert blocks_of(records_of(a_plan(ROWS), an_executor(sd=0.005))) == dict.fromkeys(ROWS, MIN_PRECISE)


def test_a_run_goes_on_while_its_intervals_are_wide_and_ends_when_they_are_not() -> None:
    records = records_of(a_plan(ROWS, time_s=1e9), an_executor(sd=0.05))
    counts = blocks_of(records)
    assert min(counts.values()) > MIN_PRECISE
    (group,) = groups(log_times(records), 0.05)
    assert all(each.judged.detectable <= 0.05 for each in group.compared_with_fastest().values())


def test_a_smaller_difference_takes_more_blocks() -> None:
    counts = [
        max(blocks_of(records_of(a_plan(ROWS, effect=effect, time_s=1e9), an_executor())).values())
        for effect in (0.10, 0.05, 0.02)
    ]
    assert counts == sorted(counts)
    assert counts[2] > 2 * counts[1]


def test_what_is_beyond_doubt_is_passed_over_and_the_fastest_stays_with_what_is_not() -> None:
    counts = blocks_of(records_of(a_plan(ROWS, time_s=1e9), an_executor((0.02, 0.0201, 0.5), sd=0.06)))
    assert counts[C] <= 4
    assert counts[A] == counts[B] > MIN_PRECISE


def test_a_row_alone_runs_until_a_later_run_could_be_compared_with_it() -> None:
    few, many = (len(records_of(a_plan([A], time_s=1e9), an_executor(sd=sd))) for sd in (0.005, 0.1))
    assert (few, many > 2 * MIN_PRECISE) == (MIN_PRECISE, True)


def test_rows_that_compute_something_else_are_compared_with_nothing() -> None:
    executor = an_executor((0.001, 0.02, 0.02), sd=0.05)  # the wrong one is the fastest
    plan = a_plan(ROWS, time_s=1e9)
    records = [s.record for s in run_rounds(plan, executor, Nobody(), unranked=lambda: [A]) if isinstance(s, Sample)]
    counts = blocks_of(records)
    assert counts[A] == 1
    assert counts[B] == counts[C] > MIN_PRECISE


def test_a_row_that_fails_is_not_tried_again_and_costs_the_others_nothing() -> None:
    records = records_of(a_plan(ROWS, workers=4), an_executor(broken=frozenset([B])))
    assert blocks_of(records) == {A: 4, B: 1, C: 4}


def test_a_run_of_rows_that_all_fail_ends() -> None:
    records = records_of(a_plan(ROWS), an_executor(broken=frozenset(ROWS)))
    assert blocks_of(records) == dict.fromkeys(ROWS, 1)


def test_what_is_open_depends_on_the_blocks_before_alone() -> None:
    plan = a_plan(ROWS, time_s=1e9)
    records = records_of(plan, an_executor((0.02, 0.02, 0.9), sd=0.06))
    later = [msgspec.structs.replace(r, status="crashed") if r.job.block == 8 else r for r in records]
    assert (
        still_open(ROWS, plan.goal, Columns.of(records), 8)
        == still_open(ROWS, plan.goal, Columns.of(later), 8)
        == {A, B}
    )
    assert not still_open(ROWS, plan.goal, Columns.of(later), 9) & {A, B}


# Time


def test_no_block_begins_that_would_end_after_the_time() -> None:
    executor = an_executor(sd=0.05)
    first_s = 3 * (SAMPLE_S + MIN_TURNS * TURN_S) + 2 * CALIBRATION_S
    later_s = 2 * 3 * SAMPLE_S + 2 * CALIBRATION_S
    records_of(a_plan(ROWS, time_s=first_s + 6.5 * later_s), executor)
    assert executor.now_s == pytest.approx(first_s + 6 * later_s)


def test_the_first_block_of_every_task_runs_however_little_time_there_is() -> None:
    assert blocks_of(records_of(a_plan((*ROWS, *OTHERS), time_s=0.0), an_executor())) == dict.fromkeys(
        (*ROWS, *OTHERS), 1
    )


def test_rows_that_do_not_fit_into_the_first_round_run_in_the_next_however_little_time_there_is() -> None:
    rows = rows_of(*"abcdefg")
    executor = MockExecutor(dict.fromkeys(rows, 1.0), np.random.default_rng(0), free_bytes=4 * 2**30, takes_bytes=2**30)
    records = records_of(a_plan(rows, time_s=0.0), executor)
    assert {record.job.row for record in records} == set(rows)


def test_a_task_whose_blocks_are_too_long_leaves_the_time_to_the_others() -> None:
    plan = a_plan((*ROWS, *OTHERS), time_s=10.25 + 7.0 + 2 * (12.5 + 8.5) + 9.0)
    counts = blocks_of(records_of(plan, an_executor(sd=0.05)))
    assert (counts[A], counts[OTHERS[0]]) == (3, 4)


# What the machine did


class Watched(MockExecutor):
    """A machine on which somebody else keeps half a core busy, and the hypervisor takes a quarter."""

    def core_times(self) -> CoreTimes | None:
        own_s = 1.2 * self.now_s
        return CoreTimes(busy_s=own_s + 0.5 * self.now_s, stolen_s=0.25 * self.now_s, own_s=own_s)


def test_each_block_says_what_the_machine_did_meanwhile() -> None:
    executor = Watched(dict.fromkeys(ROWS, 0.02), np.random.default_rng(0), speed=lambda now_s: 1 + now_s / 100)
    lines = lines_of(a_plan(ROWS, workers=2), executor)
    blocks = [line for line in lines if isinstance(line, Block)]
    assert [(block.task, block.block) for block in blocks] == [("linear_fit", 0), ("linear_fit", 1)]
    assert isinstance(lines[3], Block)  # right after the three samples that it is about
    assert blocks[1].wall_s == pytest.approx(2 * 3 * SAMPLE_S)
    assert blocks[0].foreign_cores == pytest.approx(0.5)
    assert blocks[0].stolen_cores == pytest.approx(0.25)
    before, after = blocks[0].before, blocks[0].after
    assert before is not None
    assert after is not None
    assert after.loops_s[0] > before.loops_s[0]


class Mute(MockExecutor):
    """A machine that tells nothing of itself."""

    def calibrate(self) -> Calibration | None:
        return None

    def core_times(self) -> CoreTimes | None:
        return None


def test_what_a_machine_does_not_tell_is_unknown() -> None:
    (block,) = (
        line
        for line in lines_of(a_plan(ROWS, workers=1), Mute(dict.fromkeys(ROWS, 0.02), np.random.default_rng(0)))
        if isinstance(line, Block)
    )
    assert (block.before, block.after, block.foreign_cores, block.stolen_cores) == (None, None, None, None)


# Going on


class Scripted(MockExecutor):
    """A machine on which a sample depends on nothing but its job, so that two runs can be held against each other."""

    def process_rng(self, job: Job) -> np.random.Generator:
        return np.random.default_rng([*map(ord, job.row.mode), job.block])


def a_scripted() -> Scripted:
    return Scripted(dict(zip(ROWS, (0.02, 0.02, 0.9), strict=True)), np.random.default_rng(0), sd=0.05)


@pytest.mark.parametrize("rounds", [0, 1, 2, 5, 7])
def test_a_run_that_was_interrupted_takes_the_samples_that_it_would_have_taken(rounds: int) -> None:
    plan: Plan = a_plan(ROWS, seed=2, time_s=1e9)
    whole = records_of(plan, a_scripted())
    assert whole[-1].job.block > 8
    kept = [record for record in whole if record.job.block < rounds]
    rest = [s.record for s in run_rounds(plan, a_scripted(), Nobody(), kept) if isinstance(s, Sample)]
    assert [*kept, *rest] == whole


def test_a_round_that_was_written_in_part_is_not_gone_on_with_because_nobody_waits_for_it() -> None:
    plan = a_plan(ROWS, workers=4)
    kept = records_of(plan, an_executor())[:4]  # one of the second round
    rest = [s.record for s in run_rounds(plan, an_executor(), Nobody(), kept) if isinstance(s, Sample)]
    assert {record.job.block for record in rest} == {2, 3, 4}
    counts = blocks_of([*kept, *rest])
    assert min(counts.values()) == 4
    assert max(counts.values()) <= 5  # the fastest runs with those that are one behind


def test_a_run_whose_time_was_up_goes_on_with_more() -> None:
    short = a_plan(ROWS, seed=2, time_s=40.0)
    first = records_of(short, a_scripted())
    longer = replace(short, goal=msgspec.structs.replace(short.goal, time_s=1e9))
    rest = [s.record for s in run_rounds(longer, a_scripted(), Nobody(), first) if isinstance(s, Sample)]
    assert [*first, *rest] == records_of(longer, a_scripted())


def test_a_finished_run_owes_nothing() -> None:
    plan = a_plan(ROWS, workers=3)
    whole = records_of(plan, an_executor())
    assert list(run_rounds(plan, an_executor(), Nobody(), whole)) == []


def test_the_audience_is_told_how_many_samples_each_round_has_and_of_turns_and_repetitions_of_each_task() -> None:
    nobody = Nobody()
    list(run_rounds(a_plan((*ROWS, *OTHERS), workers=2), an_executor(), nobody))
    assert nobody.stages == [("round 1 of 2", 9), ("round 2 of 2", 9)]


def test_and_how_much_of_the_time_is_over() -> None:
    nobody = Nobody()
    list(run_rounds(a_plan(ROWS, time_s=600.0), an_executor(sd=0.001), nobody))
    assert nobody.stages[:2] == [("round 1, 0 of 10 min", 5), ("round 2, 0 of 10 min", 5)]
    assert len(nobody.stages) == MIN_PRECISE


def test_and_how_long_the_run_takes_at_most() -> None:
    nobody, executor = Nobody(), an_executor(sd=0.001)
    list(run_rounds(a_plan(ROWS, time_s=600.0), executor, nobody))
    left_s = [each for each in nobody.left_s if each is not None]
    assert len(left_s) == len(nobody.stages)
    assert left_s[0] == 600.0
    assert all(before > after for before, after in itertools.pairwise(left_s))
    assert left_s[-1] >= 600.0 - executor.now_s


def test_without_a_limit_of_time_that_is_told_from_how_long_rounds_took() -> None:
    nobody, executor = Nobody(), an_executor()
    list(run_rounds(a_plan(ROWS, workers=4), executor, nobody))
    first, *left_s = nobody.left_s
    assert first is None  # nobody knows yet
    assert left_s == pytest.approx([executor.now_s * share for share in (3 / 4, 2 / 4, 1 / 4)], rel=0.35)


# Inference


def test_services_open_when_all_turns_of_the_round_are_over_and_answer_side_by_side() -> None:
    executor = an_executor()
    events: list[str] = []
    executor.turns, executor.served = Log("turn", events), Log("serve", events)
    records_of(replace(a_plan(ROWS, workers=1), inference=True), executor)
    assert events == ["turn"] * len(executor.turns) + ["serve"] * len(executor.served)
    rounds = [executor.served[at : at + 3] for at in range(0, 3 * SERVING_TURNS, 3)]
    assert len(executor.served) == 3 * SERVING_TURNS
    for number, served in enumerate(rounds):
        assert sorted(served) == [(row, number) for row in sorted(ROWS)]


class Log(list[tuple[Any, ...]]):
    """Writes its name down whenever something is added."""

    def __init__(self, name: str, events: list[str]) -> None:
        super().__init__()
        self.name, self.events = name, events

    def append(self, each: tuple[Any, ...]) -> None:
        super().append(each)
        self.events.append(self.name)


def test_without_inference_nothing_is_served() -> None:
    executor = an_executor()
    records_of(a_plan(ROWS, workers=2), executor)
    assert not executor.served


def test_each_row_starts_warm_once_after_its_first_round() -> None:
    executor = an_executor()
    records = records_of(replace(a_plan(ROWS, workers=3), warm_cache=True), executor)
    assert sorted(executor.started_warm) == sorted(ROWS)
    assert {(record.job.block, record.warm is not None) for record in records} == {(0, True), (1, False), (2, False)}


@pytest.mark.parametrize(("first_pass_s", "outcome"), [(1.0, "ok"), (0.02, "nothing to keep")])
def test_the_stage_of_a_round_counts_warm_starts(first_pass_s: float, outcome: str) -> None:
    executor, listener = an_executor(), Nobody()
    executor.first_pass_s = first_pass_s
    list(run_rounds(replace(a_plan(ROWS, workers=2), warm_cache=True), executor, listener))
    rounds = 2  # whose repetitions are judged by whoever takes the samples
    assert sum(total for _, total in listener.stages) == len(listener.outcomes) + rounds
    assert [each for label, each in listener.outcomes if label.endswith("warm")] == [outcome] * len(ROWS)
    assert bool(executor.started_warm) is (outcome == "ok")


def test_nothing_starts_warm_unless_it_is_wanted() -> None:
    executor = an_executor()
    records_of(a_plan(ROWS, workers=2), executor)
    assert not executor.started_warm


def test_a_run_that_is_resumed_does_not_start_its_rows_warm_again() -> None:
    plan = replace(a_plan(ROWS, workers=2), warm_cache=True)
    earlier = [record for record in records_of(plan, an_executor()) if record.job.block == 0]
    executor = an_executor()
    list(run_rounds(plan, executor, Nobody(), earlier))
    assert executor.jobs
    assert not executor.started_warm


@pytest.mark.parametrize("service_s", [0.01, 2.0])
def test_every_row_is_served_once_and_again_only_within_a_tenth_of_the_run(service_s: float) -> None:
    executor = an_executor()
    executor.service_s = service_s
    records = records_of(replace(a_plan(ROWS, workers=8), inference=True), executor)
    opened = Counter(record.job.row for record in records if record.inference is not None)
    once = service_s * (1 + SERVING_TURNS) * len(ROWS)
    took_s = executor.service_s * (len(executor.served) + sum(opened.values()))
    assert set(opened) == set(ROWS)
    assert set(opened.values()) == ({8} if service_s < 1 else {1})
    assert took_s <= once + INFERENCE_SHARE * executor.now_s


def test_a_row_that_answers_slowly_has_fewer_turns() -> None:
    executor = an_executor()
    executor.service_s = 0.6 * SERVING_S
    records_of(replace(a_plan(ROWS, workers=1), inference=True), executor)
    assert Counter(row for row, _ in executor.served) == dict.fromkeys(ROWS, 2)


# What was learned


def learning_plan(**goal: float | None) -> Plan:
    return replace(a_plan(ROWS, **goal), inference=True, learned=True)


def test_rows_tell_what_they_learned_when_all_is_measured_and_each_only_once() -> None:
    executor = an_executor()
    events: list[str] = []
    executor.served, executor.told = Log("serve", events), Log("tell", events)
    records = records_of(learning_plan(workers=3), executor)
    assert events[: len(ROWS) * (SERVING_TURNS + 1)] == ["serve"] * len(ROWS) * SERVING_TURNS + ["tell"] * len(ROWS)
    assert sorted(row for row, *_ in executor.told) == sorted(ROWS)
    assert [record.job.block for record in records if record.learned is not None] == [0] * len(ROWS)


def test_rows_that_do_not_fit_into_memory_together_tell_it_in_their_own_first_rounds() -> None:
    executor = an_executor(free_bytes=int(1.2 * 2**30), takes_bytes=2**30)  # one at a time
    records = records_of(learning_plan(workers=2), executor)
    told = Counter(record.job.row for record in records if record.learned is not None)
    assert told == dict.fromkeys(ROWS, 1)
    assert len({record.job.block for record in records if record.learned is not None}) == len(ROWS)


def test_a_resumed_run_does_not_tell_again_what_was_told() -> None:
    executor = an_executor()
    earlier = [record for record in records_of(learning_plan(workers=1), executor) if record.job.row != B]
    again = an_executor()
    list(run_rounds(learning_plan(workers=2), again, Nobody(), earlier))
    assert [row for row, *_ in again.told] == [B]


def test_the_fastest_row_trains_once_more_whatever_it_takes_and_the_others_within_a_share_of_the_run() -> None:
    executor = an_executor((0.8, 0.7, 0.9), sd=0.0, within=0.0)  # a training is a pass, and 1 % of the run are 0.1 s
    records = records_of(learning_plan(workers=1), executor)
    limits = {row: limit_s for row, _, limit_s in executor.told}
    assert [row for row, *_ in executor.told] == [ROWS[1], ROWS[0], ROWS[2]]
    assert limits == {ROWS[1]: LEARNING_S, ROWS[0]: 0.0, ROWS[2]: 0.0}
    cut = {record.job.row: record.learned.cut for record in records if record.learned is not None}
    assert cut[ROWS[1]] == ""
    assert "would take 0.8 s" in cut[ROWS[0]]


def test_short_trainings_are_made_again_until_their_share_of_the_run_is_over() -> None:
    executor = an_executor((0.01, 0.01, 0.01))
    records_of(learning_plan(workers=1), executor)
    assert all(0 < limit_s < LEARNING_SHARE * executor.now_s for _, _, limit_s in executor.told[1:])
    slow = an_executor((0.01, 0.01, 0.01))
    slow.learning_s = dict.fromkeys(ROWS, 100.0)  # evaluation takes long, which nobody could know
    records_of(learning_plan(workers=1), slow)
    assert [limit_s for _, _, limit_s in slow.told[1:]] == [0.0, 0.0]


def test_without_being_asked_for_nothing_is_told() -> None:
    executor = an_executor()
    records_of(a_plan(ROWS, workers=1), executor)
    assert not executor.told
