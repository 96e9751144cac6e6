"""What makes times doubtful: a right row raises no flag, and each planted violation raises its own and no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace
from support import a_record, a_row, a_timing
from timed_processes import ATimedProcess, process_times_of

from bench.analysis import flags as checks
from bench.analysis.flags import TURN_FLOOR_S, Flag, flags_of
from bench.analysis.process import NUMBERS, Processes
from bench.analysis.process_times import ProcessTimes, product_bounds
from bench.analysis.turns import timed
from bench.records.columns import Columns
from bench.records.schema import Job, Record, Resources, Row, Steady, Turns

T = TypeVar("T")
Check = Callable[[Sequence[ATimedProcess]], T]


def of_processes(check: Callable[[ProcessTimes], T]) -> Check[T]:
    """Return a check that takes processes one by one."""
    return lambda processes: check(process_times_of(processes))


achieved_share = of_processes(checks.achieved_share)
crowded = of_processes(checks.crowded)
drifting = of_processes(checks.drifting)
escaped = of_processes(checks.escaped)
flags = of_processes(checks.flags)
helped = of_processes(checks.helped)
impossible = of_processes(checks.impossible)
other_clock = of_processes(checks.other_clock)
recompiling = of_processes(checks.recompiling)
remembering = of_processes(checks.remembering)
too_fast = of_processes(checks.too_fast)
unaccounted = of_processes(checks.unaccounted)
uncounted = of_processes(checks.uncounted)
unfinished = of_processes(checks.unfinished)

ROW, OTHER = a_row("linear_fit"), a_row("linear_fit", "torch", "eager")
USUAL_S = (8.0, *(0.25,) * 6)  # the first pass compiles; then there are enough to see a drift


def sample(*passes_s: float, cores: int = 2, bound: float = 1e11, **timing: Any) -> ATimedProcess:
    """Return a process that had two cores granted."""
    resources = Resources(cores=cores, dtype="float32", framework="1.0")
    return ATimedProcess(a_timing(*(passes_s or USUAL_S), **timing), resources, bound)


def some_turns(pass_s: float, asked_s: float = 0.3, reads: int = 1, read_s: float = 1e-5) -> Turns:
    """Return five turns of one pass, each of which took 0.3 s in all."""
    turns = 5
    return Turns(
        passes=(1,) * turns,
        wall_s=(pass_s,) * turns,
        cpu_s=(pass_s,) * turns,
        reads=(reads,) * turns,
        read_s=(read_s,) * turns,
        took_s=(0.3,) * turns,
        asked_s=(asked_s,) * turns,
    )


def turns_of(*passes_s: float, longer_s: Sequence[float] = ()) -> Turns:
    """Return turns of two passes, of which the second one can take longer."""
    longest_s = tuple(
        pass_s + more_s for pass_s, more_s in zip(passes_s, longer_s or (0.0,) * len(passes_s), strict=True)
    )
    wall_s = tuple(pass_s + most_s for pass_s, most_s in zip(passes_s, longest_s, strict=True))
    return Turns(passes=(2,) * len(passes_s), wall_s=wall_s, cpu_s=wall_s, longest_s=longest_s)


RISING = (0.25, 0.25, 0.28, 0.3, 0.32, 0.34, 0.375, 0.375)


def used(cpu_s: float, waited_s: float | None = 0.0, vanished_s: float = 0.0, window_s: float = 1.0) -> Steady:
    """Return what threads did in a second."""
    return Steady(window_s=window_s, cpu_s=cpu_s, vanished_cpu_s=vanished_s, waited_s=waited_s)


def sentences(samples: Sequence[ATimedProcess]) -> list[str]:
    return [flag.sentence for flag in flags(samples)]


# Each violation: a process that has it, how many of five processes raise its flag, and the flag.
VIOLATIONS = {
    "unfinished": (
        sample(read_s=(0.0625,) * 7, reread_s=(0.0,) * 3),
        3,
        Flag("does not wait: 25% of a pass was left to do when train returned", unfair=True),
    ),
    "crowded": (
        sample(steady=used(2.0, 4.5)),
        3,
        Flag("6.5 threads at a time were ready to run, 2 granted", unfair=True),
    ),
    "vanished threads": (
        sample(steady=used(2.0, 0.0, 0.5)),
        3,
        Flag("short-lived threads used 25% of its CPU time", unfair=False),
    ),
    "more cores than granted": (sample(cores=4), 1, Flag("set its CPU affinity to 4 cores, 2 granted", unfair=True)),
    "busy on more cores": (sample(steady=used(3.0)), 3, Flag("kept 3.0 cores busy, 2 granted", unfair=True)),
    "too_fast": (
        sample(flops_per_pass=250, bound=400.0),
        3,
        Flag(
            "2.50 times as fast as the fastest matrix product of this run: some work was not done",
            unfair=True,
        ),
    ),
    "helped": (
        sample(steady=Steady(window_s=1.0, cpu_s=0.75, vanished_cpu_s=0.0, waited_s=0.0, helpers_cpu_s=0.25)),
        3,
        Flag("processes that it has started used 25% of its CPU time", unfair=True),
    ),
    "impossible product": (
        sample(product_flops_per_s=1e12, product_limit_flops_per_s=5e11),
        3,
        Flag("its matrix product was 2 times as fast as the processor can be: it was not computed", unfair=True),
    ),
    "remembering": (
        sample(8.0, 0.25, 0.25, 0.25, 0.025, turns=some_turns(0.25)),
        3,
        Flag(
            "a pass repeated from its start took 10% of one from a new start: it remembers, or works in reset",
            unfair=True,
        ),
    ),
    "slower clock": (
        sample(*USUAL_S, turns=some_turns(0.25, asked_s=0.3 + 0.01 + TURN_FLOOR_S)),
        3,
        Flag("its clock runs 3% slower than that of the run", unfair=True),
    ),
    "faster clock": (
        sample(*USUAL_S, turns=some_turns(0.25, asked_s=0.3 - 0.01 - TURN_FLOOR_S)),
        3,
        Flag("its clock runs 3% faster than that of the run", unfair=True),
    ),
    "slower and slower": (
        sample(8.0, 0.25, 0.25, 0.25, 0.375, 0.375, 0.375),
        4,
        Flag("slows down: its last passes take 1.50 times as long as its first", unfair=False),
    ),
    "faster and faster": (
        sample(8.0, 0.375, 0.375, 0.375, 0.25, 0.25, 0.25),
        4,
        Flag("still warming up: its first steady passes take 1.50 times as long as its last", unfair=False),
    ),
    "compiling anew": (
        sample(8.0, 0.25, 0.25, 1.0, 0.25, 0.25, 0.25),
        3,
        Flag("compiles again? Pass 4 took over 3 times the median in {} processes", unfair=False),
    ),
    "slower turn by turn": (
        sample(*USUAL_S, turns=turns_of(*RISING)),
        4,
        Flag("slows down: its last passes take 1.50 times as long as its first", unfair=False),
    ),
    "faster turn by turn": (
        sample(*USUAL_S, turns=turns_of(*RISING[::-1])),
        4,
        Flag("still warming up: its first steady passes take 1.50 times as long as its last", unfair=False),
    ),
    "compiling in most turns": (
        sample(*USUAL_S, turns=turns_of(*(0.25,) * 5, longer_s=(0.6, 0.0, 0.6, 0.6, 0.0))),
        4,
        Flag("compiles again? In most turns a pass took over 3 times the median in {} processes", unfair=False),
    ),
    "compiling in one turn": (
        sample(*USUAL_S, turns=turns_of(*(0.25,) * 5, longer_s=(0.0, 0.0, 0.6, 0.0, 0.0))),
        5,
        Flag("compiles again? In turn 3 a pass took over 3 times the median in {} processes", unfair=False),
    ),
    "time in no phase": (
        sample(wall_s=2 * a_timing(*USUAL_S).phases_s),
        3,
        Flag("50% of the wall time is in no phase", unfair=True),
    ),
    "time in two phases": (
        sample(wall_s=a_timing(*USUAL_S).phases_s / 2),
        3,
        Flag("the phases are 100% longer than the wall time", unfair=True),
    ),
}


def test_a_right_row_raises_no_flag() -> None:
    assert flags([sample()] * 5) == flags([sample()]) == ()


def test_nothing_measured_raises_no_flag() -> None:
    assert flags([]) == ()


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_raises_its_own_flag_alone_and_tells_its_size(name: str) -> None:
    violating, _, flag = VIOLATIONS[name]
    assert flags([violating] * 5) == (Flag(flag.sentence.format(5), flag.unfair),)


@pytest.mark.parametrize("name", VIOLATIONS)
def test_disturbed_processes_accuse_nobody_until_they_are_most(name: str) -> None:
    violating, needed, flag = VIOLATIONS[name]
    first_s, last_s = (0.25, 0.2578125) if name == "faster and faster" else (0.2578125, 0.25)
    also = {"product_limit_flops_per_s": 1e12, "turns": violating.timing.turns and some_turns(0.25)}
    calm = sample(8.0, *(first_s,) * 3, *(last_s,) * 3, **also)  # 3 %, and the other way
    assert flags([violating] * (needed - 1) + [calm] * (6 - needed)) == ()
    raised = flags([calm] * (5 - needed) + [violating] * needed)
    assert raised == (Flag(flag.sentence.format(needed), flag.unfair),)


def test_several_violations_are_all_told_the_unfair_ones_first() -> None:
    both = sample(read_s=(1.0,) * 7, steady=used(2.0, 0.0, 0.5))
    assert [flag.unfair for flag in flags([both])] == [True, False]


# The two sides of each limit

TIMES = (2.0, 1.0, 1.0, 1.0, 1.0)  # of passes
JUST_OVER = 1 + 1e-9
LIMITS: dict[str, tuple[Check[str], dict[str, Any], dict[str, Any]]] = {
    "1 % of a pass left": (
        unfinished,
        {"read_s": (0.01,), "reread_s": (0.0,)},
        {"read_s": (0.01 * JUST_OVER,), "reread_s": (0.0,)},
    ),
    "a tenth of the CPU time by vanished threads": (
        uncounted,
        {"steady": used(2.0, 0.0, 0.2)},
        {"steady": used(2.0, 0.0, 0.2 * JUST_OVER)},
    ),
    "a quarter more threads than cores, and one": (
        crowded,
        {"steady": used(2.0, 1.5)},
        {"steady": used(2.0, 1.5 * JUST_OVER)},
    ),
    "5 % more busy cores than granted": (escaped, {"steady": used(2.1)}, {"steady": used(2.1 * JUST_OVER)}),
    "as many cores as granted": (escaped, {"cores": 2}, {"cores": 3}),
    "2 % faster than the product": (
        too_fast,
        {"flops_per_pass": 102, "bound": 100.0},
        {"flops_per_pass": 103, "bound": 100.0},
    ),
    "a tenth of the CPU time by other processes": (
        helped,
        {"steady": Steady(window_s=1.0, cpu_s=0.9, vanished_cpu_s=0.0, waited_s=0.0, helpers_cpu_s=0.1)},
        {"steady": Steady(window_s=1.0, cpu_s=0.89, vanished_cpu_s=0.0, waited_s=0.0, helpers_cpu_s=0.11)},
    ),
    "as fast as the processor can be": (
        impossible,
        {"product_flops_per_s": 1e12, "product_limit_flops_per_s": 1e12},
        {"product_flops_per_s": 1e12 * JUST_OVER, "product_limit_flops_per_s": 1e12},
    ),
    "a quarter of a pass from a new start": (
        remembering,
        {"turns": some_turns(4.0)},
        {"turns": some_turns(4.001)},
    ),
    "1 % of a turn, and what a request takes": (
        other_clock,
        {"turns": some_turns(1.0, asked_s=0.3 + 0.0029 + TURN_FLOOR_S)},
        {"turns": some_turns(1.0, asked_s=0.3 + 0.0031 + TURN_FLOOR_S)},
    ),
    "1 % of a long wall time": (
        unaccounted,
        {"wall_s": 100.0, "start_s": 99 - (a_timing(*TIMES).phases_s - 0.125)},
        {"wall_s": 100.0, "start_s": 98.99 - (a_timing(*TIMES).phases_s - 0.125)},
    ),
    "1 % of a long wall time too much": (
        unaccounted,
        {"wall_s": 100.0, "start_s": 101 - (a_timing(*TIMES).phases_s - 0.125)},
        {"wall_s": 100.0, "start_s": 101.01 - (a_timing(*TIMES).phases_s - 0.125)},
    ),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_flag_is_raised_beyond_its_limit_and_not_at_it(name: str) -> None:
    check, at, beyond = LIMITS[name]
    assert check([sample(*TIMES, **at)]) == ""
    assert check([sample(*TIMES, **beyond)])


@pytest.mark.parametrize(("left_s", "flagged"), [(49e-6, False), (51e-6, True)])
def test_after_short_passes_50_microseconds_may_be_left(left_s: float, flagged: bool) -> None:
    short = sample(*(1e-3,) * 5, read_s=(left_s,), reread_s=(0.0,))
    assert bool(unfinished([short])) == flagged


@pytest.mark.parametrize(("missing_s", "flagged"), [(0.049, False), (0.051, True)])
def test_of_a_short_wall_time_50_milliseconds_may_be_missing(missing_s: float, flagged: bool) -> None:
    short = sample(*(0.01,) * 5, import_s=0.0, setup_s=0.0)
    timing = replace(short.timing, wall_s=short.timing.phases_s + missing_s)
    assert timing.wall_s < 1.2
    assert bool(unaccounted([ATimedProcess(timing, short.resources, 1e11)])) == flagged


# Unfinished work


def test_a_reading_that_is_slow_at_any_time_is_no_unfinished_work() -> None:
    assert unfinished([sample(read_s=(0.5,) * 5, reread_s=(0.5,) * 3)]) == ""


def test_a_few_slow_readings_are_no_unfinished_work() -> None:
    assert unfinished([sample(read_s=(1e-5, 1e-5, 0.5, 1e-5, 1e-5), reread_s=(1e-5,) * 3)]) == ""


@pytest.mark.parametrize("read_s", [(1e-5, 0.25), (1e-5, *(0.25,) * 6), (1e-5, 0.25) * 5])
def test_who_waits_after_some_passes_only_does_not_wait(read_s: tuple[float, ...]) -> None:
    late = sample(8.0, *(1.0,) * 6, read_s=read_s, reread_s=(0.0,) * 3)
    assert unfinished([late]) == "does not wait: 25% of a pass was left to do when train returned"


def test_readings_in_turns_count_where_there_are_any() -> None:
    early = sample(8.0, 1.0, read_s=(0.25,) * 9, reread_s=(0.0,) * 3, turns=some_turns(1.0, reads=2, read_s=2e-5))
    assert unfinished([early]) == ""  # what is ranked are the turns
    late = sample(8.0, 1.0, read_s=(1e-5, 1e-5), reread_s=(0.0,) * 3, turns=some_turns(1.0, reads=2, read_s=0.5))
    assert unfinished([late]) == "does not wait: 25% of a pass was left to do when train returned"
    unread = sample(8.0, 1.0, read_s=(1e-5, 1e-5), reread_s=(0.0,) * 3, turns=some_turns(1.0, reads=0, read_s=0.0))
    assert unfinished([unread]) == ""


def test_a_reading_of_large_parameters_may_take_twice_as_long_as_another() -> None:
    read = sample(*TIMES, read_s=(0.19,) * 5, reread_s=(0.3, 0.1, 0.1))
    assert unfinished([read]) == ""
    late = sample(*TIMES, read_s=(0.21,) * 5, reread_s=(0.3, 0.1, 0.1))
    assert unfinished([late]) == "does not wait: 11% of a pass was left to do when train returned"


def test_a_few_slow_rereadings_excuse_no_unfinished_work() -> None:
    slow = sample(*TIMES, read_s=(0.5,) * 5, reread_s=(0.5, 0.0, 0.5))
    assert unfinished([slow]) == "does not wait: 50% of a pass was left to do when train returned"


def test_what_is_left_is_held_against_a_usual_pass_not_the_first_or_a_disturbed_one() -> None:
    late = sample(100.0, 1.0, 3.0, read_s=(0.5,), reread_s=(0.0,))
    assert unfinished([late]) == "does not wait: 25% of a pass was left to do when train returned"


# Threads and cores


def test_a_system_that_tells_no_waiting_times_accuses_nobody_of_too_many_threads() -> None:
    assert flags([sample(steady=used(2.0, None))] * 3) == ()


def test_processes_without_waiting_times_do_not_count_beside_those_that_have_them() -> None:
    samples = [sample(steady=used(2.0, None))] * 3 + [sample(steady=used(2.0, 6.0))]
    assert sentences(samples) == ["8.0 threads at a time were ready to run, 2 granted"]


def test_threads_that_vanished_are_told_beside_those_that_wait() -> None:
    assert sentences([sample(steady=used(2.0, 6.0, 1.0))]) == [
        "8.0 threads at a time were ready to run, 2 granted",
        "short-lived threads used 50% of its CPU time",
    ]


def test_threads_are_counted_over_the_window_however_long_it_was() -> None:
    assert sentences([sample(steady=used(8.0, 4.0, window_s=4.0))]) == []
    assert crowded([sample(steady=used(8.0, 12.0, window_s=4.0))]) == (
        "5.0 threads at a time were ready to run, 2 granted"
    )
    assert escaped([sample(steady=used(12.0, window_s=4.0))]) == "kept 3.0 cores busy, 2 granted"


def test_a_window_without_any_time_raises_no_flag() -> None:
    assert flags([sample(steady=used(0.0, 0.0, window_s=0.0))]) == ()


@pytest.mark.parametrize("name", ["crowded", "vanished threads", "busy on more cores"])
def test_what_is_shorter_than_the_kernel_counts_accuses_nobody(name: str) -> None:
    each, _, flag = VIOLATIONS[name]
    steady = each.timing.steady
    assert steady.window_s == 1.0
    for window_s, raised in ((0.19, ()), (0.21, (flag,))):
        shorter = [window_s * used_s for used_s in (steady.cpu_s, steady.waited_s or 0.0, steady.vanished_cpu_s)]
        assert flags([sample(steady=used(*shorter, window_s=window_s))]) == raised


def test_fewer_cores_than_granted_are_no_escape() -> None:
    assert escaped([sample(cores=1)]) == ""


# The bound of the matrix product


def test_the_achieved_share_is_operations_a_second_over_those_of_the_fastest_product() -> None:
    assert achieved_share([sample(9.0, 1.0, 3.0, flops_per_pass=50, bound=100.0)]).tolist() == [0.25]


def test_the_bound_is_the_fastest_product_of_each_device_and_precision() -> None:
    def product(flops_per_s: float, **row: Any) -> Record:
        return a_record(a_row("linear_fit", **row), timing={"product_flops_per_s": flops_per_s})

    records = [
        product(1e11),
        product(2e11, backend="torch"),
        product(1.5e11, backend="jax"),
        product(9e13, device="gpu"),
        product(8e10, precision="float64"),
        a_record(a_row("linear_fit", precision="float64", device="gpu"), status="failed"),
    ]
    assert product_bounds(Columns.of(records)) == {
        ("cpu", "float32"): 2e11,
        ("gpu", "float32"): 9e13,
        ("cpu", "float64"): 8e10,
    }


def test_the_product_of_a_guest_or_another_package_raises_no_bound() -> None:
    def product(backend: str, flops_per_s: float) -> Record:
        return a_record(a_row("linear_fit", backend), timing={"product_flops_per_s": flops_per_s})

    others = [product("sklearn", 3e11), product("keras-jax", 4e11), product("pocketgrad", 5e11)]
    assert product_bounds(Columns.of([product("numpy", 1e11), *others])) == {("cpu", "float32"): 1e11}
    assert product_bounds(Columns.of([*others, product("torch", 2e11)])) == {("cpu", "float32"): 2e11}
    assert product_bounds(Columns.of(others)) == {("cpu", "float32"): 5e11}


def test_a_product_beyond_the_processor_counts_as_what_the_processor_can_reach() -> None:
    timing = {"product_flops_per_s": 1e15, "product_limit_flops_per_s": 4e11}
    assert product_bounds(Columns.of([a_record(ROW, timing=timing)])) == {("cpu", "float32"): 4e11}


def test_where_the_processor_is_unknown_no_product_is_impossible() -> None:
    assert impossible([sample(product_flops_per_s=1e20)]) == ""


def test_processes_without_turns_have_no_clock_to_compare_and_nothing_to_remember() -> None:
    unclocked = sample(turns=Turns(passes=(0,), wall_s=(0.0,), cpu_s=(0.0,)))
    for each in (sample(), unclocked):
        assert (other_clock([each]), remembering([each])) == ("", "")


def test_some_late_replies_are_no_other_clock() -> None:
    turns = some_turns(0.25)
    disturbed = replace(turns, asked_s=(3.0, 3.0, 3.0, *turns.asked_s[3:]))
    assert other_clock([sample(turns=disturbed)]) == ""


def test_helpers_count_as_threads_and_cores() -> None:
    steady = Steady(window_s=1.0, cpu_s=2.0, vanished_cpu_s=0.0, waited_s=0.0, helpers_cpu_s=2.0)
    assert escaped([sample(steady=steady)]) == "kept 4.0 cores busy, 2 granted"
    assert crowded([sample(steady=steady)]) == "4.0 threads at a time were ready to run, 2 granted"


@pytest.mark.parametrize("faster", [{"device": "gpu"}, {"precision": "float64"}])
def test_a_row_is_not_judged_by_the_product_of_another_device_or_precision(faster: dict[str, str]) -> None:
    slow = {"flops_per_pass": 300, "product_flops_per_s": 100.0}
    fast = {"flops_per_pass": 300, "product_flops_per_s": 1000.0}
    other = a_row("linear_fit", **faster)
    raised = flags_of([a_record(ROW, 0, *TIMES, timing=slow), a_record(other, 0, *TIMES, timing=fast)])
    assert [flag.sentence[:4] for flag in raised[ROW]] == ["3.00"]
    assert raised[other] == ()


def test_a_framework_with_a_slow_product_of_its_own_may_train_faster_than_that() -> None:
    slow = a_record(ROW, 0, *TIMES, timing={"flops_per_pass": 300, "product_flops_per_s": 100.0})
    fast = a_record(OTHER, 0, *TIMES, timing={"flops_per_pass": 300, "product_flops_per_s": 1000.0})
    assert flags_of([slow, fast]) == {ROW: (), OTHER: ()}


# Passes over time


def test_five_steady_passes_tell_no_drift() -> None:
    assert drifting([sample(1.0, 1.0, 1.5, 2.0, 2.5, 3.0)]) == ""
    assert drifting([sample(1.0, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5)])


def test_a_drift_is_that_between_the_first_and_the_last_third_of_the_steady_passes() -> None:
    assert drifting([sample(9.0, 1.0, 1.2, 1.2, 1.3, 1.3, 1.5)]).endswith(" 1.27 times as long as its first")
    assert drifting([sample(9.0, *(1.0,) * 3, *(9.0,) * 3, *(1.0,) * 3)]) == ""


@pytest.mark.parametrize(("last_s", "flagged"), [(1.1, False), (1.11, True), (1 / 1.1, False), (1 / 1.11, True)])
def test_a_drift_of_a_tenth_is_none_yet(last_s: float, flagged: bool) -> None:
    assert bool(drifting([sample(9.0, *(1.0,) * 3, *(last_s,) * 3)])) == flagged


@pytest.mark.parametrize(("alike", "flagged"), [(5, False), (6, True)])
def test_three_of_four_processes_must_drift_the_same_way(alike: int, flagged: bool) -> None:
    slower, faster = sample(9.0, *(1.0,) * 3, *(2.0,) * 3), sample(9.0, *(2.0,) * 3, *(1.0,) * 3)
    assert bool(drifting([slower] * alike + [faster] * (8 - alike))) == flagged
    assert bool(drifting([faster] * alike + [slower] * (8 - alike))) == flagged


def test_processes_of_too_few_passes_do_not_count_beside_those_that_have_enough() -> None:
    assert drifting([sample(9.0, 1.0)] * 3 + [sample(9.0, *(1.0,) * 3, *(2.0,) * 3)])


# Compiling anew


def test_one_process_alone_tells_nothing_of_compiling_anew() -> None:
    spike = sample(8.0, 0.25, 0.25, 1.0, 0.25)
    assert recompiling([spike]) == ""
    assert recompiling([spike] * 2)


def test_half_of_the_processes_are_not_most() -> None:
    spike = sample(8.0, 0.25, 0.25, 1.0, 0.25)
    assert recompiling([spike] * 2 + [sample()] * 2) == ""


def test_slow_passes_that_differ_from_process_to_process_were_disturbed() -> None:
    usual = [0.25] * 5
    samples = [sample(8.0, *usual[:place], 1.0, *usual[place:]) for place in range(5)]
    assert recompiling(samples) == ""


def test_the_first_pass_may_compile() -> None:
    assert recompiling([sample(100.0, 0.25, 0.25, 0.25, 0.25)] * 3) == ""


def test_the_second_pass_may_not() -> None:
    assert recompiling([sample(8.0, 1.0, 0.25, 0.25, 0.25)] * 3).startswith("compiles again? Pass 2 took")


def test_a_pass_is_slow_beside_the_median_of_all_steady_ones() -> None:
    assert recompiling([sample(9.0, 0.25, 0.25, 1.0)] * 2)
    assert recompiling([sample(9.0, 0.25, 1.0, 1.0, 2.5)] * 2) == ""


def test_of_several_slow_passes_the_first_is_named() -> None:
    spikes = sample(8.0, 0.25, 1.0, 0.25, 1.0, 0.25, 0.25)
    assert recompiling([spikes] * 3) == (
        "compiles again? Pass 3 and others took over 3 times the median in 3 processes"
    )


def test_of_slow_passes_of_as_many_processes_the_earlier_is_named() -> None:
    early, late, both = (sample(8.0, a, 0.25, 0.25, b, 0.25) for a, b in ((1.0, 0.25), (0.25, 1.0), (1.0, 1.0)))
    assert recompiling([late, both, early]).startswith("compiles again? Pass 2 and others took")


def test_of_several_slow_passes_the_one_of_most_processes_is_named() -> None:
    early, late = sample(8.0, 1.0, 0.25, 0.25, 1.0, 0.25), sample(8.0, 0.25, 0.25, 0.25, 1.0, 0.25)
    assert recompiling([early, early, late]) == "compiles again? Pass 5 took over 3 times the median in 3 processes"


@pytest.mark.parametrize(
    ("usual_s", "slow_s", "flagged"),
    [(0.25, 0.75, False), (0.25, 0.76, True), (1e-3, 5.9e-3, False), (1e-3, 6.1e-3, True)],
)
def test_a_pass_is_slow_beyond_three_times_the_median_and_5_milliseconds_more(
    usual_s: float, slow_s: float, flagged: bool
) -> None:
    assert bool(recompiling([sample(8.0, usual_s, usual_s, slow_s, usual_s)] * 2)) == flagged


# In turns


def rounds_of(row: Row, *turns: Turns) -> list[Record]:
    """Return a process of a row in each round."""
    return [a_record(row, block, *USUAL_S, timing={"turns": each}) for block, each in enumerate(turns)]


def test_where_there_are_turns_the_passes_of_the_first_training_tell_nothing() -> None:
    drifts = sample(9.0, *(1.0,) * 3, *(2.0,) * 3, turns=some_turns(1.0))
    spikes = sample(8.0, 0.25, 0.25, 1.0, 0.25, turns=some_turns(0.25))
    assert (drifting([drifts] * 3), recompiling([spikes] * 3)) == ("", "")


def test_a_machine_that_becomes_slow_in_a_round_accuses_no_row() -> None:
    slow = rounds_of(ROW, *[turns_of(*RISING)] * 3)
    assert [flag.sentence[:10] for flag in flags_of(slow)[ROW]] == ["slows down"]
    also = rounds_of(OTHER, *[turns_of(*(2 * pass_s for pass_s in RISING))] * 3)
    assert flags_of([*slow, *also]) == {ROW: (), OTHER: ()}


def test_the_rows_beside_it_are_those_of_the_same_task_and_round() -> None:
    slow = rounds_of(ROW, *[turns_of(*RISING)] * 3)
    elsewhere = [
        *rounds_of(a_row("iris_mlp"), *[turns_of(*RISING)] * 3),
        *(
            a_record(OTHER, block + 3, *USUAL_S, timing=record.timing and {"turns": record.timing.turns})
            for block, record in enumerate(slow)
        ),
    ]
    assert [flag.sentence[:10] for flag in flags_of([*slow, *elsewhere])[ROW]] == ["slows down"]


def test_a_row_that_drifts_beside_a_steady_one_is_the_only_one_accused() -> None:
    steady = rounds_of(OTHER, *[turns_of(*(0.25,) * 8)] * 3)
    raised = flags_of([*rounds_of(ROW, *[turns_of(*RISING)] * 3), *steady])
    assert ([flag.sentence[:10] for flag in raised[ROW]], raised[OTHER]) == (["slows down"], ())


def test_delays_that_the_other_rows_have_too_accuse_nobody_of_compiling() -> None:
    delayed = turns_of(*(0.25,) * 5, longer_s=(0.6, 0.0, 0.6, 0.6, 0.0))
    calm = rounds_of(OTHER, *[turns_of(*(0.25,) * 5)] * 3)
    assert [flag.sentence[:14] for flag in flags_of([*rounds_of(ROW, *[delayed] * 3), *calm])[ROW]] == [
        "compiles again"
    ]
    assert flags_of([*rounds_of(ROW, *[delayed] * 3), *rounds_of(OTHER, *[delayed] * 3)]) == {ROW: (), OTHER: ()}


def test_the_share_of_a_product_is_that_of_the_tables() -> None:
    turns = turns_of(*(0.5,) * 6, 5.0, 5.0)
    each = sample(*USUAL_S, turns=turns, flops_per_pass=100, bound=400.0)
    record = replace(a_record(ROW), timing=each.timing)
    processes = Processes.of(timed(Columns.of([record])), {(ROW.device, ROW.precision): 400.0})
    assert achieved_share([each]).tolist() == NUMBERS["flops_share"](processes).tolist() == pytest.approx([0.5])


# By row


def test_flags_are_those_of_each_row() -> None:
    late = {"read_s": (1.0,) * 7, "reread_s": (0.0,) * 3}
    good = [a_record(ROW, block, *USUAL_S) for block in range(3)]
    bad = [a_record(OTHER, block, *USUAL_S, timing=late) for block in range(3)]
    raised = flags_of([record for pair in zip(good, bad, strict=True) for record in pair])
    assert raised[ROW] == ()
    assert [flag.sentence for flag in raised[OTHER]] == [
        "does not wait: 400% of a pass was left to do when train returned"
    ]


def test_rows_without_times_have_no_flags() -> None:
    assert flags_of([a_record(ROW), a_record(OTHER, status="crashed")]) == {ROW: ()}
    assert flags_of([a_record(ROW, timing={"wall_s": 99.0}, resources=None)]) == {}


@pytest.mark.parametrize(("threads", "raised"), [(3, ()), (2, ("set its CPU affinity to 3 cores, 2 granted",))])
def test_what_was_granted_is_what_the_job_says(threads: int, raised: tuple[str, ...]) -> None:
    job = Job(row=ROW, threads=threads, block=0)
    record = a_record(ROW, job=job, resources=Resources(cores=3, dtype="float32", framework="1.0"))
    assert tuple(flag.sentence for flag in flags_of([record])[ROW]) == raised


def test_the_records_may_come_one_by_one() -> None:
    rows: tuple[Row, ...] = (ROW, OTHER)
    assert flags_of(a_record(row) for row in rows) == {ROW: (), OTHER: ()}
