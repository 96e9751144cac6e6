"""Trends and long passes in turns: what a machine does to all rows is no fault, and what one row does is found."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from support import a_record, a_row
from timed_processes import Trend, each_long_turns, each_trend, long_turns, together, trend

from backends.contract import Array
from bench.analysis import steadiness
from bench.analysis.flags import TREND, TREND_ERRORS
from bench.analysis.steadiness import DELAYED, FEWEST_SAME, Repeated, Trends, drift, trends
from bench.analysis.turns import log_turns, timed, typical_pass_s
from bench.records.columns import Columns
from bench.records.lists import Lists
from bench.records.schema import Turns

LEAST, ERRORS = TREND, TREND_ERRORS
USUAL_S = (0.02, 0.002, 0.05, 0.0015)  # the pass of each row
RESPONDS = (1.0, 0.7, 0.3, 0.0)  # how much of a slow machine each row feels: rows of one thread may feel nothing


def turns_of(passes_s: Sequence[float], *, passes: int = 4, longest_s: Sequence[float] = ()) -> Turns:
    """Return turns of these mean times of a pass; the longest is the mean unless it is given."""
    wall_s = tuple(passes * pass_s for pass_s in passes_s)
    longest_s = longest_s or passes_s
    return Turns(passes=(passes,) * len(passes_s), wall_s=wall_s, cpu_s=wall_s, longest_s=tuple(longest_s))


# Trends


def ratio(*processes: tuple[Turns, Sequence[Turns]]) -> float:
    found = [trend(turns, beside) for turns, beside in processes]
    return drift(together(found), LEAST, ERRORS)


RISING = turns_of(np.linspace(0.1, 0.15, 8).tolist())
FALLING = turns_of(np.linspace(0.15, 0.1, 8).tolist())
STEADY = turns_of([0.1] * 8)


def test_a_rise_and_a_fall_are_told_by_their_size() -> None:
    assert ratio((RISING, ()), (RISING, ())) == pytest.approx((0.15 - 0.05 / 14) / (0.1 + 0.05 / 14), abs=1e-3)
    assert ratio((FALLING, ()), (FALLING, ())) == pytest.approx((0.1 + 0.05 / 14) / (0.15 - 0.05 / 14), abs=1e-3)
    assert ratio((STEADY, ()), (STEADY, ())) == 1


def test_what_all_rows_of_the_round_do_is_the_machine() -> None:
    assert ratio(*[(RISING, [RISING, RISING])] * 3) == 1
    assert ratio(*[(RISING, [STEADY, STEADY])] * 3) > LEAST
    assert ratio(*[(RISING, [RISING, STEADY, STEADY])] * 3) > LEAST


def test_who_stays_as_it_is_beside_a_row_that_drifts_has_no_trend() -> None:
    assert ratio(*[(STEADY, [RISING])] * 3) == ratio(*[(STEADY, [FALLING])] * 3) == 1


def test_turns_in_which_the_machine_was_slow_for_the_others_do_not_count() -> None:
    # This row feels a slow machine twice as much as the others, and it is slow at the end of each round.
    feels, others = [0.1] * 7 + [0.4] * 3, [0.1] * 7 + [0.2] * 3
    assert ratio(*[(turns_of(feels), [turns_of(others)])] * 4) == 1


def test_rows_beside_it_that_took_other_turns_say_nothing() -> None:
    assert ratio(*[(RISING, [turns_of([0.1] * 3)])] * 3) == ratio(*[(RISING, ())] * 3)


def test_turns_without_part_do_not_count() -> None:
    missing = Turns(passes=(0, *RISING.passes), wall_s=(0.0, *RISING.wall_s), cpu_s=(0.0, *RISING.cpu_s))
    assert trend(missing, [missing]) is not None
    assert ratio((missing, ()), (missing, ())) == ratio((RISING, ()), (RISING, ()))
    assert trend(Turns(passes=(0,) * 9, wall_s=(0.0,) * 9, cpu_s=(0.0,) * 9), [RISING]) is None
    assert trend(Turns(passes=(), wall_s=(), cpu_s=()), ()) is None


def test_four_turns_tell_no_trend_and_five_of_two_processes_do() -> None:
    assert trend(turns_of([0.1, 0.2, 0.3, 0.4]), ()) is None
    five = turns_of([0.1, 0.2, 0.3, 0.4, 0.5])
    assert trend(five, ()) == Trend(pytest.approx(math.log(0.45 / 0.15), abs=0.1), 10, pytest.approx(50 / 3))
    assert ratio((five, ())) == 1
    assert ratio((five, ()), (five, ())) > 2


@pytest.mark.parametrize(("alike", "shared"), [(5, False), (6, True)])
def test_three_of_four_processes_must_change_the_same_way(alike: int, shared: bool) -> None:
    assert (ratio(*[(RISING, ())] * alike, *[(STEADY, ())] * (8 - alike)) > LEAST) == shared


def test_processes_that_change_in_opposite_ways_share_no_trend() -> None:
    assert ratio(*[(RISING, ())] * 3, *[(FALLING, ())] * 3) == 1


def test_a_change_of_a_tenth_is_none_yet() -> None:
    rises = [Trend(math.log(1.1) * scale, 20, 40.0) for scale in (0.999, 1.001)]
    assert [drift(together([each] * 3), LEAST, ERRORS) > 1 for each in rises] == [False, True]


def test_large_changes_in_no_order_are_no_trend() -> None:
    assert drift(together([Trend(math.log(2), 10, 100.0)] * 4), LEAST, ERRORS) == 1  # 2 standard errors
    assert drift(together([Trend(math.log(2), 18, 100.0)] * 4), LEAST, ERRORS) == pytest.approx(2)  # 3.6


# Long passes


def slow_turns(*at: int, by_s: float = 0.2, turns: int = 10, usual_s: float = 0.02) -> Turns:
    """Return turns of four passes, one of which takes longer in the turns `at`."""
    extra_s = [by_s if number in at else 0.0 for number in range(turns)]
    return turns_of([usual_s + extra / 4 for extra in extra_s], longest_s=[usual_s + extra for extra in extra_s])


def test_long_passes_are_found_beside_the_others_of_all_turns() -> None:
    assert long_turns(slow_turns(3, 7), ()) == [3, 7]
    assert long_turns(slow_turns(*range(10)), ()) == list(range(10))
    assert long_turns(slow_turns(3, by_s=0.039), ()) == []  # not three times as long
    assert long_turns(slow_turns(3, by_s=0.0049, usual_s=1e-3), ()) == []  # no compiler is that fast
    assert long_turns(slow_turns(3, by_s=0.0051, usual_s=1e-3), ()) == [3]


def test_a_turn_of_a_single_pass_is_held_against_other_turns() -> None:
    times_s = [0.3] * 9 + [1.0]
    assert long_turns(turns_of(times_s, passes=1), ()) == [9]


def test_delays_that_other_rows_have_as_well_are_the_machine() -> None:
    delayed = slow_turns(*range(0, 10, 2), by_s=0.2)
    assert long_turns(slow_turns(1, by_s=DELAYED * 0.2 - 0.001), [delayed]) == []
    assert long_turns(slow_turns(1, by_s=DELAYED * 0.2 + 0.001), [delayed]) == [1]
    assert long_turns(slow_turns(1), [slow_turns(4), slow_turns()]) == [1]  # a single delay is none of many


def test_processes_that_have_measured_no_longest_pass_have_none() -> None:
    unknown = Turns(passes=(4, 4), wall_s=(0.4, 4.0), cpu_s=(0.4, 4.0))
    assert long_turns(unknown, [unknown]) == []
    assert long_turns(slow_turns(3), [unknown]) == [3]


def found(turns: int, *slow: int) -> tuple[int, Sequence[int]]:
    return turns, slow


def repeated(processes: Sequence[tuple[int, Sequence[int]]]) -> Repeated | None:
    turns = np.array([turns for turns, _ in processes], int)
    return steadiness.repeated(turns, Lists.of([slow for _, slow in processes], int))


def test_long_passes_in_most_turns_of_two_processes_are_shared() -> None:
    often, seldom = found(5, 0, 2, 4), found(5, 0, 2)
    assert (both := repeated([often, often])) is not None
    assert (both.turn, both.processes) == (None, 2)
    assert repeated([often]) is None
    assert repeated([seldom, seldom]) is None
    assert (most := repeated([often] * 3 + [found(5)])) is not None
    assert most.processes == 3
    assert repeated([often] * 2 + [found(5)]) is None


def test_a_long_pass_in_the_same_turn_of_nearly_all_processes_is_shared() -> None:
    assert (same := repeated([found(10, 4), found(10, 2, 4), found(10, 4)])) is not None
    assert (same.turn, same.processes) == (4, FEWEST_SAME)
    assert repeated([found(10, 4)] * 2) is None
    assert repeated([found(10, 4)] * 3 + [found(10)]) is None  # chance finds a turn of many
    assert (nearly := repeated([found(10, 4)] * 7 + [found(10)])) is not None
    assert nearly.processes == 7
    assert repeated([found(10, number) for number in range(5)]) is None
    assert repeated([]) is None


# A noisy machine


def noisy_round(
    rng: np.random.Generator, turns: int, rows: int, drift_of_first: Callable[[int], Array] = np.zeros
) -> list[Turns]:
    """Return a round on a machine that is twice as slow at times, has noise of its own, and delays passes."""
    slow, slowed = rng.random() < 0.3, []
    for _ in range(turns):
        slow = rng.random() < 0.35 if rng.random() < 0.2 else slow
        slowed.append(math.log(2) if slow else 0.0)
    common = rng.normal(0, 0.08, turns)
    found = []
    for usual_s, responds in zip(USUAL_S[:rows], RESPONDS, strict=False):
        times = common + responds * np.array(slowed) + rng.normal(0, 0.08, turns)
        times += drift_of_first(turns) if not found else 0.0
        found.append(a_noisy_process(rng, usual_s * np.exp(times)))
    return found


def a_noisy_process(rng: np.random.Generator, passes_s: Array) -> Turns:
    """Return turns of 0.1 s; some twenty passes a second are delayed, by 12 ms on average."""
    taken = []
    for pass_s in passes_s:
        times_s = pass_s * np.exp(rng.normal(0, 0.03, max(1, math.ceil(0.1 / pass_s))))
        times_s += (rng.random(len(times_s)) < 20 * pass_s) * rng.exponential(0.012, len(times_s))
        taken.append(times_s)
    wall_s = tuple(float(times_s.sum()) for times_s in taken)
    longest_s = tuple(float(times_s.max()) for times_s in taken)
    return Turns(passes=tuple(map(len, taken)), wall_s=wall_s, cpu_s=wall_s, longest_s=longest_s)


def trends_of(rounds: Sequence[Sequence[Turns]]) -> Trends:
    """Return the trends of all processes of these rounds, each beside the others of its round."""
    numbers = [number for number, processes in enumerate(rounds) for _ in processes]
    times = [log_turns(each.wall_s, each.passes) for processes in rounds for each in processes]
    return trends(Lists.of(times), np.array(numbers, int))


def firsts(runs: int, processes: int, rows: int) -> Array:
    """Return the places of the first row's processes in each run, of rounds that have as many rows."""
    return np.arange(0, runs * processes * rows, rows).reshape(runs, processes)


