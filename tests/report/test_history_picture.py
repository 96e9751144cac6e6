"""The picture of a history: points with intervals, crosses without a number, lines where versions changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from made_up_histories import days
from matplotlib.figure import Figure

from bench.analysis.history import history
from bench.report.pictures.history import draw, draw_panel


def test_a_row_that_is_not_ranked_breaks_its_line_and_has_a_cross_at_the_foot(tmp_path: Path) -> None:
    one, _ = history(days(tmp_path), "numpy")
    ax = Figure().subplots()
    draw_panel(ax, one.moments, one.panels[0])
    drawn = {str(each.get_label()): each for each in ax.containers}
    ratios = np.asarray(drawn["torch eager"].lines[0].get_ydata(), float)
    assert [bool(np.isnan(each)) for each in ratios] == [False, True, False, False]
    assert not np.isnan(np.asarray(drawn["jax scan"].lines[0].get_ydata(), float)).any()
    crosses = [each for each in ax.lines if each.get_marker() == "x"]
    assert [round(float(x)) for each in crosses for x in each.get_xdata()] == [1]
    dotted = [each for each in ax.lines if each.get_linestyle() == ":"]
    assert [list(each.get_xdata()) for each in dotted] == [[1.5, 1.5]]
    assert any("torch 2.12.0 → 2.13.0" in each.get_text() for each in ax.texts)


def test_every_machine_has_a_panel_of_its_own(tmp_path: Path) -> None:
    found = history(days(tmp_path), "numpy")
    assert [len(machine.panels) for machine in found] == [1, 1]
    draw(found, tmp_path / "h.svg")
    text = (tmp_path / "h.svg").read_text()
    assert text.count('id="axes_') == 2
