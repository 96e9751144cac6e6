"""What a sweep prints for people: the time of a step at each point, what was fitted, and where the winner changes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import pandas as pd

from bench.analysis.scaling import KINDS, Cost, Crossing, axis_of, keys_of, name_of, panels
from bench.report.tables import note
from bench.report.units import seconds


def readable(lines: pd.DataFrame, costs: Mapping[tuple[str, ...], Cost]) -> dict[str, pd.DataFrame]:
    """Return, for each panel of a sweep, a line a row and a column a point: the time of a step, * at the fastest.

    Behind them what was fitted: the overhead of a step, the rate of its FLOPs, and how far the fit is off at most.
    """
    return {panel: _readable_panel(part, costs) for panel, part in panels(lines).items()}


def _readable_panel(part: pd.DataFrame, costs: Mapping[tuple[str, ...], Cost]) -> pd.DataFrame:
    axis = axis_of(part)
    key = keys_of(part["task"])[0]
    rows = []
    for kind, points in part.groupby(KINDS, sort=False):
        backend, mode, device, _ = map(str, kind)
        times = dict.fromkeys((f"{key} {axis.names[place]}" for place in sorted(axis.names)), "")
        for _, point in points.iterrows():
            if point["processes"]:
                marks = " *" if point["ratio"] == 1 else " !" if not point["ranked"] else ""
                times[f"{key} {axis.names[point['size']]}"] = seconds(point["step_s"]) + marks
        rows.append(
            {"backend": backend, "mode": mode, "device": device, **times, **_fitted(costs.get(tuple(map(str, kind))))}
        )
    return pd.DataFrame(rows)


def _fitted(cost: Cost | None) -> dict[str, str]:
    if cost is None:
        return {"overhead a step": "", "GFLOP/s": "", "fit within": ""}
    rate = "" if math.isinf(cost.flops_per_s) else f"{cost.flops_per_s / 1e9:.3g}"
    if rate and cost.rate and math.isfinite(cost.rate.high):
        rate += f" [{cost.rate.low / 1e9:.3g}, {cost.rate.high / 1e9:.3g}]"
    overhead = seconds(cost.overhead_s) if cost.overhead_s else "none seen"
    if cost.overhead_s and cost.overhead:
        overhead += f" [{seconds(cost.overhead.low)}, {seconds(cost.overhead.high)}]"
    return {"overhead a step": overhead, "GFLOP/s": rate or "not seen", "fit within": f"{cost.misfit:.0%}"}


def changed(crossed: Iterable[Crossing], lines: pd.DataFrame) -> list[str]:
    """Return a sentence for each place where another row becomes the fastest."""
    axes = {panel: axis_of(part) for panel, part in panels(lines).items()}
    sentences = []
    for crossing in crossed:
        axis = axes[crossing.panel]
        low, high = axis.names[crossing.low], axis.names[crossing.high]
        panel = f"{crossing.panel}: " if crossing.panel else ""
        sentence = f"{panel}from {low} to {high} the fastest changes from {crossing.before} to {crossing.after}"
        if crossing.at is not None and axis.kind == "values":
            sentence += f", at about {crossing.at:.3g}"
        sentences.append(sentence if crossing.sure else f"{sentence}; this run cannot tell the two apart at both")
    return sentences


def unranked(lines: pd.DataFrame) -> list[str]:
    """Return a sentence for each row and point of a sweep that is not ranked, alike ones together."""
    found: dict[tuple[str, str], list[str]] = {}
    for _, line in lines[~lines["ranked"]].iterrows():
        found.setdefault((name_of(line), note(line)), []).append(line["task"])
    every = lines["task"].nunique()
    return [
        f"not ranked: {name}{'' if len(tasks) == every else ' at ' + ', '.join(tasks)}: {note or 'not told'}"
        for (name, note), tasks in found.items()
    ]