@pytest.mark.parametrize("turns", [5, 8, 16])
@pytest.mark.parametrize("processes", [2, 3, 6])
@pytest.mark.parametrize("rows", [2, 4])
def test_an_honest_row_on_a_noisy_machine_is_hardly_ever_accused(turns: int, processes: int, rows: int) -> None:
    runs, alarms = 40, 0
    rounds = []  # of all runs, one after the other: judged together, which is what takes the time
    for seed in range(runs):
        rng = np.random.default_rng([seed, turns, processes, rows])
        rounds += [noisy_round(rng, turns, rows) for _ in range(processes)]
    found, slow = trends_of(rounds), each_long_turns(rounds)
    for places in np.arange(len(found)).reshape(runs, processes, rows).swapaxes(1, 2).reshape(-1, processes):
        alarms += drift(found.take(places), LEAST, ERRORS) != 1
        alarms += steadiness.repeated(np.full(processes, turns), slow.take(places)) is not None
    assert alarms <= 0.02 * 2 * runs * rows


@pytest.mark.parametrize(("turns", "processes"), [(8, 2), (8, 6), (16, 2), (16, 3)])
def test_nor_is_a_row_that_feels_it_beside_one_that_does_not(turns: int, processes: int) -> None:
    rounds = []
    for seed in range(100):
        rng = np.random.default_rng([seed, turns, processes])
        rounds += [noisy_round(rng, turns, 4) for _ in range(processes)]
    found = trends_of([(feels, feels_nothing) for feels, *_, feels_nothing in rounds])
    alarms = sum(drift(found.take(places), LEAST, ERRORS) != 1 for places in firsts(100, processes, 2))
    assert alarms <= 0.03 * 100


