"""How cost grows with size: from the samples of a sweep to a tidy frame, fitted costs, and where the winner changes.

A point of a sweep is a task whose name holds its settings (`bench.tasks.names`). Pure.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from backends.contract import Array
from bench.analysis import frame as frames
from bench.analysis.stats import Interval, median_interval
from bench.tasks.names import TaskRef

KINDS = ["backend", "mode", "device", "precision"]
FIT_POINTS = 3  # of different FLOPs: a line through two fits whatever they are


def grown(samples: pd.DataFrame) -> pd.DataFrame:
    """Return one line per row and point: the summary, the point's settings each in a column, and the cost of a step.

    `step_s` is the median pass over its number of steps, with the interval of that; `flops_per_step` are those of the
    model's matrix products; `size` is where the point stands on the axis of its panel.
    """
    lines = frames.summary(samples)
    for key in keys_of(lines["task"]):
        lines[key] = [TaskRef.parse(task).settings[key] for task in lines["task"]]
    for name in ("", "_low", "_high"):
        lines[f"step{name}_s"] = lines[f"pass{name}_s"].astype(float) / lines["steps_per_pass"]
    lines["flops_per_step"] = lines["flops_per_pass"] / lines["steps_per_pass"]
    lines["base_task"] = [TaskRef.parse(task).base for task in lines["task"]]
    for part in panels(lines).values():
        places = axis_of(part).places
        lines.loc[part.index, "size"] = [places[task] for task in part["task"]]
    first = ["base_task", *keys_of(lines["task"]), *KINDS, "step_s", "step_low_s", "step_high_s", "flops_per_step"]
    return lines[[*first, *(name for name in lines if name not in first)]]


def keys_of(tasks: Sequence[str] | pd.Series[Any]) -> tuple[str, ...]:
    """Return the settings that vary, in the order in which they were given; of a single point, all in its name."""
    values: dict[str, set[str]] = {}
    for task in tasks:
        for key, value in TaskRef.parse(task).settings.items():
            values.setdefault(key, set()).add(value)
    return tuple(key for key, found in values.items() if len(found) > 1) or tuple(values)


@dataclass(frozen=True)
class Axis:
    """What stands below a plot."""

    label: str
    places: Mapping[str, float]  # of each point
    kind: Literal["values", "flops", "categories"]
    names: Mapping[float, str]  # of each place

    @property
    def of_numbers(self) -> bool:
        """Whether there is something between two places."""
        return self.kind != "categories"


def axis_of(lines: pd.DataFrame) -> Axis:
    """Return the axis of a panel: of the first setting that varies.

    Its values where they are numbers above 0; else the FLOPs of a step, where they tell the values apart; else the
    values as categories.
    """
    tasks = list(dict.fromkeys(lines["task"]))
    key = keys_of(tasks)[0]
    values = {task: TaskRef.parse(task).settings[key] for task in tasks}
    numbers = {task: _number(value) for task, value in values.items()}
    if all(number > 0 for number in numbers.values()):
        return Axis(key, numbers, "values", {numbers[task]: values[task] for task in tasks})
    flops = lines.groupby("task")["flops_per_step"].median()
    sizes = {task: float(flops[task]) for task in tasks}
    if all(math.isfinite(size) for size in sizes.values()) and len(set(sizes.values())) == len(tasks):
        return Axis("model FLOPs of a step", sizes, "flops", {sizes[task]: values[task] for task in tasks})
    order = {value: float(place) for place, value in enumerate(dict.fromkeys(values.values()))}
    return Axis(key, {task: order[values[task]] for task in tasks}, "categories", {p: v for v, p in order.items()})


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def panels(lines: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the lines of each combination of the settings that vary beside the first, by their values as a text."""
    others = list(keys_of(lines["task"])[1:])
    if not others:
        return {"": lines}
    return {
        ", ".join(f"{key} {value}" for key, value in zip(others, values, strict=True)): part
        for values, part in lines.groupby(others, sort=False)
    }


# Overhead and rate


@dataclass(frozen=True)
class Cost:
    """step_s = overhead_s + FLOPs / flops_per_s, as well as that fits."""

    overhead_s: float
    flops_per_s: float  # infinite where the time does not grow with the FLOPs
    misfit: float  # largest difference of the fit from a measured time, as a share of that
    overhead: Interval | None = None  # over blocks, s
    rate: Interval | None = None  # over blocks, FLOP/s

    def step_s(self, flops: Array) -> Array:
        """Return the time of a step of so many FLOPs."""
        return self.overhead_s + flops / self.flops_per_s


def fit(flops: Array, step_s: Array) -> Cost | None:
    """Return the cost that fits these points [points] best; None for fewer than `FIT_POINTS` sizes.

    Least squares of the relative differences, so that a point of microseconds counts as one of seconds, with neither
    part below 0 (Lawson and Hanson 1974).
    """
    if len(set(flops)) < FIT_POINTS:
        return None
    scale = flops.max()
    (overhead_s, slope), _ = nnls(np.column_stack([1 / step_s, flops / scale / step_s]), np.ones(len(flops)))
    flops_per_s = scale / slope if slope > 0 else math.inf
    found = Cost(float(overhead_s), float(flops_per_s), misfit=0.0)
    return replace(found, misfit=float(np.max(np.abs(found.step_s(flops) / step_s - 1))))


def _fit_of(points: pd.DataFrame) -> Cost | None:
    """Return the cost that fits lines or samples, each of another point."""
    steps = points["steps_per_pass"]
    return fit((points["flops_per_pass"] / steps).to_numpy(float), (points["pass_s"] / steps).to_numpy(float))


def costs(samples: pd.DataFrame, lines: pd.DataFrame) -> dict[tuple[str, ...], Cost]:
    """Return the fitted cost of each row that is ranked at all its points, by `KINDS`.

    Intervals are those of the median of fits of single blocks: a block has every point once.
    """
    found = {}
    for kind, points in lines.groupby(KINDS, sort=False):
        if not points["ranked"].all():
            continue
        whole = _fit_of(points)
        if whole is None:
            continue
        mine = samples[(samples[KINDS] == list(kind)).all(axis=1) & (samples["status"] == "ok")]
        fits = [_fit_of(block) for _, block in mine.groupby("block") if len(block) == len(points)]
        found[tuple(map(str, kind))] = replace(
            whole,
            overhead=median_interval([each.overhead_s for each in fits if each]),
            rate=median_interval([each.flops_per_s for each in fits if each]),
        )
    return found


# Where the winner changes


@dataclass(frozen=True)
class Crossing:
    """Between two neighbouring points another row becomes the fastest."""

    panel: str
    before: str  # backend and mode
    after: str
    low: float  # places of the two points on the axis
    high: float
    at: float | None  # between them, by a straight line through the logarithms; None between categories
    sure: bool  # whether the run can tell the two rows apart at both points


def crossings(lines: pd.DataFrame) -> list[Crossing]:
    """Return where the fastest row changes along the axis, in each panel."""
    found = []
    for panel, part in panels(lines).items():
        of_numbers = axis_of(part).of_numbers
        for _, single in part.groupby(["device", "precision"], sort=False):
            ranked = single[single["ranked"]]
            winners = ranked[ranked["ratio"] == 1.0].drop_duplicates("size").sort_values("size")
            for (_, a), (_, b) in itertools.pairwise(winners.iterrows()):
                if name_of(a) != name_of(b) and (crossing := _crossing(panel, of_numbers, ranked, a, b)):
                    found.append(crossing)
    return found


def _crossing(
    panel: str, of_numbers: bool, ranked: pd.DataFrame, a: pd.Series[Any], b: pd.Series[Any]
) -> Crossing | None:
    """Return how the winner `a` of a point gives way to the winner `b` of the next; None where one lacks the other."""
    of_a, of_b = (
        ranked[(ranked["backend"] == line["backend"]) & (ranked["mode"] == line["mode"])].set_index("size")
        for line in (a, b)
    )
    low, high = float(a["size"]), float(b["size"])
    if high not in of_a.index or low not in of_b.index:
        return None
    ahead, behind = (math.log(of_a["step_s"][x] / of_b["step_s"][x]) for x in (low, high))  # below 0, then above
    at = None
    if of_numbers and ahead < 0 < behind:
        at = math.exp(math.log(low) + math.log(high / low) * -ahead / (behind - ahead))
    sure = of_b["verdict"][low] == "slower" and of_a["verdict"][high] == "slower"
    return Crossing(panel, name_of(a), name_of(b), low, high, at, bool(sure))


def name_of(line: pd.Series[Any]) -> str:
    """Return backend and mode of a line."""
    return f"{line['backend']} {line['mode']}"
