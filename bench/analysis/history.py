"""Ratios of rows to a baseline over many runs. Pure.

Two times of different machines, or of a task with other settings, are no two points of one line. So runs are grouped by
machine, as `bench compare` would tell machines apart, and rows by the settings of their task.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.analysis.baseline import find_row, require_baseline
from bench.analysis.stats import Interval
from bench.analysis.summary import RowSummary, summarise
from bench.records.machines import machine_key
from bench.records.provenance import Difference, differences
from bench.records.runfile import Run
from bench.records.schema import Header, Row


@dataclass(frozen=True)
class Moment:
    """A run of a machine, and what changed since the run before: versions and the code of the suite."""

    run: str
    header: Header
    changed: tuple[Difference, ...]


@dataclass(frozen=True, kw_only=True)
class Point:
    """A row in one run. It has a ratio only if the row and the baseline are ranked."""

    moment: int  # number of the run in its machine
    ratio: float | None = None  # to the baseline
    interval: Interval | None = None
    verdict: str = ""
    reason: str = ""  # why there is no ratio


@dataclass(frozen=True)
class Line:
    """A row of a task with the same settings, in the order of the runs."""

    row: Row
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Panel:
    """The lines of a task in the same settings, and the settings that are others than in its first run."""

    task: str
    baseline: Row | None  # None if no run has it
    settings: Mapping[str, Any]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class MachineHistory:
    """The runs of one machine, in the order of their time, and what they say."""

    moments: tuple[Moment, ...]
    panels: tuple[Panel, ...]
    differs: tuple[Difference, ...]  # from the machine of the earliest run


Wanted = Callable[[Row], bool]


def history(runs: Iterable[Run], baseline: str, wanted: Wanted = lambda _: True) -> tuple[MachineHistory, ...]:
    """Return the history of the wanted rows by machine, that of the earliest run first.

    Raises `BadChoice` if no run has a row of the baseline.
    """
    ordered = sorted(runs, key=lambda run: (run.header.created, run.name))
    require_baseline(baseline, [row for run in ordered for row in run.header.rows])
    machines: list[list[Run]] = []
    for run in ordered:
        same = next((each for each in machines if _same_machine(each[0].header, run.header)), None)
        if same is None:
            machines.append([run])
        else:
            same.append(run)
    return tuple(_of_machine(each, machines[0][0].header, baseline, wanted) for each in machines)


def _same_machine(then: Header, now: Header) -> bool:
    return machine_key(then) == machine_key(now) and not _another_machine(then, now)


def _another_machine(then: Header, now: Header) -> tuple[Difference, ...]:
    return tuple(each for each in differences(then, now) if each.kind == "machine")


def _of_machine(runs: Sequence[Run], first: Header, baseline: str, wanted: Wanted) -> MachineHistory:
    headers = [run.header for run in runs]
    changes = [(), *(_changed(then, now) for then, now in itertools.pairwise(headers))]
    moments = tuple(Moment(run.name, run.header, change) for run, change in zip(runs, changes, strict=True))
    panels = _panels(runs, baseline, wanted)
    return MachineHistory(moments, panels, _another_machine(first, headers[0]))


def _changed(then: Header, now: Header) -> tuple[Difference, ...]:
    return tuple(each for each in differences(then, now) if each.kind in ("versions", "code"))


def _panels(runs: Sequence[Run], baseline: str, wanted: Wanted) -> tuple[Panel, ...]:
    """Return a panel for each task and each of the settings that it had."""
    summaries = [_summaries(run, baseline) for run in runs]
    found: dict[tuple[str, str], dict[Row, list[Point]]] = {}
    settings: dict[tuple[str, str], Mapping[str, Any]] = {}
    for number, (run, rows) in enumerate(zip(runs, summaries, strict=True)):
        for row, summary in rows.items():
            of_task = run.header.tasks.get(row.task, {})
            key = row.task, repr(sorted((name, str(value)) for name, value in of_task.items()))
            settings.setdefault(key, of_task)
            if wanted(row) and row != find_row(baseline, _of_task(rows, row)):
                found.setdefault(key, {}).setdefault(row, []).append(_point(number, summary, rows, baseline))
    firsts: dict[str, Mapping[str, Any]] = {}
    for (task, _), each in settings.items():
        firsts.setdefault(task, each)
    return tuple(
        Panel(
            task=key[0],
            baseline=_baseline(summaries, key[0], baseline),
            settings={name: value for name, value in settings[key].items() if value != firsts[key[0]].get(name)},
            lines=tuple(Line(row, tuple(points)) for row, points in lines.items()),
        )
        for key, lines in found.items()
    )


def _summaries(run: Run, baseline: str) -> dict[Row, RowSummary]:
    """Return the summary of every row of a run, with ratios to the baseline if the run has it."""
    has_it = find_row(baseline, run.records.columns.by_row()) is not None
    return {each.row: each for each in summarise((run,), baseline if has_it else "")}


def _of_task(rows: Iterable[Row], like: Row) -> list[Row]:
    return [row for row in rows if (row.task, row.precision) == (like.task, like.precision)]


def _baseline(summaries: Iterable[Mapping[Row, RowSummary]], task: str, name: str) -> Row | None:
    return find_row(name, (row for rows in summaries for row in rows if row.task == task))


def _point(number: int, each: RowSummary, rows: Mapping[Row, RowSummary], baseline: str) -> Point:
    if each.to_baseline and each.to_baseline.comparison:
        found = each.to_baseline.comparison
        return Point(moment=number, ratio=found.ratio, interval=found.interval, verdict=each.to_baseline.verdict)
    if not each.standing.ranked:
        return Point(moment=number, reason=each.standing.why_not)
    other = find_row(baseline, _of_task(rows, each.row))
    why = f"the baseline is not ranked: {rows[other].standing.why_not}" if other else "this run has no baseline"
    return Point(moment=number, reason=why)
