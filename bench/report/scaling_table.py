"""The tables and sentences of a sweep: the time of a step at each point, the fit, and where the winner changes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from bench.analysis.scaling import Cost, crossings, speed_up
from bench.analysis.sweep import Curve, Panel, Point, Sweep
from bench.report.tables import note
from bench.report.units import bracketed, percent, seconds
from bench.tasks.names import THREADS

Costs = Mapping[Curve, Cost]
UNCERTAIN = "the difference of the two rows is not significant at both sizes"


def readable(panel: Panel, costs: Costs) -> pd.DataFrame:
    """Return one line per row and one column per point: the time of a step, * at the fastest, ! if not ranked.

    The last columns have the fit: overhead of a step, rate of its FLOPs, and the largest error of the fit. If the
    threads vary, they have what more threads gain.
    """
    columns = {size: f"{panel.key} {panel.axis.names[size]}" for size in sorted(panel.axis.names)}
    lines = []
    for curve, points in panel.curves().items():
        times = dict.fromkeys(columns.values(), "")
        for point in points:
            times[columns[panel.size(point)]] = _time(point)
        names = {"backend": curve.backend, "mode": curve.mode, "device": curve.device}
        last = _gained(points) if panel.key == THREADS else _fitted(costs.get(curve))
        lines.append(names | times | last)
    return pd.DataFrame(lines)


def _gained(points: Sequence[Point]) -> dict[str, str]:
    """Return the columns of a sweep over threads: speed-up from the fewest to the most, and its share of the ideal."""
    found = speed_up(points)
    if found is None:
        return {"speed-up": "", "of ideal": ""}
    return {"speed-up": bracketed(found.ratio, found.interval), "of ideal": percent(found.efficiency)}


def _time(point: Point) -> str:
    if not point.summary.processes:
        return ""
    mark = " *" if point.fastest else " !" if not point.ranked else ""
    return seconds(point.step_s) + mark


def _fitted(cost: Cost | None) -> dict[str, str]:
    if cost is None:
        return {"overhead per step": "", "GFLOP/s": "", "fit within": ""}
    return {"overhead per step": _overhead(cost), "GFLOP/s": _rate(cost), "fit within": f"{cost.misfit:.0%}"}


def _overhead(cost: Cost) -> str:
    if not cost.overhead_s:
        return "none found"
    between = f" [{seconds(cost.overhead.low)}, {seconds(cost.overhead.high)}]" if cost.overhead else ""
    return seconds(cost.overhead_s) + between


def _rate(cost: Cost) -> str:
    if math.isinf(cost.flops_per_s):
        return "not found"
    known = cost.rate if cost.rate and math.isfinite(cost.rate.high) else None
    between = f" [{known.low / 1e9:.3g}, {known.high / 1e9:.3g}]" if known else ""
    return f"{cost.flops_per_s / 1e9:.3g}{between}"


def winner_sentences(sweep: Sweep) -> list[str]:
    """Return a sentence for each pair of neighbouring points between which the fastest row changes."""
    return [sentence for panel in sweep.panels for sentence in _winners(panel)]


def _winners(panel: Panel) -> list[str]:
    sentences = []
    for crossing in crossings(panel):
        low, high = panel.axis.names[crossing.low], panel.axis.names[crossing.high]
        title = f"{panel.title}: " if panel.title else ""
        change = f"the fastest row changes from {crossing.before} to {crossing.after}"
        sentence = f"{title}between {panel.key} {low} and {high} {change}"
        if crossing.at is not None and panel.axis.kind == "values":
            sentence += f", at about {crossing.at:.3g}"
        sentences.append(sentence if crossing.sure else f"{sentence}; not certain: {UNCERTAIN}")
    return sentences


def unranked_sentences(sweep: Sweep) -> list[str]:
    """Return sentences on the rows and points that are not ranked; points with the same reason share one."""
    found: dict[tuple[str, str], list[str]] = {}
    for point in sweep.points:
        if not point.ranked:
            found.setdefault((point.curve.name, note(point.summary)), []).append(point.task.name)
    every = len({point.task.name for point in sweep.points})
    return [
        f"not ranked: {name}{'' if len(tasks) == every else ' at ' + ', '.join(tasks)}: {reason}"
        for (name, reason), tasks in found.items()
    ]
