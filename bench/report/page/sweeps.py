"""How cost grows with size: the points, fits and crossings of a sweep. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.analysis.scaling import Cost, costs, crossings
from bench.analysis.sweep import Curve, Panel, Point, Sweep, is_sweep, sweep_of
from bench.records.runfile import Run
from bench.records.schema import Row
from bench.report.scaling_table import readable, unranked_sentences, winner_sentences

FIT_POINTS = 40


def sweep_in(run: Run) -> Sweep | None:
    """Return a run as a sweep; None if its tasks are not the points of one."""
    return sweep_of(run) if is_sweep(row.task for row in run.header.rows) and len(run.records) else None


def panels_of(run: Run, sweep: Sweep, places: Mapping[Row, int]) -> list[dict[str, Any]]:
    """Return a chart for each combination of the settings that vary, apart from the first."""
    fitted = costs(run, sweep.points)
    return [_panel(panel, fitted, places) for panel in sweep.panels]


def sweep_words(run: Run, sweep: Sweep) -> dict[str, Any]:
    """Return the tables of a sweep for people, by the title of their panel, and the sentences below them."""
    fitted = costs(run, sweep.points)
    return {
        "titles": [_title(panel) for panel in sweep.panels],
        "tables": [(panel.title, readable(panel, fitted).to_dict("split")) for panel in sweep.panels],
        "sentences": [*winner_sentences(sweep), *unranked_sentences(sweep)],
    }


def _title(panel: Panel) -> str:
    return ", ".join(filter(None, (panel.points[0].task.base, panel.title)))


def _panel(panel: Panel, fitted: Mapping[Curve, Cost], places: Mapping[Row, int]) -> dict[str, Any]:
    names = sorted(panel.axis.names.items())
    return {
        "title": _title(panel),
        "axis": panel.axis.label,
        "of_numbers": panel.axis.of_numbers,
        "ticks": [size for size, _ in names],
        "names": [name for _, name in names],
        "curves": [
            _curve(panel, sorted(ranked, key=panel.size), fitted.get(curve), places)
            for curve, points in panel.curves().items()
            if (ranked := [point for point in points if point.ranked])
        ],
        "crossings": [
            {"before": each.before, "after": each.after, "at": each.at, "sure": each.sure} for each in crossings(panel)
        ],
    }


def _curve(panel: Panel, points: Sequence[Point], cost: Cost | None, places: Mapping[Row, int]) -> dict[str, Any]:
    between = [point.step_interval for point in points]
    sizes = [panel.size(point) for point in points]
    return {
        "row": places[points[0].summary.row],  # for its name, colour and marker
        "x": sizes,
        "step_s": [point.step_s for point in points],
        "low_s": [each.low if each else None for each in between],
        "high_s": [each.high if each else None for each in between],
        "fit": _fit(sizes, points, cost) if cost and panel.axis.of_numbers else None,
    }


def _fit(sizes: Sequence[float], points: Sequence[Point], cost: Cost) -> dict[str, Any]:
    """Return the fitted time of a step along the axis; between two points, FLOPs grow as a power of the size."""
    along = np.geomspace(sizes[0], sizes[-1], FIT_POINTS)
    flops = np.exp(np.interp(np.log(along), np.log(sizes), np.log([point.flops for point in points])))
    return {
        "x": along.tolist(),
        "step_s": cost.step_s(flops).tolist(),
        "overhead_s": cost.overhead_s,
        "flops_per_s": None if math.isinf(cost.flops_per_s) else cost.flops_per_s,
        "misfit": cost.misfit,
    }
