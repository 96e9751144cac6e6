"""A store as it is read: where its files stand, and that a damaged one is an error and no traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_files import a_run
from stores import merged

from bench.analysis.frame import process_frame
from bench.records.lines import NotARunFile
from bench.records.sources import read_runs
from bench.records.store.layout import FORMAT, MARKER, Store, store_around, store_at
from bench.records.store.reading import stored_run, stored_runs


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """Return a store with two runs."""
    for name in "ab":
        a_run(tmp_path / f"{name}.jsonl", created=f"2026-01-0{1 + (name == 'b')}T00:00:00Z")
    merged(tmp_path / "lab", tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    return tmp_path / "lab"


def test_a_store_and_a_run_of_it_stand_where_a_run_file_stands(lab: Path, tmp_path: Path) -> None:
    both = stored_runs(Store(lab))
    assert [run.path for run in read_runs([lab])] == [run.path for run in both]
    assert [run.path for run in read_runs([both[1].path, tmp_path / "a.jsonl"])] == [both[1].path, tmp_path / "a.jsonl"]
    assert store_around(lab / "runs" / "x") == store_around(lab) == Store(lab)
    assert store_around(tmp_path) is None


def test_a_run_that_is_not_there_is_named(lab: Path) -> None:
    with pytest.raises(NotARunFile, match="has no run 'none'"):
        read_runs([lab / "none"])
    with pytest.raises(NotARunFile, match="cannot read"):
        read_runs([lab.parent / "none"])


def test_a_store_without_runs_is_an_error(tmp_path: Path) -> None:
    merged(tmp_path / "lab")
    with pytest.raises(NotARunFile, match="no run is in the store"):
        read_runs([tmp_path / "lab"])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("text", "is damaged"),
        ("[1]", "is damaged"),
        ("{}", "is damaged"),
        ("[" * 100_000, "is damaged"),
        (json.dumps({"format": FORMAT + 1}), f"is a store of format {FORMAT + 1}; this version reads format {FORMAT}"),
        (json.dumps({"format": "\x1b[2J"}), "is a store of format \\x1b[2J"),
    ],
)
def test_a_marker_that_cannot_be_read_is_an_error(content: str, told: str, lab: Path) -> None:
    (lab / MARKER).write_text(content)
    with pytest.raises(NotARunFile) as caught:
        store_at(lab)
    assert told in str(caught.value)


def changed(name: str, values: list[object]) -> Callable[[Path], None]:
    """Return what writes another column into the table of runs."""

    def change(lab: Path) -> None:
        path = lab / "runs" / "000000.parquet"
        table = pq.read_table(path)
        place = table.column_names.index(name)
        pq.write_table(table.set_column(place, name, pa.array(values, type=table.schema.field(name).type)), path)

    return change


def cut(pattern: str) -> Callable[[Path], None]:
    def change(lab: Path) -> None:
        for path in lab.glob(pattern):
            path.write_bytes(path.read_bytes()[:-100])

    return change


def other_lines(pattern: str) -> Callable[[Path], None]:
    """Return what puts lines in the place of records that are none."""

    def change(lab: Path) -> None:
        for path in lab.glob(pattern):
            table = pq.read_table(path)
            place = table.schema.get_field_index("line")
            pq.write_table(table.set_column(place, "line", pa.array([b'{"type":"record"}'] * len(table))), path)

    return change


def removed(pattern: str) -> Callable[[Path], None]:
    def change(lab: Path) -> None:
        for path in lab.glob(pattern):
            path.unlink()

    return change


@pytest.mark.parametrize(
    "damage",
    [
        cut("runs/*.parquet"),
        cut("records/*/*/*.parquet"),
        cut("lines/*/*.parquet"),
        removed("records/*/*/*.parquet"),
        removed("lines/*/*.parquet"),
        other_lines("records/*/*/*.parquet"),
        changed("run", ["../../etc", "b"]),
        changed("machine", ["..", ".."]),
        changed("header", [b"text", b"text"]),
        changed("header", [b'{"type":"header"}', b""]),
        changed("resources", [b"1", b"1"]),
        changed("tasks", [[{"task": "thermometer_raw", "records": 10**6}]] * 2),
        changed("tasks", [[{"task": "../../x", "records": 1}]] * 2),
        changed("others", [10**6, 10**6]),
    ],
)
def test_a_damaged_store_is_an_error_that_says_so(damage: Callable[[Path], None], lab: Path) -> None:
    damage(lab)
    with pytest.raises(NotARunFile) as caught:
        _read_all(lab)
    assert "\n" not in str(caught.value)


def _read_all(lab: Path) -> None:
    for run in read_runs([lab]):
        process_frame([run])
        list(run.records)
        list(run.blocks)


def test_one_run_is_read_by_its_name(lab: Path) -> None:
    first, second = stored_runs(Store(lab))
    assert stored_run(Store(lab), second.path.name).header == second.header != first.header
