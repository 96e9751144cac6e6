"""How cost grows: what is fitted, and where the winner changes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from made_up_sweeps import (
    BATCHES,
    CROSS,
    FLOPS_PER_ROW,
    JIT,
    SCAN,
    SMALL_FIRST,
    STEPS,
    a_sweep,
    costs_of,
    point,
)
from support import a_header, a_parity_result, a_record, a_row, write_run

from bench.analysis.scaling import MIN_FITS, crossings, fit, speed_up
from bench.analysis.sweep import Point, sweep_of
from bench.records.runfile import read_run
from bench.report import plots, scaling_table
from bench.tasks.names import TaskRef

# Overhead and rate


def test_a_fit_finds_the_overhead_and_the_rate_that_the_times_were_made_with() -> None:
    flops = np.array([1e3, 1e5, 1e7, 1e9])
    found = fit(flops, 3e-5 + flops / 2e9)
    assert found is not None
    assert (found.overhead_s, found.flops_per_s) == (pytest.approx(3e-5), pytest.approx(2e9))
    assert found.misfit < 1e-9


def test_a_fit_says_how_far_it_is_off() -> None:
    flops = np.array([1e3, 1e5, 1e7, 1e9])
    step_s = 3e-5 + flops / 2e9
    step_s[1] *= 1.5
    found = fit(flops, step_s)
    assert found is not None
    assert 0.1 < found.misfit < 0.5
    assert found.misfit == pytest.approx(np.max(np.abs(found.step_s(flops) / step_s - 1)))


def test_a_fit_has_no_part_below_zero() -> None:
    flops = np.array([1e3, 1e4, 1e5])
    superlinear = fit(flops, flops**1.5 / 1e9)
    falling = fit(flops, 1e-3 - flops * 1e-9)
    assert superlinear is not None
    assert falling is not None
    assert superlinear.overhead_s == 0
    assert math.isinf(falling.flops_per_s)
    assert falling.step_s(flops) == pytest.approx(falling.overhead_s)


def test_two_sizes_are_too_few_for_a_fit() -> None:
    assert fit(np.array([1e3, 1e5, 1e5]), np.array([1e-5, 2e-5, 2e-5])) is None


def test_costs_of_a_sweep_have_intervals_over_blocks(tmp_path: Path) -> None:
    cost = costs_of(a_sweep(tmp_path))[JIT]
    assert cost.overhead_s == pytest.approx(1e-4, rel=0.01)
    assert cost.flops_per_s == pytest.approx(1e9, rel=0.01)
    assert cost.overhead is not None
    assert cost.rate is not None
    # The blocks were made 0 to 0.5 % slower: of six, the interval of the median is from the first to the last.
    assert (cost.overhead.low, cost.overhead.high) == (pytest.approx(1e-4), pytest.approx(1.005e-4))
    assert (cost.rate.low, cost.rate.high) == (pytest.approx(1e9 / 1.005), pytest.approx(1e9))


def test_few_blocks_give_a_fit_without_an_interval(tmp_path: Path) -> None:
    found = costs_of(a_sweep(tmp_path, blocks=MIN_FITS - 1))[SCAN]
    assert found.overhead is None
    assert found.rate is None


def test_a_row_that_is_wrong_at_one_point_is_not_fitted(tmp_path: Path) -> None:
    run = a_sweep(tmp_path, wrong=(point(64),))
    assert list(costs_of(run)) == [SCAN]
    sentence = "not ranked: jax jit at iris_mlp:batch_size=64: parity: off"
    assert scaling_table.unranked_sentences(sweep_of(run)) == [sentence]


# Where the winner changes


def test_a_crossing_is_found_between_the_points_and_where_it_is(tmp_path: Path) -> None:
    sweep = sweep_of(a_sweep(tmp_path))
    (found,) = crossings(sweep.panels[0])
    assert (found.before, found.after) == ("jax scan", "jax jit")
    assert (found.low, found.high) == (64, 256)
    assert found.low < CROSS < found.high
    assert found.at == pytest.approx(CROSS, rel=0.15)  # the curves bend between the points, the line does not
    assert found.sure
    assert scaling_table.winner_sentences(sweep) == [
        f"between batch_size 64 and 256 the fastest row changes from jax scan to jax jit, at about {found.at:.3g}"
    ]


def test_one_round_cannot_be_sure_of_a_crossing(tmp_path: Path) -> None:
    sweep = sweep_of(a_sweep(tmp_path, blocks=1))
    (found,) = crossings(sweep.panels[0])
    assert not found.sure
    assert (
        "; not certain: the difference of the two rows is not significant at both sizes"
        in scaling_table.winner_sentences(sweep)[0]
    )


def test_no_crossing_where_one_row_is_always_the_fastest(tmp_path: Path) -> None:
    steps = {"jit": SMALL_FIRST["jit"], "scan": lambda batch: 0.5 * SMALL_FIRST["jit"](batch)}
    assert crossings(sweep_of(a_sweep(tmp_path, steps)).panels[0]) == []


def test_a_winner_that_is_wrong_wins_nothing(tmp_path: Path) -> None:
    wrong = tuple(point(batch, "scan") for batch in BATCHES)
    assert crossings(sweep_of(a_sweep(tmp_path, wrong=wrong)).panels[0]) == []


def test_layers_stand_at_their_flops_though_another_setting_does_not_change_these(tmp_path: Path) -> None:
    hidden, optimizers = {"4": 1e4, "8x8": 4e4}, ("sgd", "adam")
    rows = [
        a_row(f"iris_mlp:model.hidden={layers}:optimizer={name}", "jax", mode)
        for layers in hidden
        for name in optimizers
        for mode in SMALL_FIRST
    ]
    lines = []
    for row in rows:
        layers = TaskRef.parse(row.task).settings["model.hidden"]
        pass_s = STEPS * SMALL_FIRST[row.mode](int(hidden[layers] * 4 / FLOPS_PER_ROW))
        timing = {"steps_per_pass": STEPS, "flops_per_pass": int(STEPS * hidden[layers])}
        lines.append(a_record(row, 0, 1.0, *(pass_s,) * 4, timing=timing))
    path = write_run(tmp_path / "s.jsonl", a_header(*rows), [*map(a_parity_result, rows), *lines])
    sweep = sweep_of(read_run(path))
    assert {panel.size(each) for panel in sweep.panels for each in panel.points} == set(hidden.values())
    found = [(panel.title, crossing.low, crossing.high) for panel in sweep.panels for crossing in crossings(panel)]
    assert found == [("optimizer sgd", 1e4, 4e4), ("optimizer adam", 1e4, 4e4)]
    assert scaling_table.winner_sentences(sweep)[0].startswith(
        "optimizer sgd: between model.hidden 4 and 8x8 the fastest row "
    )
    plots.draw_scaling(sweep, {}, "about", tmp_path / "s.png")


# What more threads gain


def threaded(folder: Path, *, right: bool = True) -> list[Point]:
    """Return two points of a row that takes 0.1 s a pass with one thread and 0.0625 s with two."""
    rows = [a_row(f"iris_mlp:threads={threads}", "jax", "jit") for threads in (2, 1)]
    passes_s = dict(zip(rows, (0.0625, 0.1), strict=True))
    verdicts = [a_parity_result(row, agrees=right, reason="" if right else "off") for row in rows]
    records = [a_record(row, number, 1.0, passes_s[row] * (1 + 0.001 * number)) for row in rows for number in range(4)]
    return list(sweep_of(read_run(write_run(folder / "t.jsonl", a_header(*rows), [*verdicts, *records]))).points)


def test_the_gain_of_threads_is_a_ratio_with_an_interval_and_a_share_of_what_would_be_ideal(tmp_path: Path) -> None:
    found = speed_up(threaded(tmp_path))
    assert found is not None
    assert found.ratio == pytest.approx(1.6, rel=1e-6)
    assert found.threads == 2
    assert found.efficiency == pytest.approx(0.8)
    assert found.interval is not None
    assert 1.5 < found.interval.low < 1.6 < found.interval.high < 1.7
    panel = sweep_of(read_run(tmp_path / "t.jsonl")).panels[0]
    (line,) = scaling_table.readable(panel, {}).to_dict("records")
    assert line["of ideal"] == "80 %"
    assert line["speed-up"].startswith("1.60 [1.5")


def test_nothing_is_gained_by_a_row_that_is_wrong_or_by_another_setting(tmp_path: Path) -> None:
    assert speed_up(threaded(tmp_path, right=False)) is None
    (tmp_path / "other").mkdir()
    assert speed_up(sweep_of(a_sweep(tmp_path / "other")).points) is None
