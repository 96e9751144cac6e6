"""The plot of a sweep."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from made_up_sweeps import BATCHES, SMALL_FIRST, a_sweep, costs_of, point

from bench.analysis.sweep import sweep_of
from bench.report import plots
from bench.report.pictures.style import CannotPlot


def test_a_plot_is_a_picture(tmp_path: Path) -> None:
    run = a_sweep(tmp_path)
    plots.draw_scaling(sweep_of(run), costs_of(run), "about", tmp_path / "s.png")
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


def test_a_sweep_without_a_ranked_row_is_drawn_without_curves_and_without_a_warning(tmp_path: Path) -> None:
    run = a_sweep(tmp_path, wrong=tuple(point(batch, mode) for batch in BATCHES for mode in SMALL_FIRST))
    plots.draw_scaling(sweep_of(run), {}, "about", tmp_path / "s.png")  # a warning would fail this test
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_there_is_no_plot_and_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    sweep = sweep_of(a_sweep(tmp_path))
    with pytest.raises(CannotPlot, match=r"pip install 'levelfield\[report\]'"):
        plots.draw_scaling(sweep, {}, "about", tmp_path / "s.png")


def test_a_mode_looks_the_same_in_every_plot_and_no_two_alike() -> None:
    styles = [tuple(plots.style_of("tensorflow", mode).values()) for mode in ("eager", "graph", "xla")]
    assert len(set(styles)) == 3
    assert plots.style_of("numpy", "loop")["color"] != plots.style_of("torch", "eager")["color"]
