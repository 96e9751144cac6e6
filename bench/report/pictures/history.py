"""Histories of rows: the ratio of each row to a baseline by run, a panel for each machine and task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.analysis.history import Line, MachineHistory, Moment, Panel
from bench.report.history_table import about, changes, title, when
from bench.report.pictures.style import (
    BACKEND_COLORS,
    OTHER_COLOR,
    dashes_of,
    drawing,
    legend,
    panels,
    plain,
    tidy,
    write,
)
from bench.report.plots import style_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
        figure, axes = panels(len(shown))
        for (number, machine, panel), ax in zip(shown, axes, strict=True):
            draw_panel(ax, machine.moments, panel)
            tidy(ax, title(number, panel))
            legend(ax)
        write(figure, "\n".join(map(plain, about(machines).split("\n"))), path)


def draw_panel(ax: Axes, moments: Sequence[Moment], panel: Panel) -> None:
    """Draw the rows of a task on one machine."""
    for number, line in enumerate(panel.lines):
        _line(ax, line, len(moments), ASIDE * (2 * number / max(1, len(panel.lines) - 1) - 1))
    for number, moment in enumerate(moments):
        if moment.changed:
            _mark(ax, number - 0.5, changes(moment.changed))
    ax.axhline(1, color="0.4", lw=0.8)
    _ratio_axis(ax)
    ax.set_xlim(-0.6, len(moments) - 0.4)
    ax.set_xticks(range(len(moments)), [when(moment) for moment in moments], rotation=30, ha="right", fontsize=7)
    ax.set_ylabel("ratio to the baseline, 95 % interval\n(× at the foot: not counted)", fontsize=8)


def _mark(ax: Axes, place: float, changed: str) -> None:
    """Mark between two runs what changed."""
    ax.axvline(place, color="0.6", lw=0.8, ls=":", zorder=0)
    cut = changed if len(changed) <= CHANGE_CHARACTERS else f"{changed[: CHANGE_CHARACTERS - 1]}…"
    ax.annotate(
        plain(cut), (place, 1), (2, -2), xycoords=("data", "axes fraction"), textcoords="offset points",
        rotation=90, va="top", fontsize=5, color="0.3",
    )  # fmt: skip


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
    row, color = line.row, BACKEND_COLORS.get(line.row.backend, OTHER_COLOR)
    ratios, below, above = ([math.nan] * count for _ in range(3))
    for point in line.points:
        if point.ratio is not None:
            ratios[point.moment] = point.ratio
            between = point.interval
            below[point.moment] = point.ratio - between.low if between else 0.0
            above[point.moment] = between.high - point.ratio if between else 0.0
    places, name = [number + aside for number in range(count)], plain(row.name)
    ax.errorbar(
        places, ratios, yerr=(below, above), label=name,
        color=color, ls=dashes_of(row), marker=style_of(row.backend, row.mode)["marker"], lw=1.2, ms=4, capsize=2,
    )  # fmt: skip
    if lost := [point.moment + aside for point in line.points if point.ratio is None]:
        ax.plot(lost, [AT_THE_FOOT] * len(lost), "x", color=color, ms=7, transform=ax.get_xaxis_transform())
