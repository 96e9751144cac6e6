"""Times as dots with intervals, and the phases of a process as bars. Rows that are not ranked have none."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.analysis.inference import Cost, InferenceSummary, inference_of
from bench.analysis.stats import Interval
from bench.analysis.summary import RowSummary, summarise
from bench.errors import UserError
from bench.records.runfile import Run
from bench.records.schema import Row
from bench.report.pictures.style import BACKEND_COLORS, COLORS, LONGEST_NAME, OTHER_COLOR, WIDTH_INCHES, plain, tidy
from bench.report.units import seconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINE_INCHES, EDGE_INCHES = 0.21, 0.9  # of a row, and of what stands above and below all rows
ROOM_FOR_LABELS = 4.0  # times the longest time, at the right end of the axis
REASON_CHARACTERS = 90
AXIS_LABEL = "logarithmic, with 95 % interval\nbold: the fastest, or not significantly slower"
PHASES = {  # of the medians of a row
    "start of Python": "start_s",
    "import": "import_s",
    "data": "data_s",
    "set-up": "setup_s",
    "evaluation": "evaluation_s",
    "first pass": "first_pass_s",
}
REST = "other passes"  # of one training


@dataclass(frozen=True)
class Dot:
    """A time with its interval, or the reason why there is none."""

    label: str
    row: Row
    time_s: float
    interval: Interval | None
    reason: str  # empty for a time that counts
    bold: bool  # the best, or not significantly worse


def passes(run: Run, rows: Sequence[Row]) -> Figure:
    """Draw the time of a pass of each row with its 95 % interval, by task."""
    groups: dict[str, list[Dot]] = {}
    for each in _summaries(run, rows):
        best = each.to_fastest is not None and each.to_fastest.verdict not in ("slower",)
        dot = Dot(_name(each.row), each.row, each.pass_s, each.pass_interval, _reason(each), bold=best)
        groups.setdefault(each.row.task, []).append(dot)
    return _dots(groups, f"time of a pass, {AXIS_LABEL}")


def _summaries(run: Run, rows: Collection[Row]) -> list[RowSummary]:
    """Return the rows that are wanted; what they are compared with is the whole run."""
    found = [each for each in summarise((run,)) if each.row in set(rows)]
    if not any(each.standing.ranked for each in found):
        reason = f" ({found[0].row}: {found[0].standing.why_not})" if found else "; none of them has run"
        raise UserError(f"{run.path}: none of these rows is ranked, so no time counts{reason}")
    order = {row: number for number, row in enumerate(run.header.rows)}
    tasks = {each.row.task: min(order[row] for row in order if row.task == each.row.task) for each in found}
    return sorted(found, key=lambda each: tasks[each.row.task])


def _reason(each: RowSummary) -> str:
    return "" if each.standing.ranked else f"not ranked: {each.standing.why_not}"


def _name(row: Row) -> str:
    return row.name if row.precision == "float32" else f"{row.name} {row.precision}"


def inference(run: Run, rows: Sequence[Row]) -> Figure:
    """Draw what each row takes to answer a request of one row, and for a row of a batch, with 95 % intervals."""
    found = [each for each in inference_of((run,)) if each.row in set(rows)]
    if not found:
        raise UserError(f"{run.path}: no inference of these rows was measured, as by --no-inference or bench ab")
    groups: dict[str, list[Dot]] = {}
    kinds: Mapping[str, Callable[[InferenceSummary], Cost]] = {
        "one row": lambda each: each.latency,
        "a row of a batch": lambda each: each.in_batches,
    }
    for task in dict.fromkeys(each.row.task for each in found):
        for kind, cost_of in kinds.items():
            of_task = [each for each in found if each.row.task == task]
            groups[f"{task}: {kind}"] = _costs([(each, cost_of(each)) for each in of_task])
    return _dots(groups, f"time of an answer, {AXIS_LABEL}")


def _costs(found: Iterable[tuple[InferenceSummary, Cost]]) -> list[Dot]:
    dots = []
    for each, cost in found:
        comparison = cost.to_best.comparison if cost.to_best else None
        between = comparison.interval if comparison else None
        scale = cost.time_s / comparison.ratio if comparison else math.nan
        interval = Interval(between.low * scale, between.high * scale) if between else None
        best = cost.to_best is not None and cost.to_best.verdict != "slower"
        reason = f"not ranked: {each.reason}" if each.reason else ""
        dots.append(Dot(_name(each.row), each.row, cost.time_s, interval, reason, bold=best))
    return sorted(dots, key=lambda dot: (bool(dot.reason), dot.time_s))


def _dots(groups: Mapping[str, Sequence[Dot]], label: str) -> Figure:
    """Draw groups of times below each other on one axis."""
    from matplotlib.figure import Figure

    lines = sum(1 + len(dots) for dots in groups.values())
    figure = Figure(figsize=(WIDTH_INCHES, LINE_INCHES * lines + EDGE_INCHES), layout="constrained", facecolor="white")
    ax = figure.subplots()
    ticks: dict[float, str] = {}
    shown = [dot.time_s for dots in groups.values() for dot in dots if not dot.reason and dot.time_s > 0]
    y = 0.0
    for title, dots in groups.items():
        ax.axhline(y - 0.5, color="0.8", lw=0.8)
        ax.text(0.005, y, plain(title), transform=ax.get_yaxis_transform(), weight="bold", fontsize=9, va="center")
        for dot in dots:
            y += 1
            ticks[y] = plain(dot.label, LONGEST_NAME)
            _mark(ax, y, dot, min(shown, default=1.0))
        y += 1
    ax.set_xscale("log")
    if shown:
        ax.set_xlim(min(shown) / 1.5, max(shown) * ROOM_FOR_LABELS)
    _rows_axis(ax, ticks, y)
    ax.xaxis.set_major_formatter(lambda time_s, _: seconds(time_s))
    ax.set_xlabel(label, fontsize=9)
    return figure


def _mark(ax: Axes, y: float, dot: Dot, least_s: float) -> None:
    if dot.reason or not dot.time_s > 0:
        said = dot.reason or "no time"
        cut = said if len(said) <= REASON_CHARACTERS else f"{said[:REASON_CHARACTERS]}…"
        ax.text(least_s, y, plain(cut), fontsize=7, color="0.4", va="center")
        return
    color = BACKEND_COLORS.get(dot.row.backend, OTHER_COLOR)
    high_s = dot.time_s
    if dot.interval:
        high_s = dot.interval.high
        ax.plot([dot.interval.low, high_s], [y, y], color=color, lw=2, alpha=0.5, solid_capstyle="butt")
    ax.plot(dot.time_s, y, "o", color=color, ms=6)
    ax.annotate(
        seconds(dot.time_s), (high_s, y), (8, 0), textcoords="offset points", va="center", fontsize=8,
        weight="bold" if dot.bold else "normal", annotation_clip=True,
    )  # fmt: skip


def _rows_axis(ax: Axes, ticks: Mapping[float, str], bottom: float) -> None:
    ax.set_yticks(list(ticks), list(ticks.values()), fontsize=8)
    ax.set_ylim(bottom - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    tidy(ax)
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)


def phases(run: Run, rows: Sequence[Row]) -> Figure:
    """Draw where the time of one process goes, from its start to the metric: medians over processes, as bars."""
    from matplotlib.figure import Figure

    found = [each for each in _summaries(run, rows) if each.standing.ranked]
    tasks = dict.fromkeys(each.row.task for each in found)
    heights = [1 + sum(each.row.task == task for each in found) for task in tasks]
    size = (WIDTH_INCHES, LINE_INCHES * sum(heights) + EDGE_INCHES * len(heights))
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    axes = figure.subplots(len(heights), squeeze=False, height_ratios=heights)[:, 0]
    for ax, task in zip(axes, tasks, strict=True):
        _bars(ax, [each for each in found if each.row.task == task])
        tidy(ax, task)
        ax.grid(visible=False, axis="y")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=len(names), fontsize=8, frameon=False)
    axes[-1].set_xlabel("seconds of one process, from its start to the metric; medians over processes", fontsize=9)
    return figure


def _bars(ax: Axes, found: Sequence[RowSummary]) -> None:
    found = sorted(found, key=lambda each: each.medians["one_training_s"])
    ys, left = range(len(found)), [0.0] * len(found)
    widths = {title: [_known(each.medians[name]) for each in found] for title, name in PHASES.items()}
    totals = [_known(each.medians["one_training_s"]) for each in found]
    named = [sum(times) for times in zip(*widths.values(), strict=True)]
    widths[REST] = [max(0.0, total - sum_s) for total, sum_s in zip(totals, named, strict=True)]
    for color, (title, times_s) in zip(COLORS, widths.items(), strict=True):
        ax.barh(ys, times_s, left=left, height=0.75, color=color, label=title)
        left = [begin + time_s for begin, time_s in zip(left, times_s, strict=True)]
    ax.set_yticks(list(ys), [plain(_name(each.row), LONGEST_NAME) for each in found], fontsize=8)
    ax.set_ylim(len(found) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)


def _known(time_s: float) -> float:
    return time_s if math.isfinite(time_s) else 0.0
