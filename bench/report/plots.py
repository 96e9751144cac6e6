"""Plots, by matplotlib, which is loaded for nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backends.registry import BACKENDS
from bench.analysis.scaling import KINDS, Axis, Cost, Crossing, axis_of, name_of, panels
from bench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MARKERS = "osD^vPX"  # of the modes of a backend
WIDTH_INCHES, HEIGHT_INCHES = 9.0, 5.5  # of a panel
FIT_PLACES = 100


class CannotPlot(UserError):
    """Raised where matplotlib is missing; the message says what to install."""


def draw_scaling(
    lines: pd.DataFrame, costs: Mapping[tuple[str, ...], Cost], crossed: list[Crossing], about: str, path: Path
) -> None:
    """Draw the time of a step against size: a curve a row, its interval, its fit, and where the winner changes.

    Rows that are not ranked are left out. Raises `CannotPlot`, or OSError where the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise CannotPlot("a plot needs a package that is missing: pip install 'levelfield[report]'") from error
    parts = panels(lines)
    figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES * len(parts)), layout="constrained")
    axes = figure.subplots(len(parts), squeeze=False)[:, 0]
    for (panel, part), ax in zip(parts.items(), axes, strict=True):
        _panel(ax, part, costs, [crossing for crossing in crossed if crossing.panel == panel])
        ax.set_title(", ".join(filter(None, (str(lines["base_task"].iloc[0]), panel))), loc="left", fontsize=11)
    figure.supxlabel(about, fontsize=6, color="0.4", wrap=True)
    figure.savefig(path, dpi=150)


def _panel(ax: Axes, part: pd.DataFrame, costs: Mapping[tuple[str, ...], Cost], crossed: list[Crossing]) -> None:
    axis = axis_of(part)
    ranked = part[part["ranked"]].sort_values("size")
    devices = ranked["device"].nunique()
    for kind, row in ranked.groupby(KINDS, sort=False):
        label = name_of(row.iloc[0]) + (f" {row['device'].iloc[0]}" if devices > 1 else "")
        _curve(ax, row, label, axis, costs.get(tuple(map(str, kind))))
    for crossing in crossed:
        if crossing.at is not None:
            ax.axvline(crossing.at, color="0.6", lw=0.8, ls="-" if crossing.sure else ":", zorder=0)
            label = f"{crossing.before} → {crossing.after}"
            ax.annotate(
                label, (crossing.at, 1), (2, -2), xycoords=("data", "axes fraction"), textcoords="offset points",
                rotation=90, va="top", fontsize=6, color="0.3",
            )  # fmt: skip
    ax.set_yscale("log")
    if axis.of_numbers:
        ax.set_xscale("log")
    ax.set_xticks(list(axis.names), list(axis.names.values()))
    ax.xaxis.minorticks_off()
    ax.set_xlabel(axis.label)
    ax.set_ylabel("seconds a step (median, 95 %)")
    ax.grid(alpha=0.25)
    ax.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, title="dashed: the fit")


def _curve(ax: Axes, row: pd.DataFrame, label: str, axis: Axis, cost: Cost | None) -> None:
    first = row.iloc[0]
    style = style_of(str(first["backend"]), str(first["mode"]))
    places, step_s = row["size"].to_numpy(float), row["step_s"].to_numpy(float)
    below, above = (np.nan_to_num(np.abs(row[f"step_{end}_s"].to_numpy(float) - step_s)) for end in ("low", "high"))
    ax.errorbar(places, step_s, yerr=(below, above), label=label, lw=1.2, ms=4, capsize=2, **style)
    if cost is not None and axis.of_numbers:
        flops = row["flops_per_step"].to_numpy(float)
        between = np.geomspace(places[0], places[-1], FIT_PLACES)
        along = np.exp(np.interp(np.log(between), np.log(places), np.log(flops)))
        ax.plot(between, cost.step_s(along), ls="--", lw=0.7, color=style["color"], alpha=0.7)


def style_of(backend: str, mode: str) -> dict[str, Any]:
    """Return a colour for the backend and a marker for the mode, the same in every plot."""
    place = list(BACKENDS).index(backend) if backend in BACKENDS else 0
    modes = BACKENDS[backend].modes if backend in BACKENDS else (mode,)
    marker = dict(zip(modes, itertools.cycle(MARKERS), strict=False)).get(mode, "o")
    return {"color": f"C{place % 10}", "marker": marker}
