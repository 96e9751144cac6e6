"""Ratios over many runs: by machine and settings, with what changed, and without a number that does not count."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_histories import BAD, BASE, GOOD, a_day, days

from bench.analysis.history import Line, MachineHistory, history
from bench.analysis.summary import summarise
from bench.errors import BadChoice


def lines_of(machine: MachineHistory) -> dict[str, Line]:
    (panel,) = machine.panels
    return {line.row.backend: line for line in panel.lines}


def test_runs_are_grouped_by_machine_and_ordered_by_time(tmp_path: Path) -> None:
    one, other = history(days(tmp_path), "numpy")
    assert [moment.header.created[8:10] for moment in one.moments] == ["01", "02", "03", "04"]
    assert [moment.header.created[8:10] for moment in other.moments] == ["05"]
    assert one.differs == ()
    assert {each.name for each in other.differs} == {"processor", "cores"}


def test_a_point_has_the_ratio_and_the_interval_of_the_table(tmp_path: Path) -> None:
    run = a_day(tmp_path, 1, 0.8)
    (machine,) = history([run], "numpy")
    (point,) = lines_of(machine)["jax"].points
    summary = next(each for each in summarise([run], "numpy") if each.row == GOOD)
    assert summary.to_baseline is not None
    assert point.ratio == summary.to_baseline.ratio == pytest.approx(0.8, rel=0.05)
    assert summary.to_baseline.comparison is not None
    assert point.interval == summary.to_baseline.comparison.interval
    assert BASE not in [line.row for line in machine.panels[0].lines]  # it would be 1 in each run


def test_changed_versions_are_kept_with_the_run_that_has_them(tmp_path: Path) -> None:
    one, _ = history(days(tmp_path), "numpy")
    changed = [[str(each) for each in moment.changed] for moment in one.moments]
    assert changed == [[], [], ["torch: 2.12.0 then, 2.13.0 now"], []]


def test_a_row_that_is_wrong_has_no_number_on_that_day_and_says_why(tmp_path: Path) -> None:
    one, _ = history(days(tmp_path), "numpy")
    points = lines_of(one)["torch"].points
    assert [point.ratio is None for point in points] == [False, True, False, False]
    assert points[1].reason == "parity: loss 2 at step 7"
    assert all(point.ratio for point in lines_of(one)["jax"].points)


def test_if_the_baseline_is_wrong_no_row_has_a_number(tmp_path: Path) -> None:
    (machine,) = history([a_day(tmp_path, 1, 0.8, wrong=(BASE,))], "numpy")
    (point,) = lines_of(machine)["jax"].points
    assert point.ratio is None
    assert point.reason == "the baseline is not ranked: parity: loss 2 at step 7"


def test_a_task_with_other_settings_has_a_panel_of_its_own(tmp_path: Path) -> None:
    runs = [a_day(tmp_path, 1, 0.8), a_day(tmp_path, 2, 0.8, tasks={"iris_mlp": {"epochs": 5}})]
    (machine,) = history(runs, "numpy")
    assert [dict(panel.settings) for panel in machine.panels] == [{}, {"epochs": 5}]
    assert [[point.moment for point in panel.lines[0].points] for panel in machine.panels] == [[0], [1]]


def test_rows_are_chosen_and_the_baseline_must_be_there(tmp_path: Path) -> None:
    (machine,) = history([a_day(tmp_path, 1, 0.8)], "jax:scan", lambda row: row.backend == "torch")
    assert [line.row for line in machine.panels[0].lines] == [BAD]
    with pytest.raises(BadChoice, match=r"no row of baseline 'tensorflow'; choose from jax:scan"):
        history([a_day(tmp_path, 2, 0.8)], "tensorflow")
