"""The names of two versions of a backend that were trained side by side."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from support import a_header, a_parity_result, a_record, a_row, write_run

from bench.records.runfile import Run, read_run
from bench.records.version_rows import pairs_of, short_versions, with_version_names

OLD, NEW = (a_row("iris_mlp", f"torch@{which}", "eager") for which in ("old", "new"))


@pytest.mark.parametrize(
    ("old", "new", "short"),
    [
        ("2.12.1+cpu", "2.13.0+cpu", ("2.12", "2.13")),
        ("2.13.0", "2.13.1", ("2.13.0", "2.13.1")),
        ("1.9.1", "2.0", ("1.9", "2.0")),
        ("2.13.0", "2.13.0.post1", ("2.13.0", "2.13.0.post1")),
        ("2.13.0+cpu", "2.13.0+cu126", ("2.13.0+cpu", "2.13.0+cu126")),
        ("2.13.0", "2.13.0", ("", "")),
        ("", "2.13.0", ("", "")),
    ],
)
def test_versions_are_as_short_as_they_can_be_told_apart(old: str, new: str, short: tuple[str, str]) -> None:
    assert short_versions(old, new) == short


def a_run(folder: Path, old: str, new: str) -> Run:
    records = [a_record(row, number) for number in range(2) for row in (OLD, NEW)]
    told = {OLD: old, NEW: new}
    records = [replace(each, resources=replace(each.resources, framework=told[each.job.row])) for each in records]
    path = write_run(folder / "ab.jsonl", a_header(OLD, NEW), [a_parity_result(OLD), a_parity_result(NEW), *records])
    return read_run(path)


def test_rows_are_called_by_the_versions_everywhere_in_a_run(tmp_path: Path) -> None:
    run = with_version_names(a_run(tmp_path, "2.12.0+cpu", "2.13.0+cpu"))
    assert [row.backend for row in run.header.rows] == ["torch@2.12", "torch@2.13"]
    assert [row.backend for row in run.parity] == ["torch@2.12", "torch@2.13"]
    assert [row.backend for row in run.records.columns.rows] == ["torch@2.12", "torch@2.13"]
    assert [record.job.row.backend for record in run.last_records] == ["torch@2.12", "torch@2.13"] * 2
    assert run.header.tasks == a_header().tasks


def test_checkouts_of_one_version_stay_old_and_new(tmp_path: Path) -> None:
    run = a_run(tmp_path, "2.13.0", "2.13.0")
    assert with_version_names(run) is run
    (pair,) = pairs_of(run)
    assert (pair.old, pair.new, pair.old_version, pair.new_version) == (OLD, NEW, "2.13.0", "2.13.0")


def test_other_rows_are_no_pair(tmp_path: Path) -> None:
    rows = a_row("iris_mlp", "torch"), a_row("iris_mlp", "torch@old"), a_row("linear_fit", "torch@new")
    run = read_run(write_run(tmp_path / "run.jsonl", a_header(*rows), [a_record(row) for row in rows]))
    assert pairs_of(run) == ()
    assert with_version_names(run) is run
