"""The table of a sweep."""

from __future__ import annotations

import math
from pathlib import Path

from made_up_sweeps import (
    BATCHES,
    JIT,
    a_sweep,
    costs_of,
    point,
)

from bench.analysis.scaling import Cost
from bench.analysis.sweep import sweep_of
from bench.report import scaling_table


def test_the_table_has_a_column_a_point_and_marks_the_fastest(tmp_path: Path) -> None:
    run = a_sweep(tmp_path, wrong=(point(16),))
    table = scaling_table.readable(sweep_of(run).panels[0], costs_of(run)).set_index("mode")
    assert list(table.columns[2:6]) == [f"batch_size {batch}" for batch in BATCHES]
    assert table.loc["scan", "batch_size 16"].endswith(" *")
    assert table.loc["jit", "batch_size 16"].endswith(" !")  # not ranked
    assert table.loc["jit", "batch_size 1024"] == "1.13 ms *"
    assert table.loc["scan", "overhead per step"].startswith("1")
    assert table.loc["scan", "GFLOP/s"].startswith("0.499 [0.498, 0.5")
    assert table.loc["jit", "overhead per step"] == ""


def test_a_part_of_a_cost_that_is_not_seen_is_said_to_be_so(tmp_path: Path) -> None:
    (panel,) = sweep_of(a_sweep(tmp_path)).panels
    flat, steep = (
        scaling_table.readable(panel, {JIT: cost}) for cost in (Cost(1e-4, math.inf, 0.2), Cost(0.0, 1e9, 0.2))
    )
    assert flat.set_index("mode").loc["jit", "GFLOP/s"] == "not found"
    assert steep.set_index("mode").loc["jit", "overhead per step"] == "none found"
    assert steep.set_index("mode").loc["jit", "fit within"] == "20%"
