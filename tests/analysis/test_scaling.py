"""How cost grows: what is fitted, where the winner changes, and what `bench sweep` prints and writes."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import a_block, a_header, a_parity_result, a_record, a_row, run_bench, write_run

from bench.analysis import frame as frames
from bench.analysis.scaling import Cost, axis_of, costs, crossings, fit, grown, panels
from bench.analysis.stats import MIN_BLOCKS
from bench.records.runfile import read_run
from bench.records.schema import Row
from bench.report import plots
from bench.report import scaling_table as growth_tables
from bench.tasks.names import own_settings

BATCHES = (16, 64, 256, 1024)
STEPS = 10
FLOPS_PER_ROW = 1000
Step = Callable[[int], float]  # batch size -> seconds
SMALL_FIRST: Mapping[str, Step] = {  # overhead and rate of each mode, as they are known
    "jit": lambda batch: 1e-4 + batch * FLOPS_PER_ROW / 1e9,
    "scan": lambda batch: 1e-6 + batch * FLOPS_PER_ROW / 5e8,
}
CROSS = 99e-6 / (FLOPS_PER_ROW / 5e8 - FLOPS_PER_ROW / 1e9)  # where the two take as long


def point(batch: int, mode: str = "jit") -> Row:
    return a_row(f"iris_mlp:batch_size={batch}", "jax", mode)


def a_sweep(
    folder: Path, steps: Mapping[str, Step] = SMALL_FIRST, blocks: int = MIN_BLOCKS, wrong: tuple[Row, ...] = ()
) -> pd.DataFrame:
    """Return the samples of a sweep with these costs, each block a little slower than the one before."""
    rows = [point(batch, mode) for batch in BATCHES for mode in steps]
    lines = []
    for block in range(blocks):
        for row in rows:
            batch = int(row.task.rpartition("=")[2])
            pass_s = STEPS * steps[row.mode](batch) * (1 + 0.001 * block)
            timing = {"steps_per_pass": STEPS, "rows_per_step": batch, "flops_per_pass": STEPS * batch * FLOPS_PER_ROW}
            lines.append(a_record(row, block, 1.0, *(pass_s,) * 4, timing=timing))
        lines += [a_block(f"iris_mlp:batch_size={batch}", block) for batch in BATCHES]
    verdicts = [a_parity_result(row, agrees=row not in wrong, reason="off" if row in wrong else "") for row in rows]
    path = write_run(folder / "s.jsonl", a_header(*rows), [*verdicts, *lines])
    return frames.processes((read_run(path),))


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
    samples = a_sweep(tmp_path)
    found = costs(samples, grown(samples))
    cost = found["jax", "jit", "cpu", "float32"]
    assert cost.overhead_s == pytest.approx(1e-4, rel=0.01)
    assert cost.flops_per_s == pytest.approx(1e9, rel=0.01)
    assert cost.overhead is not None
    assert cost.rate is not None
    # The blocks were made 0 to 0.5 % slower: of six, the interval of the median is from the first to the last.
    assert (cost.overhead.low, cost.overhead.high) == (pytest.approx(1e-4), pytest.approx(1.005e-4))
    assert (cost.rate.low, cost.rate.high) == (pytest.approx(1e9 / 1.005), pytest.approx(1e9))


def test_few_blocks_give_a_fit_without_an_interval(tmp_path: Path) -> None:
    samples = a_sweep(tmp_path, blocks=MIN_BLOCKS - 1)
    found = costs(samples, grown(samples))["jax", "scan", "cpu", "float32"]
    assert found.overhead is None
    assert found.rate is None


def test_a_row_that_is_wrong_at_one_point_is_not_fitted(tmp_path: Path) -> None:
    samples = a_sweep(tmp_path, wrong=(point(64),))
    lines = grown(samples)
    assert list(costs(samples, lines)) == [("jax", "scan", "cpu", "float32")]
    assert growth_tables.unranked(lines) == ["not ranked: jax jit at iris_mlp:batch_size=64: off"]


# The frame


def test_the_frame_is_tidy(tmp_path: Path) -> None:
    lines = grown(a_sweep(tmp_path))
    assert len(lines) == len(BATCHES) * 2
    assert list(lines.columns[:6]) == ["base_task", "batch_size", "backend", "mode", "device", "precision"]
    line = lines[(lines["batch_size"] == "64") & (lines["mode"] == "jit")].iloc[0]
    assert line["base_task"] == "iris_mlp"
    assert line["flops_per_step"] == 64 * FLOPS_PER_ROW
    assert line["step_s"] == pytest.approx(SMALL_FIRST["jit"](64), rel=0.01)
    assert line["step_low_s"] < line["step_s"] < line["step_high_s"]
    assert line["size"] == 64


def lines_of(*names: str, flops: tuple[float, ...] = ()) -> pd.DataFrame:
    return pd.DataFrame({"task": names, "flops_per_step": flops or (math.nan,) * len(names)})


def test_numbers_stand_at_their_value() -> None:
    axis = axis_of(lines_of("iris_mlp:batch_size=30:epochs=2", "iris_mlp:batch_size=5:epochs=2"))
    assert (axis.label, axis.kind) == ("batch_size", "values")
    assert list(axis.places.values()) == [30, 5]


def test_layers_stand_at_the_flops_of_a_step() -> None:
    axis = axis_of(lines_of("iris_mlp:model.hidden=8x8", "iris_mlp:model.hidden=none", flops=(5e3, 1e2)))
    assert axis.kind == "flops"
    assert axis.names == {5e3: "8x8", 1e2: "none"}


def test_a_setting_that_is_the_same_everywhere_is_no_axis_and_no_panel() -> None:
    lines = lines_of("iris_mlp:epochs=2:batch_size=5", "iris_mlp:epochs=2:batch_size=10")
    assert axis_of(lines).label == "batch_size"
    assert list(panels(lines)) == [""]


def test_what_is_no_size_stands_in_the_order_given() -> None:
    names = ("iris_mlp:optimizer=sgd", "iris_mlp:optimizer=adam")
    axis = axis_of(lines_of(*names, flops=(1e3, 1e3)))
    assert axis.kind == "categories"
    assert not axis.of_numbers
    assert axis.places == {names[0]: 0, names[1]: 1}


def test_a_panel_for_each_combination_of_the_other_settings() -> None:
    names = [f"iris_mlp:batch_size={b}:model.hidden={h}:epochs={e}" for b in (5, 10) for h in (4, 8) for e in (1, 2)]
    lines = lines_of(*names)
    lines[["batch_size", "model.hidden", "epochs"]] = [
        [part.partition("=")[2] for part in n.split(":")[1:]] for n in names
    ]
    found = panels(lines)
    assert list(found)[:2] == ["model.hidden 4, epochs 1", "model.hidden 4, epochs 2"]
    assert [len(part) for part in found.values()] == [2, 2, 2, 2]


# Where the winner changes


def test_a_crossing_is_found_between_the_points_and_where_it_is(tmp_path: Path) -> None:
    lines = grown(a_sweep(tmp_path))
    (found,) = crossings(lines)
    assert (found.before, found.after) == ("jax scan", "jax jit")
    assert (found.low, found.high) == (64, 256)
    assert found.low < CROSS < found.high
    assert found.at == pytest.approx(CROSS, rel=0.15)  # the curves bend between the points, the line does not
    assert found.sure
    assert growth_tables.changed([found], lines) == [
        f"from 64 to 256 the fastest changes from jax scan to jax jit, at about {found.at:.3g}"
    ]


def test_few_blocks_cannot_be_sure_of_a_crossing(tmp_path: Path) -> None:
    lines = grown(a_sweep(tmp_path, blocks=2))
    (found,) = crossings(lines)
    assert not found.sure
    assert "; this run cannot tell the two apart at both" in growth_tables.changed([found], lines)[0]


def test_no_crossing_where_one_row_is_always_the_fastest(tmp_path: Path) -> None:
    steps = {"jit": SMALL_FIRST["jit"], "scan": lambda batch: 0.5 * SMALL_FIRST["jit"](batch)}
    assert crossings(grown(a_sweep(tmp_path, steps))) == []


def test_a_winner_that_is_wrong_wins_nothing(tmp_path: Path) -> None:
    wrong = tuple(point(batch, "scan") for batch in BATCHES)
    assert crossings(grown(a_sweep(tmp_path, wrong=wrong))) == []


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
        layers = own_settings(row.task)["model.hidden"]
        pass_s = STEPS * SMALL_FIRST[row.mode](int(hidden[layers] * 4 / FLOPS_PER_ROW))
        timing = {"steps_per_pass": STEPS, "flops_per_pass": int(STEPS * hidden[layers])}
        lines.append(a_record(row, 0, 1.0, *(pass_s,) * 4, timing=timing))
    path = write_run(tmp_path / "s.jsonl", a_header(*rows), [*map(a_parity_result, rows), *lines])
    samples = frames.processes((read_run(path),))
    found = grown(samples)
    assert set(found["size"]) == set(hidden.values())
    assert [(crossing.panel, crossing.low, crossing.high) for crossing in crossings(found)] == [
        ("optimizer sgd", 1e4, 4e4),
        ("optimizer adam", 1e4, 4e4),
    ]
    assert growth_tables.changed(crossings(found), found)[0].startswith("optimizer sgd: from 4 to 8x8 the fastest ")
    assert list(growth_tables.readable(found, {})) == ["optimizer sgd", "optimizer adam"]
    plots.draw_scaling(found, {}, crossings(found), "about", tmp_path / "s.png")


# Tables and plots


def test_the_table_has_a_column_a_point_and_marks_the_fastest(tmp_path: Path) -> None:
    samples = a_sweep(tmp_path, wrong=(point(16),))
    lines = grown(samples)
    (table,) = growth_tables.readable(lines, costs(samples, lines)).values()
    table = table.set_index("mode")
    assert list(table.columns[2:6]) == [f"batch_size {batch}" for batch in BATCHES]
    assert table.loc["scan", "batch_size 16"].endswith(" *")
    assert table.loc["jit", "batch_size 16"].endswith(" !")  # not ranked
    assert table.loc["jit", "batch_size 1024"] == "1.13 ms *"
    assert table.loc["scan", "overhead a step"].startswith("1")
    assert table.loc["scan", "GFLOP/s"].startswith("0.499 [0.498, 0.5")
    assert table.loc["jit", "overhead a step"] == ""


def test_a_part_of_a_cost_that_is_not_seen_is_said_to_be_so(tmp_path: Path) -> None:
    samples = a_sweep(tmp_path)
    lines = grown(samples)
    kind = ("jax", "jit", "cpu", "float32")
    (flat,) = growth_tables.readable(lines, {kind: Cost(1e-4, math.inf, 0.2)}).values()
    (steep,) = growth_tables.readable(lines, {kind: Cost(0.0, 1e9, 0.2)}).values()
    assert flat.set_index("mode").loc["jit", "GFLOP/s"] == "not seen"
    assert steep.set_index("mode").loc["jit", "overhead a step"] == "none seen"
    assert steep.set_index("mode").loc["jit", "fit within"] == "20%"


def test_a_plot_is_a_picture(tmp_path: Path) -> None:
    samples = a_sweep(tmp_path)
    lines = grown(samples)
    plots.draw_scaling(lines, costs(samples, lines), crossings(lines), "about", tmp_path / "s.png")
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_there_is_no_plot_and_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    lines = grown(a_sweep(tmp_path))
    with pytest.raises(plots.CannotPlot, match=r"pip install 'levelfield\[report\]'"):
        plots.draw_scaling(lines, {}, [], "about", tmp_path / "s.png")


def test_a_mode_looks_the_same_in_every_plot_and_no_two_alike() -> None:
    styles = [tuple(plots.style_of("tensorflow", mode).values()) for mode in ("eager", "graph", "xla")]
    assert len(set(styles)) == 3
    assert plots.style_of("numpy", "loop")["color"] != plots.style_of("torch", "eager")["color"]


# The command line

SWEEP = ("sweep", "thermometer_raw", "--vary", "epochs=50,100", "--backend", "misbehaving", "--workers", "1")


def test_a_sweep_prints_and_writes_what_it_found_and_can_be_gone_on_with(tmp_path: Path) -> None:
    result = run_bench(*SWEEP, "--mode", "right", "--mode", "raises", "--out", "s.jsonl", cwd=tmp_path)
    assert result.returncode == 1, result.stdout + result.stderr  # one of the modes raises
    assert "epochs 50" in result.stdout
    assert "epochs 100" in result.stdout
    assert "not ranked: misbehaving raises: failed: " in result.stdout
    frame = pd.read_csv(tmp_path / "s.csv")
    assert sorted(frame["epochs"]) == [50, 50, 100, 100]
    assert frame.loc[frame["mode"] == "right", "agrees"].astype(bool).all()
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    rows = read_run(tmp_path / "s.jsonl").header.rows
    assert {row.task for row in rows} == {"thermometer_raw:epochs=50", "thermometer_raw:epochs=100"}
    (tmp_path / "s.png").unlink()
    again = run_bench("sweep", "--resume", "s.jsonl", cwd=tmp_path)
    assert again.returncode == 1, again.stderr
    assert (tmp_path / "s.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sweep",), "bench sweep needs a task; choose from iris_mlp, "),
        (("sweep", "iris_mlp"), "a sweep needs two points at least"),
        (("sweep", "iris", "--vary", "epochs=1,2"), "unknown task 'iris'; choose from "),
        (("sweep", "iris_mlp", "--vary", "epoch=1,2"), "iris_mlp has no setting 'epoch'"),
        (("sweep", "iris_mlp", "--vary", "epochs=1,2", "--epochs", "3"), "epochs is set twice for iris_mlp:epochs=1"),
        (("sweep", "mnist_mlp", "--vary", "model.hidden=10,1000000x100000"), "100000 does not fit: it needs up to "),
    ],
)
def test_a_sweep_of_nothing_is_refused(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    result = run_bench(*arguments, cwd=tmp_path)
    assert result.returncode == 2, result.stdout
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []
