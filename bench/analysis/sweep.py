"""A sweep: the rows of a run as points on axes, one axis per panel. Pure.

A point of a sweep is a task with settings of its own (`bench.tasks.names.TaskRef`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal, Self

from bench.analysis.stats import Interval
from bench.analysis.summary import RowSummary, summarise
from bench.records.runfile import Run
from bench.records.schema import Row, on_device
from bench.tasks.names import TaskRef


@dataclass(frozen=True)
class Curve:
    """A row without its task: it has a time at every point of a sweep."""

    backend: str
    mode: str
    device: str
    precision: str

    @classmethod
    def of(cls, row: Row) -> Self:
        """Return the curve that a row belongs to."""
        return cls(row.backend, row.mode, row.device, row.precision)

    @property
    def name(self) -> str:
        """Backend and mode, and the device where it is not the CPU."""
        return f"{self.backend} {self.mode}{on_device(self.device)}"


@dataclass(frozen=True)
class Point:
    """A row at one point of a sweep. Times are NaN if it was not timed."""

    task: TaskRef
    summary: RowSummary

    @property
    def curve(self) -> Curve:
        """The curve that the point belongs to."""
        return Curve.of(self.summary.row)

    @property
    def ranked(self) -> bool:
        """Whether the row is right and its times are fair."""
        return self.summary.standing.ranked

    @property
    def fastest(self) -> bool:
        """Whether the row is the fastest at this point."""
        versus = self.summary.to_fastest
        return versus is not None and versus.comparison is None

    @property
    def steps(self) -> float:
        """Number of steps in a pass."""
        return self.summary.medians["steps_per_pass"]

    @property
    def step_s(self) -> float:
        """Seconds per step: typical pass / number of its steps."""
        return self.summary.pass_s / self.steps

    @property
    def step_interval(self) -> Interval | None:
        """Interval of `step_s`."""
        found = self.summary.pass_interval
        return found and Interval(found.low / self.steps, found.high / self.steps)

    @property
    def flops(self) -> float:
        """Floating-point operations of the model's matrix products in a step."""
        return self.summary.medians["flops_per_pass"] / self.steps


@dataclass(frozen=True)
class Axis:
    """The horizontal axis of a plot."""

    label: str
    places: Mapping[TaskRef, float]
    kind: Literal["values", "flops", "categories"]
    names: Mapping[float, str]  # label of each position

    @property
    def of_numbers(self) -> bool:
        """Whether positions between two points have a meaning."""
        return self.kind != "categories"


@dataclass(frozen=True)
class Panel:
    """The points of one combination of the settings that vary, apart from the first."""

    title: str  # these settings; empty if only one setting varies
    key: str  # the first setting that varies
    axis: Axis
    points: tuple[Point, ...]

    def curves(self) -> dict[Curve, list[Point]]:
        """Return the points of each curve, in the order of the result table."""
        return by_curve(self.points)

    def size(self, point: Point) -> float:
        """Return the position of a point on the axis."""
        return self.axis.places[point.task]


@dataclass(frozen=True)
class Sweep:
    """All points of a sweep, in the order of the result table, and the same points by panel."""

    keys: tuple[str, ...]  # settings that vary
    points: tuple[Point, ...]
    panels: tuple[Panel, ...]


def sweep_of(run: Run) -> Sweep:
    """Return a run as a sweep; every task in it has settings of its own."""
    rows = summarise([run])
    tasks = {name: TaskRef.parse(name) for name in dict.fromkeys(each.row.task for each in rows)}
    points = tuple(Point(tasks[each.row.task], each) for each in rows)
    return Sweep(varying_keys(tasks.values()), points, panels_of(points))


def is_sweep(names: Iterable[str]) -> bool:
    """Return whether tasks with these names are the points of one sweep: one task with the same settings set."""
    tasks = [TaskRef.parse(name) for name in dict.fromkeys(names)]
    return len(tasks) > 1 and len({(task.base, tuple(task.settings)) for task in tasks}) == 1


def by_curve(points: Iterable[Point]) -> dict[Curve, list[Point]]:
    """Return the points of each curve, in their order."""
    found: dict[Curve, list[Point]] = {}
    for point in points:
        found.setdefault(point.curve, []).append(point)
    return found


def varying_keys(tasks: Iterable[TaskRef]) -> tuple[str, ...]:
    """Return the settings that vary, in the order in which they were given; for a single task, all in its name."""
    values: dict[str, set[str]] = {}
    for task in tasks:
        for key, value in task.settings.items():
            values.setdefault(key, set()).add(value)
    return tuple(key for key, found in values.items() if len(found) > 1) or tuple(values)


def panels_of(points: Sequence[Point]) -> tuple[Panel, ...]:
    """Return the points of each combination of the settings that vary, apart from the first."""
    others = varying_keys(point.task for point in points)[1:]
    parts: dict[str, list[Point]] = {}
    for point in points:
        title = ", ".join(f"{key} {point.task.settings[key]}" for key in others)
        parts.setdefault(title, []).append(point)
    return tuple(_panel(title, part) for title, part in parts.items())


def _panel(title: str, points: Sequence[Point]) -> Panel:
    flops: dict[TaskRef, list[float]] = {}
    for point in points:
        flops.setdefault(point.task, []).append(point.flops)
    known = {task: [each for each in found if not math.isnan(each)] for task, found in flops.items()}
    typical = {task: median(found) if found else math.nan for task, found in known.items()}
    return Panel(title, varying_keys(typical)[0], axis_of(typical), tuple(points))


def axis_of(flops: Mapping[TaskRef, float]) -> Axis:
    """Return the axis of a panel, for the first setting that varies; `flops` has the FLOPs of a step of each task.

    Positions are the values if they are numbers above 0; else the FLOPs of a step if they differ for all values; else
    the values as categories.
    """
    key = varying_keys(flops)[0]
    values = {task: task.settings[key] for task in flops}
    numbers = {task: _number(value) for task, value in values.items()}
    if all(number > 0 for number in numbers.values()):
        return Axis(key, numbers, "values", {numbers[task]: values[task] for task in flops})
    if all(math.isfinite(each) for each in flops.values()) and len(set(flops.values())) == len(flops):
        return Axis("model FLOPs of a step", flops, "flops", {flops[task]: values[task] for task in flops})
    order = {value: float(place) for place, value in enumerate(dict.fromkeys(values.values()))}
    return Axis(key, {task: order[values[task]] for task in flops}, "categories", {p: v for v, p in order.items()})


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
