"""Points of a sweep on their axes, in their panels, and as a frame."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from made_up_sweeps import (
    BATCHES,
    FLOPS_PER_ROW,
    SMALL_FIRST,
    a_sweep,
    points_of,
)

from bench.analysis.frame import scaling_frame
from bench.analysis.sweep import axis_of, panels_of, sweep_of
from bench.tasks.names import TaskRef


def test_the_frame_is_tidy(tmp_path: Path) -> None:
    lines = scaling_frame(sweep_of(a_sweep(tmp_path)))
    assert len(lines) == len(BATCHES) * 2
    assert list(lines.columns[:6]) == ["base_task", "batch_size", "backend", "mode", "device", "precision"]
    line = lines[(lines["batch_size"] == "64") & (lines["mode"] == "jit")].iloc[0]
    assert line["base_task"] == "iris_mlp"
    assert line["flops_per_step"] == 64 * FLOPS_PER_ROW
    assert line["step_s"] == pytest.approx(SMALL_FIRST["jit"](64), rel=0.01)
    assert line["step_low_s"] < line["step_s"] < line["step_high_s"]
    assert line["size"] == 64


def flops_of(*names: str, flops: tuple[float, ...] = ()) -> dict[TaskRef, float]:
    return dict(zip(map(TaskRef.parse, names), flops or (math.nan,) * len(names), strict=True))


def test_numbers_stand_at_their_value() -> None:
    axis = axis_of(flops_of("iris_mlp:batch_size=30:epochs=2", "iris_mlp:batch_size=5:epochs=2"))
    assert (axis.label, axis.kind) == ("batch_size", "values")
    assert list(axis.places.values()) == [30, 5]


def test_layers_stand_at_the_flops_of_a_step() -> None:
    axis = axis_of(flops_of("iris_mlp:model.hidden=8x8", "iris_mlp:model.hidden=none", flops=(5e3, 1e2)))
    assert axis.kind == "flops"
    assert axis.names == {5e3: "8x8", 1e2: "none"}


def test_a_setting_that_is_the_same_everywhere_is_no_axis_and_no_panel(tmp_path: Path) -> None:
    names = ("iris_mlp:epochs=2:batch_size=5", "iris_mlp:epochs=2:batch_size=10")
    assert axis_of(flops_of(*names)).label == "batch_size"
    assert [panel.title for panel in panels_of(points_of(tmp_path, *names))] == [""]


def test_what_is_no_size_stands_in_the_order_given() -> None:
    names = ("iris_mlp:optimizer=sgd", "iris_mlp:optimizer=adam")
    axis = axis_of(flops_of(*names, flops=(1e3, 1e3)))
    assert axis.kind == "categories"
    assert not axis.of_numbers
    assert axis.places == {TaskRef.parse(names[0]): 0, TaskRef.parse(names[1]): 1}


def test_a_panel_for_each_combination_of_the_other_settings(tmp_path: Path) -> None:
    names = [f"iris_mlp:batch_size={b}:model.hidden={h}:epochs={e}" for b in (5, 10) for h in (4, 8) for e in (1, 2)]
    found = panels_of(points_of(tmp_path, *names))
    assert [panel.title for panel in found][:2] == ["model.hidden 4, epochs 1", "model.hidden 4, epochs 2"]
    assert [len(panel.points) for panel in found] == [2, 2, 2, 2]
    assert [panel.key for panel in found] == ["batch_size"] * 4
