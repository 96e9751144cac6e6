"""Histories of rows as a picture, by matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.analysis.history import Line, MachineHistory, Moment, Panel
from bench.report.history_table import about, changes, title, when
from bench.report.pictures.style import drawing
from bench.report.plots import style_of
from bench.report.text import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_INCHES, HEIGHT_INCHES = 9.0, 4.0  # of a panel
CHANGE_CHARACTERS = 60  # of what changed, beside its line
ASIDE = 0.12  # of the distance of two runs, at most
AT_THE_FOOT = 0.03  # of the height of a panel: where a row is marked that has no ratio


def draw(machines: Sequence[MachineHistory], path: Path) -> None:
    """Draw the ratio of each row to the baseline by run, with intervals; a panel for each machine and task.

    A row that is not ranked in a run has a cross at the foot there, and its line is broken. Raises `CannotPlot`, or
    OSError if the file cannot be written.
    """
    shown = [(number, each, panel) for number, each in enumerate(machines, start=1) for panel in each.panels]
    with drawing():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES * len(shown)), layout="constrained")
        axes = figure.subplots(len(shown), squeeze=False)[:, 0]
        for (number, machine, panel), ax in zip(shown, axes, strict=True):
            _panel(ax, machine.moments, panel)
            ax.set_title(visible(title(number, panel)), loc="left", fontsize=9, parse_math=False)
        figure.supxlabel(visible(about(machines)), fontsize=6, color="0.4", parse_math=False)
        figure.savefig(path, dpi=150)


def _panel(ax: Axes, moments: Sequence[Moment], panel: Panel) -> None:
    for number, line in enumerate(panel.lines):
        aside = ASIDE * (2 * number / max(1, len(panel.lines) - 1) - 1)
        _line(ax, line, len(moments), aside)
    for number, moment in enumerate(moments):
        if moment.changed:
            ax.axvline(number - 0.5, color="0.6", lw=0.8, ls=":", zorder=0)
            text = visible(changes(moment.changed))
            cut = text if len(text) <= CHANGE_CHARACTERS else f"{text[: CHANGE_CHARACTERS - 1]}…"
            ax.annotate(
                cut, (number - 0.5, 1), (2, -2), xycoords=("data", "axes fraction"), textcoords="offset points",
                rotation=90, va="top", fontsize=5, color="0.3", parse_math=False,
            )  # fmt: skip
    ax.axhline(1, color="0.4", lw=0.8)
    _ratio_axis(ax)
    ax.set_xlim(-0.6, len(moments) - 0.4)
    ax.set_xticks(range(len(moments)), [when(moment) for moment in moments], rotation=30, ha="right", fontsize=7)
    ax.set_ylabel("ratio to the baseline (95 % interval)", fontsize=8)
    ax.grid(alpha=0.25)
    ax.legend(
        fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, title="×: not counted", title_fontsize=7
    )


def _ratio_axis(ax: Axes) -> None:
    """Make the vertical axis logarithmic, with numbers as 0.5, 1, 2."""
    from matplotlib.ticker import LogLocator, NullFormatter

    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())


def _line(ax: Axes, line: Line, count: int, aside: float) -> None:
    """Draw a row: points with intervals, joined where runs follow each other; crosses where it has no ratio.

    It stands a little `aside` of its run, in runs, so that equal rows do not hide each other.
    """
    style = style_of(line.row.backend, line.row.mode)
    ratios, below, above = ([math.nan] * count for _ in range(3))
    for point in line.points:
        if point.ratio is not None:
            ratios[point.moment] = point.ratio
            between = point.interval
            below[point.moment] = point.ratio - between.low if between else 0.0
            above[point.moment] = between.high - point.ratio if between else 0.0
    name = f"{line.row.backend} {line.row.mode}"
    ax.errorbar(
        [place + aside for place in range(count)],
        ratios,
        yerr=(below, above),
        label=name,
        lw=1.2,
        ms=4,
        capsize=2,
        **style,
    )
    lost = [point.moment + aside for point in line.points if point.ratio is None]
    at_foot = ax.get_xaxis_transform()
    if lost:
        ax.plot(lost, [AT_THE_FOOT] * len(lost), "x", color=style["color"], ms=7, transform=at_foot)
