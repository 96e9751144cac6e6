"""Runs as pandas frames, with one line per process, per row, or per point of a sweep."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.columns import point_columns, process_columns, summary_columns
from bench.analysis.inference import InferenceSummary, inference_columns
from bench.analysis.process import Context
from bench.analysis.summary import RowSummary
from bench.analysis.sweep import Sweep
from bench.records.runfile import Run, read_runs


def load(paths: str | Path | Iterable[str | Path]) -> pd.DataFrame:
    """Return one line per process of these run files: its job, status, times, quality, and the parity of its row.

    Times are in seconds; `passes_s` and `losses` hold tuples. Raises `bench.records.runfile.NotARunFile`.
    """
    several = [paths] if isinstance(paths, str | Path) else paths
    return process_frame(read_runs(map(Path, several)))


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
