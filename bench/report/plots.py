"""Plots by matplotlib, which is imported only here."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backends.registry import BACKENDS
from bench.analysis.scaling import Cost, crossings
from bench.analysis.sweep import Curve, Panel, Point, Sweep
from bench.report.pictures.style import drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = "osD^vPX"  # of the modes of a backend
WIDTH_INCHES, HEIGHT_INCHES = 9.0, 5.5  # of a panel
FIT_PLACES = 100


def draw_scaling(sweep: Sweep, costs: Mapping[Curve, Cost], about: str, path: Path) -> None:
    """Draw the time of a step against size: for each row a curve, interval and fit; and where the winner changes.

    Rows that are not ranked are left out. Raises `CannotPlot`, or OSError if the file cannot be written.
    """
    count = len(sweep.panels)
    with drawing():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES * count), layout="constrained")
        axes = figure.subplots(count, squeeze=False)[:, 0]
        for panel, ax in zip(sweep.panels, axes, strict=True):
            _panel(ax, panel, costs)
            ax.set_title(", ".join(filter(None, (sweep.points[0].task.base, panel.title))), loc="left", fontsize=11)
        figure.supxlabel(about, fontsize=6, color="0.4", wrap=True)
        figure.savefig(path, dpi=150)


def _panel(ax: Axes, panel: Panel, costs: Mapping[Curve, Cost]) -> None:
    curves = {curve: [point for point in points if point.ranked] for curve, points in panel.curves().items()}
    for curve, points in curves.items():
        if points:
            _curve(ax, panel, sorted(points, key=panel.size), curve.name, costs.get(curve))
    _crossings(ax, panel)
    axis = panel.axis
    ax.set_yscale("log")
    if axis.of_numbers:
        ax.set_xscale("log")
    ax.set_xticks(list(axis.names), list(axis.names.values()))
    ax.xaxis.minorticks_off()
    ax.set_xlabel(axis.label)
    ax.set_ylabel("seconds per step (95 % interval)")
    ax.grid(alpha=0.25)
    if any(curves.values()):  # where no row is ranked, there is nothing to name
        ax.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, title="dashed: the fit")


def _crossings(ax: Axes, panel: Panel) -> None:
    for crossing in crossings(panel):
        if crossing.at is not None:
            ax.axvline(crossing.at, color="0.6", lw=0.8, ls="-" if crossing.sure else ":", zorder=0)
            label = f"{crossing.before} → {crossing.after}"
            ax.annotate(
                label, (crossing.at, 1), (2, -2), xycoords=("data", "axes fraction"), textcoords="offset points",
                rotation=90, va="top", fontsize=6, color="0.3",
            )  # fmt: skip


def _curve(ax: Axes, panel: Panel, points: Sequence[Point], label: str, cost: Cost | None) -> None:
    curve = points[0].curve
    style = style_of(curve.backend, curve.mode)
    places, step_s = [panel.size(point) for point in points], [point.step_s for point in points]
    between = [(point.step_interval, point.step_s) for point in points]
    below = [time_s - interval.low if interval else 0.0 for interval, time_s in between]
    above = [interval.high - time_s if interval else 0.0 for interval, time_s in between]
    ax.errorbar(places, step_s, yerr=(below, above), label=label, lw=1.2, ms=4, capsize=2, **style)
    if cost is not None and panel.axis.of_numbers:
        flops = [point.flops for point in points]
        along = np.geomspace(places[0], places[-1], FIT_PLACES)
        flops_along = np.exp(np.interp(np.log(along), np.log(places), np.log(flops)))
        ax.plot(along, cost.step_s(flops_along), ls="--", lw=0.7, color=style["color"], alpha=0.7)


def style_of(backend: str, mode: str) -> dict[str, Any]:
    """Return a colour for the backend and a marker for the mode, the same in every plot."""
    place = list(BACKENDS).index(backend) if backend in BACKENDS else 0
    modes = BACKENDS[backend].modes if backend in BACKENDS else (mode,)
    marker = dict(zip(modes, itertools.cycle(MARKERS), strict=False)).get(mode, "o")
    return {"color": f"C{place % 10}", "marker": marker}
