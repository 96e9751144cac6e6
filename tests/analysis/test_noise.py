"""Whether the machine was quiet: quiet blocks are left alone, and each disturbance is named with its size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from support import a_block, a_calibration

from bench.analysis.noise import noise, usual_s
from bench.machine import calibration
from bench.machine.calibration import LOOPS, calibrate, jitter, typical_s
from bench.records.blocks import Blocks
from bench.records.schema import Calibration

USUAL_S = 2e-3


def told(**block: Any) -> str:
    """Return what is said of a block of a run whose calibration loop usually takes 2 ms."""
    return noise(Blocks.of([a_block("linear_fit", **block)]), USUAL_S)[0]


def one_in_five(slow: float) -> Calibration:
    """Return twenty loops, of which four take `slow` times as long."""
    return Calibration(loops_s=(USUAL_S,) * 16 + (slow * USUAL_S,) * 4)


# Blocks


def test_a_quiet_block_is_left_alone() -> None:
    assert told() == ""


@pytest.mark.parametrize(
    ("block", "sentence"),
    [
        ({"loop_s": 2.5e-3}, "the calibration loop took 1.25 times its usual time"),
        ({"before": a_calibration(2.5e-3)}, "the calibration loop took 1.25 times its usual time"),
        ({"after": a_calibration(2.5e-3)}, "the calibration loop took 1.25 times its usual time"),
        ({"before": a_calibration(1.6e-3)}, "the calibration loop changed by 25%"),
        ({"after": a_calibration(1.6e-3)}, "the calibration loop changed by 25%"),
        ({"before": one_in_five(2)}, "one calibration loop in ten took 2.00 times the median"),
        ({"after": one_in_five(2)}, "one calibration loop in ten took 2.00 times the median"),
        ({"foreign_cores": 0.5}, "other processes kept 0.5 cores busy"),
        ({"stolen_cores": 0.5}, "the hypervisor gave 0.5 cores to other virtual machines"),
    ],
)
def test_a_disturbance_is_named_with_its_size(block: dict[str, Any], sentence: str) -> None:
    assert told(**block) == sentence


@pytest.mark.parametrize(
    ("at", "beyond"),
    [
        ({"loop_s": 2.199e-3}, {"loop_s": 2.201e-3}),
        ({"after": a_calibration(1.819e-3)}, {"after": a_calibration(1.817e-3)}),
        ({"after": one_in_five(1.499)}, {"after": one_in_five(1.501)}),
        ({"foreign_cores": 0.2}, {"foreign_cores": 0.201}),
        ({"stolen_cores": 0.2}, {"stolen_cores": 0.201}),
    ],
)
def test_a_disturbance_is_told_beyond_its_limit_and_not_below(at: dict[str, Any], beyond: dict[str, Any]) -> None:
    assert told(**at) == ""
    assert told(**beyond)


def test_a_block_that_was_faster_than_the_others_is_not_disturbed() -> None:
    assert told(loop_s=1e-3) == ""


def test_a_system_that_does_not_tell_of_others_accuses_nobody() -> None:
    assert told(foreign_cores=None, stolen_cores=None) == ""


def test_a_block_without_calibrations_is_judged_by_the_rest() -> None:
    assert told(before=None, after=None) == ""
    assert told(before=None, after=None, foreign_cores=1.0) == "other processes kept 1.0 cores busy"
    assert noise(Blocks.of([a_block("linear_fit", before=None, after=None, stolen_cores=1.0)]), math.nan)[0]


def test_one_calibration_is_enough_to_see_a_slow_block_and_too_little_to_see_a_change() -> None:
    assert told(before=None, after=a_calibration(1e-3)) == ""
    assert told(before=None, after=a_calibration(3e-3)) == "the calibration loop took 1.50 times its usual time"
    assert told(before=a_calibration(3e-3), after=None) == "the calibration loop took 1.50 times its usual time"
    assert told(before=one_in_five(2), after=None) == "one calibration loop in ten took 2.00 times the median"


# The usual loop


def test_the_usual_loop_is_the_median_over_both_calibrations_of_all_blocks() -> None:
    loops_s = [(1.0, 2.0), (3.0, 4.0), (50.0, 60.0)]
    blocks = [
        a_block("linear_fit", number, before=a_calibration(before_s), after=a_calibration(after_s))
        for number, (before_s, after_s) in enumerate(loops_s)
    ]
    assert usual_s(Blocks.of(blocks)) == 3.5


def test_calibrations_that_failed_are_left_out_of_the_usual_loop() -> None:
    blocks = [
        a_block("linear_fit", 0, before=None, after=a_calibration(1.0)),
        a_block("linear_fit", 1, before=None, after=None),
        a_block("linear_fit", 2, before=a_calibration(2.0), after=None),
        a_block("linear_fit", 3, before=a_calibration(9.0), after=None),
    ]
    assert usual_s(Blocks.of(blocks)) == 2.0


def test_without_calibrations_no_loop_is_usual() -> None:
    assert math.isnan(usual_s(Blocks.of([])))
    assert math.isnan(usual_s(Blocks.of([a_block("linear_fit", before=None, after=None)])))


def test_a_slow_block_stands_out_among_its_own_run() -> None:
    blocks = [a_block("linear_fit", number, loop_s) for number, loop_s in enumerate((3e-3, 3e-3, 3.6e-3, 3e-3))]
    assert noise(Blocks.of(blocks), usual_s(Blocks.of(blocks))) == [
        *("", ""),
        "the calibration loop took 1.20 times its usual time",
        "",
    ]


# Calibrations


def test_the_typical_loop_is_the_median() -> None:
    assert typical_s(Calibration(loops_s=(5.0, 1.0, 100.0))) == 5.0
    assert typical_s(Calibration(loops_s=(5.0, 1.0, 100.0, 4.0))) == 4.5


def test_the_jitter_is_by_how_much_the_ninth_of_ten_loops_is_slower_than_the_median() -> None:
    slowest_last = tuple(float(number) for number in range(10, 21))
    assert jitter(Calibration(loops_s=slowest_last)) == pytest.approx(19 / 15 - 1)
    assert jitter(Calibration(loops_s=slowest_last[::-1])) == pytest.approx(19 / 15 - 1)
    assert jitter(a_calibration()) == 0


def calibrated(times_s: Sequence[float], monkeypatch: pytest.MonkeyPatch) -> tuple[Calibration, list[str]]:
    """Calibrate with a clock that tells these times; return what came of it and what was done when."""
    done: list[str] = []
    times = iter(times_s)
    product, total = np.matmul, sum

    def clock() -> float:
        done.append("clock")
        return next(times)

    def matmul(*arguments: Any, **options: Any) -> Any:
        done.append("product")
        return product(*arguments, **options)

    def add(numbers: range) -> int:
        done.append("additions")
        return total(numbers)

    monkeypatch.setattr(np, "matmul", matmul)
    monkeypatch.setattr(calibration, "sum", add, raising=False)
    return calibrate(clock), done


def test_calibrating_times_each_loop_but_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    # The first loop reads the clock once, before it; each of the others reads it before and after.
    loops_s = tuple(float(number) for number in range(1, LOOPS + 1))
    times_s = [-1000.0, *(time_s for loop_s in loops_s for time_s in (100 * loop_s, 101 * loop_s))]
    found, done = calibrated(times_s, monkeypatch)
    assert found.loops_s == loops_s
    work = ["product", "additions"]
    assert done == ["clock", *work] + ["clock", *work, "clock"] * LOOPS
