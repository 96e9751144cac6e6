"""Runs as pandas frames, with one line per process, per row, or per point of a sweep."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.across import Across, across_runs
from bench.analysis.changes import Change, changes, effect_of
from bench.analysis.columns import (
    change_columns,
    machine_columns,
    machines_columns,
    point_columns,
    process_columns,
    ratio_columns,
    summary_columns,
)
from bench.analysis.inference import InferenceSummary, inference_columns
from bench.analysis.machine_facts import facts_by_machine
from bench.analysis.process import Context
from bench.analysis.summary import RowSummary, summarise
from bench.analysis.sweep import Sweep
from bench.records.machines import machine_names
from bench.records.provenance import Kind, NotComparable, differences, refused
from bench.records.runfile import Run, without_collector
from bench.records.sources import only, read_runs

ONE_EACH = "one run is compared with one other"


def load(paths: str | Path | Iterable[str | Path]) -> pd.DataFrame:
    """Return one line per process: its job, status, times, quality, and the parity of its row.

    A folder stands for the run files in it. Times are in seconds; `passes_s` and `losses` hold tuples. Raises
    `bench.records.lines.NotARunFile`.
    """
    return process_frame(_read(paths))


def _read(paths: str | Path | Iterable[str | Path]) -> tuple[Run, ...]:
    several = [paths] if isinstance(paths, str | Path) else paths
    return read_runs(map(Path, several))


def compare(
    then: str | Path, now: str | Path, *, effect: float | None = None, allow: Collection[Kind] = ()
) -> pd.DataFrame:
    """Return one line per row of two run files: how its time has changed from `then` to `now`, the worst first.

    `effect` is the smallest change that matters, 0.05 for 5 %; by default the larger goal of the two runs. Raises
    `bench.records.provenance.NotComparable` for runs of different machines, versions or settings, unless these kinds
    are named in `allow`, and `bench.records.lines.NotARunFile`.
    """
    before, after = (only(Path(path), read_runs([Path(path)]), ONE_EACH) for path in (then, now))
    if found := refused(differences(before.header, after.header), allow):
        kinds = ", ".join(repr(kind) for kind in dict.fromkeys(each.kind for each in found))
        raise NotComparable(f"{now} cannot be compared with {then}. {'; '.join(map(str, found))}. Allow with {kinds}")
    return changes_frame(changes(before, after, effect_of(before, after) if effect is None else effect))


def changes_frame(found: Iterable[Change]) -> pd.DataFrame:
    """Return one line per row that was compared between two runs, in the order given."""
    return pd.DataFrame([change_columns(each) for each in found])


def ratios(paths: str | Path | Iterable[str | Path], *, baseline: str = "") -> pd.DataFrame:
    """Return one line per row: its time divided by that of the baseline, a backend or backend:mode.

    Without a baseline it is divided by that of the fastest row of its task. A folder stands for the run files in it.
    Rows that are not ranked have no ratio but a reason. Raises
    `bench.errors.BadChoice` if a run has no row of the baseline, and `NotARunFile`.
    """
    rows = summarise(_read(paths), baseline)
    with without_collector():
        return pd.DataFrame([ratio_columns(each, each.to_baseline if baseline else each.to_fastest) for each in rows])


def machines(paths: str | Path | Iterable[str | Path], *, baseline: str = "", each: bool = False) -> pd.DataFrame:
    """Return one line per row of run files of several machines: how its ratio to a baseline differs between them.

    The baseline is a backend or backend:mode; without one it is NumPy's row or, where a task has none, the row that
    most machines have ranked. `each` gives a line per row and machine instead, with what is known of the machine.
    Raises `bench.errors.BadChoice` if no run has a row of the baseline, and `NotARunFile`.
    """
    runs = _read(paths)
    with without_collector():
        found = across_runs(runs, baseline)
    return each_machine_frame(found, runs) if each else machines_frame(found)


def machines_frame(found: Iterable[Across]) -> pd.DataFrame:
    """Return one line per row of each question, in the order given."""
    return pd.DataFrame([machines_columns(of, row) for of in found for row in of.rows])


def each_machine_frame(found: Iterable[Across], runs: Iterable[Run]) -> pd.DataFrame:
    """Return one line per row and machine, in the order given."""
    headers = [run.header for run in runs]
    names, facts = machine_names(headers), facts_by_machine(headers)
    lines = ((of, row, on) for of in found for row in of.rows for on in row.on)
    return pd.DataFrame([machine_columns(of, row, on, names[on.machine], facts[on.machine]) for of, row, on in lines])


def process_frame(runs: Iterable[Run]) -> pd.DataFrame:
    """Return one line per process."""
    columns: dict[str, list[Any]] = {}
    for context in map(Context.of, runs):
        for name, values in process_columns(context).items():
            columns.setdefault(name, []).extend(values)
    return pd.DataFrame(columns)


def summary_frame(rows: Iterable[RowSummary]) -> pd.DataFrame:
    """Return one line per row, in the order given."""
    return pd.DataFrame([summary_columns(each) for each in rows])


def inference_frame(rows: Iterable[InferenceSummary]) -> pd.DataFrame:
    """Return one line per row that answered requests, in the order given."""
    return pd.DataFrame([inference_columns(each) for each in rows])


def scaling_frame(sweep: Sweep) -> pd.DataFrame:
    """Return one line per row and point of a sweep; `size` is the position of the point on the axis of its panel."""
    sizes = {point.summary.row: panel.size(point) for panel in sweep.panels for point in panel.points}
    return pd.DataFrame(
        [point_columns(point, sweep.keys) | {"size": sizes[point.summary.row]} for point in sweep.points]
    )
