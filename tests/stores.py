"""Stores that are made up, and what is the same in a run file and in a store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from bench.analysis.frame import process_frame, summary_frame
from bench.analysis.summary import summarise
from bench.merging.merge import Merged, merging
from bench.records.runfile import Run
from bench.records.store.layout import Store
from bench.records.store.reading import stored_lines, stored_runs


def merged(folder: Path, *paths: Path) -> list[Merged]:
    """Merge run files into a store; return what became of each."""
    with merging(folder) as store:
        return [store.add(path) for path in paths]


def runs_of(folder: Path) -> list[Run]:
    """Return the runs of a store."""
    return stored_runs(Store(folder))


def written_back(folder: Path, run: Run) -> bytes:
    """Return a run of a store as a run file again."""
    return b"".join(line + b"\n" for line in stored_lines(Store(folder), run.path.name))


def without_kept(run: Run) -> Run:
    """Return a run of a store without what was computed of it."""
    return replace(run, records=replace(run.records, kept={}))


def assert_same(stored: Run, read: Run) -> None:
    """Fail if a run of a store is not that of a run file in all but its path."""
    assert stored.header == read.header
    assert_same_columns(stored, read)
    assert tuple(stored.records) == tuple(read.records)
    assert tuple(stored.last_records) == tuple(read.last_records)
    assert stored.records.first_losses() == read.records.first_losses()
    assert stored.blocks == read.blocks
    assert stored.parity_results == read.parity_results
    assert stored.lessons == read.lessons
    renamed = replace(read, path=stored.path)
    summary = summary_frame(summarise((renamed,)))
    for each in (stored, without_kept(stored)):
        pd.testing.assert_frame_equal(summary_frame(summarise((each,))), summary)
    pd.testing.assert_frame_equal(process_frame((stored,)), process_frame((renamed,)))


def assert_same_columns(stored: Run, read: Run) -> None:
    """Fail if the numbers of the records are others, to the last bit, or of another kind."""
    found, wanted = stored.records.columns, read.records.columns
    assert found.rows == wanted.rows
    assert found.each_resources == wanted.each_resources
    assert set(found.whole_arrays) == set(wanted.whole_arrays)
    assert set(found.whole_lists) == set(wanted.whole_lists)
    for name in wanted.whole_arrays:
        assert found[name].dtype == wanted[name].dtype, name
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)
    for name in wanted.whole_lists:
        assert found.lists(name).values.dtype == wanted.lists(name).values.dtype, name
        np.testing.assert_array_equal(found.lists(name).values, wanted.lists(name).values, err_msg=name)
        np.testing.assert_array_equal(found.lists(name).counts, wanted.lists(name).counts, err_msg=name)


def assert_holds(folder: Path, runs: Iterable[Run]) -> None:
    """Fail if a store does not have exactly these runs, each as its run file has it."""
    wanted = {run.path.stem: run for run in runs}
    found = {run.path.name.rpartition("-")[0]: run for run in runs_of(folder)}
    assert set(found) == set(wanted)
    for name, run in wanted.items():
        assert_same(found[name], run)
        assert written_back(folder, found[name]) == run.path.read_bytes()