@pytest.mark.parametrize(("turns", "processes"), [(8, 6), (16, 3)])
def test_on_that_machine_a_row_that_becomes_three_times_as_slow_is_mostly_found(turns: int, processes: int) -> None:
    rounds = []
    for seed in range(40):
        rng = np.random.default_rng([seed, turns, processes])
        rounds += [
            noisy_round(rng, turns, 4, lambda count: np.linspace(0, math.log(3), count)) for _ in range(processes)
        ]
    each = trends_of(rounds)
    found = sum(drift(each.take(places), LEAST, ERRORS) > 1 for places in firsts(40, processes, 4))
    assert found >= 0.8 * 40


def test_processes_of_many_rounds_are_judged_as_each_of_them_alone() -> None:
    rng = np.random.default_rng(0)
    rounds = [
        [a_process(rng, int(turns)) for turns in rng.choice([0, 3, 5, 6, 11], size=members)]
        for members in (1, 2, 2, 3, 5, 5, 8)
    ]
    members = [(number, each) for number, processes in enumerate(rounds) for each in processes]
    found = each_trend([log_turns(each.wall_s, each.passes) for _, each in members], [number for number, _ in members])
    alone = [
        trend(each, [other for other in processes if other is not each]) for processes in rounds for each in processes
    ]
    assert found == alone
    assert sum(each is not None for each in alone) > 8
    records = [
        a_record(a_row("linear_fit", mode=str(place)), number, timing={"turns": each})
        for number, processes in enumerate(rounds)
        for place, each in enumerate(processes)
    ]
    assert timed(Columns.of(records)).pass_s.tolist() == [
        typical_pass_s(each.timing) for each in records if each.timing
    ]


def test_what_a_process_does_itself_is_not_what_the_machine_did() -> None:
    rising, steady = turns_of(np.linspace(0.1, 0.2, 9).tolist()), turns_of([0.1] * 9)
    assert trend(rising, [steady]) == trend(rising, ())
    assert trend(rising, [steady, steady]) == trend(rising, ())


def a_process(rng: np.random.Generator, turns: int) -> Turns:
    """Return turns that scatter and grow, with one in ten in which it took no part."""
    passes = tuple(int(number) for number in rng.choice([0, 1, 4], p=[0.1, 0.5, 0.4], size=turns))
    times_s = (0.1 * (1 + np.arange(turns) / 20) * rng.lognormal(0, 0.3, turns)).tolist()
    wall_s = tuple(count * time_s for count, time_s in zip(passes, times_s, strict=True))
    return Turns(passes=passes, wall_s=wall_s, cpu_s=wall_s)
