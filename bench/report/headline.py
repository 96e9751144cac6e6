"""The headline table and picture of a run: every framework in its fastest mode on every headline task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from backends.registry import BUILT_IN
from bench.analysis.stats import Interval
from bench.analysis.summary import RowSummary, summarise
from bench.records.runfile import Run
from bench.records.schema import Header, on_device
from bench.report.export import listed
from bench.report.pictures.style import drawing
from bench.report.units import seconds
from bench.tasks import HEADLINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Framework:
    """How a framework is shown. The colours of Okabe and Ito (2008) can be distinguished by colour-blind people."""

    title: str
    color: str
    marker: str


FRAMEWORKS = {
    "numpy": Framework("NumPy", "#444444", "D"),
    "torch": Framework("PyTorch", "#d55e00", "s"),
    "tensorflow": Framework("TensorFlow", "#e69f00", "^"),
    "jax": Framework("JAX", "#0072b2", "o"),
}

WIDTH_INCHES, LINE_INCHES, AXIS_INCHES = 8.0, 0.21, 0.55  # 800 pixels wide, which a README shows without scaling
ROOM_FOR_LABELS = 4.0  # times the longest pass, at the right end of the axis
AXIS_LABEL = "time of a pass, logarithmic, with 95 % interval; bold: the fastest, or not significantly slower"


@dataclass(frozen=True)
class Best:
    """The fastest row of a framework in one task."""

    backend: str
    mode: str
    pass_s: float  # as in the result table
    interval: Interval | None  # in seconds; None for a single process
    processes: int


@dataclass(frozen=True)
class TaskHeadline:
    """One task: the frameworks that have a ranked row, and which of them may be the fastest."""

    task: str
    best: tuple[Best, ...]  # in the order of FRAMEWORKS
    contenders: tuple[
        str, ...
    ]  # backends with a row that is not significantly slower than the fastest; the fastest first


def headlines(run: Run) -> list[TaskHeadline]:
    """Return the headline tasks of a run.

    Only ranked rows count: those that compute what the task defines and whose times are fair. The frameworks are
    compared only with each other, not with other tools such as Keras, which may be faster than all of them.
    """
    records = run.records.of_row(lambda row: row.backend in FRAMEWORKS)
    ranked = [each for each in summarise((replace(run, records=records),)) if each.standing.ranked]
    tasks = {task: [each for each in ranked if each.row.task == task] for task in HEADLINE}
    return [_headline(task, rows) for task, rows in tasks.items() if rows]


def _headline(task: str, rows: Sequence[RowSummary]) -> TaskHeadline:
    """Return the headline of a task from its ranked rows, the fastest first."""
    fastest: dict[str, RowSummary] = {}
    for each in rows:
        fastest.setdefault(each.row.backend, each)
    best = tuple(_best(fastest[name]) for name in FRAMEWORKS if name in fastest)
    open_rows = [each for each in rows if each.to_fastest and each.to_fastest.verdict != "slower"]
    return TaskHeadline(task, best, tuple(dict.fromkeys(each.row.backend for each in open_rows)))


def _best(each: RowSummary) -> Best:
    mode = f"{each.row.mode}{on_device(each.row.device)}"
    return Best(each.row.backend, mode, each.pass_s, each.pass_interval, each.processes)


def as_table(found: Sequence[TaskHeadline], header: Header) -> str:
    """Return a markdown table with one line per task, and a sentence about the machine below it."""
    return listed((_cells(headline) for headline in found), about(header, found))


def _cells(headline: TaskHeadline) -> dict[str, str]:
    cells = dict.fromkeys((framework.title for framework in FRAMEWORKS.values()), "")
    for best in headline.best:
        cells[FRAMEWORKS[best.backend].title] = f"{seconds(best.pass_s)} ({best.mode})"
    return {"task": headline.task, **cells, "fastest": verdict(headline)}


def verdict(headline: TaskHeadline) -> str:
    """Return the name of the fastest framework, or the names of all that may be the fastest."""
    titles = [FRAMEWORKS[backend].title for backend in headline.contenders]
    return titles[0] if len(titles) == 1 else f"cannot tell: {', '.join(titles)}"


def about(header: Header, found: Sequence[TaskHeadline]) -> str:
    """Return when, where and with which versions the run was made, without a full stop."""
    names = [name for backend in FRAMEWORKS for name in BUILT_IN[backend].distributions if name in header.versions]
    versions = ", ".join(f"{name} {header.versions[name]}" for name in names)
    machine = header.machine
    counts = sorted({best.processes for headline in found for best in headline.best})
    processes = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    return (
        f"Typical pass of {processes} processes on {header.created[:10]}: {machine.cpu}, {header.threads} of "
        f"{machine.cores} cores, {', '.join(machine.gpus) or 'no GPU'}; {versions}"
    )


def draw(found: Sequence[TaskHeadline], path: Path) -> None:
    """Draw the time of a pass on a logarithmic axis, grouped by task, one line per framework, as .svg or .png.

    Raises `CannotPlot` if matplotlib is missing, or OSError if the file cannot be written.
    """
    lines = sum(1 + len(headline.best) for headline in found)
    with drawing():
        from matplotlib.figure import Figure

        figure = Figure(
            figsize=(WIDTH_INCHES, LINE_INCHES * lines + AXIS_INCHES), layout="constrained", facecolor="white"
        )
        _fill(figure.subplots(), found)
        figure.savefig(path, dpi=100, metadata={"Date": None} if path.suffix == ".svg" else None)


def _fill(ax: Axes, found: Sequence[TaskHeadline]) -> None:
    ticks: dict[float, str] = {}
    y = 0.0
    for headline in found:
        ax.axhline(y - 0.5, color="0.8", lw=0.8)
        ax.text(-0.005, y, headline.task, transform=ax.get_yaxis_transform(), weight="bold", ha="right", va="center")
        for best in headline.best:
            y += 1
            ticks[y] = f"{FRAMEWORKS[best.backend].title} {best.mode}"
            _mark(ax, y, best, is_contender=best.backend in headline.contenders)
        y += 1
    ax.set_yticks(list(ticks), list(ticks.values()), fontsize=9)
    ax.set_ylim(y - 0.5, -0.5)
    passes_s = [best.pass_s for headline in found for best in headline.best]
    ax.set_xscale("log")
    ax.set_xlim(min(passes_s) / 1.5, max(passes_s) * ROOM_FOR_LABELS)
    ax.xaxis.set_major_formatter(lambda time_s, _: seconds(time_s))
    ax.set_xlabel(AXIS_LABEL, fontsize=9)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="0.9")
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)


def _mark(ax: Axes, y: float, best: Best, *, is_contender: bool) -> None:
    style = FRAMEWORKS[best.backend]
    low_s, high_s = (best.interval.low, best.interval.high) if best.interval else (best.pass_s, best.pass_s)
    ax.plot([low_s, high_s], [y, y], color=style.color, lw=2, alpha=0.5, solid_capstyle="butt")
    ax.plot(best.pass_s, y, style.marker, color=style.color, ms=7)
    ax.annotate(
        seconds(best.pass_s), (high_s, y), (8, 0), textcoords="offset points", va="center", fontsize=9,
        weight="bold" if is_contender else "normal",
    )  # fmt: skip
