"""`bench table`, in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from run_files import Bench, a_run
from support import a_header, a_record, a_row, write_run


def test_table_prints_every_format_and_reads_several_runs(bench_here: Bench, tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        a_run(tmp_path / name)
    markdown = bench_here("table", "a.jsonl", "b.jsonl")
    assert markdown.stdout.count("| thermometer_raw") == 2
    lines = json.loads(bench_here("table", "a.jsonl", "--format", "json").stdout)
    assert lines[0]["pass_s"] > 0
    assert bench_here("table", "a.jsonl", "-o", "t.csv").returncode == 0
    assert (tmp_path / "t.csv").read_text().startswith("run,task,backend")
    assert bench_here("table", "a.jsonl", "--format", "parquet").returncode == 2


def test_a_torn_last_line_is_reported_and_left_out(bench_here: Bench, tmp_path: Path) -> None:
    a_run(tmp_path / "a.jsonl")
    with (tmp_path / "a.jsonl").open("a") as file:
        file.write('{"type":"record","job":{"row"')
    result = bench_here("table", "a.jsonl")
    assert result.returncode == 0
    assert "was cut off while it was written" in result.stderr


def failed_run(path: Path) -> None:
    right, wrong = a_row("linear_fit"), a_row("linear_fit", "jax", "jit")
    told = {"reason": "ended with exit status 1", "output": "one line\nUnknown flag \x1b[31m--xla_foo"}
    write_run(path, a_header(), [a_record(right), a_record(wrong, 2, status="crashed", **told)])


def test_what_a_failed_process_printed_can_be_read(bench_here: Bench, tmp_path: Path) -> None:
    failed_run(tmp_path / "a.jsonl")
    result = bench_here("table", "a.jsonl", "--output-of", "jit linear_fit")
    assert result.returncode == 0
    assert result.stdout.splitlines() == [
        "linear_fit jax jit cpu float32 #3: crashed: ended with exit status 1",
        "    one line",
        "    Unknown flag \\x1b[31m--xla_foo",
    ]
    assert "no process of linear_fit numpy loop cpu float32 failed" in bench_here(
        "table", "a.jsonl", "--output-of", "numpy"
    ).stdout  # fmt: skip


@pytest.mark.parametrize("row", ["torch", "", "linear_fit torch"])
def test_an_unknown_row_is_refused_with_those_there_are(row: str, bench_here: Bench, tmp_path: Path) -> None:
    failed_run(tmp_path / "a.jsonl")
    result = bench_here("table", "a.jsonl", "--output-of", row)
    assert result.returncode == 2
    assert "the rows are: linear_fit numpy loop cpu float32, linear_fit jax jit cpu float32" in result.stderr


def test_a_table_is_never_written_over_a_run_file_that_it_reads(bench_here: Bench, tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.csv"):
        a_run(tmp_path / name)
    (tmp_path / "link.md").symlink_to("a.jsonl")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for out in ("link.md", "b.csv", "./b.csv"):
        result = bench_here("table", "a.jsonl", "b.csv", "-o", out)
        assert result.returncode == 2
        assert "would be overwritten; name another file" in result.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_table_is_not_written_under_an_ending_that_it_has_no_format_for(bench_here: Bench, tmp_path: Path) -> None:
    a_run(tmp_path / "a.jsonl")
    assert "no table can be written as .xlsx" in bench_here("table", "a.jsonl", "-o", "t.xlsx").stderr
    assert bench_here("table", "a.jsonl", "-o", "T.CSV").returncode == 0
    assert (tmp_path / "T.CSV").read_text().startswith("run,task,backend")
    assert not (tmp_path / "t.xlsx").exists()


def test_two_runs_in_one_file_are_refused_by_the_line(bench_here: Bench, tmp_path: Path) -> None:
    a_run(tmp_path / "a.jsonl")
    one = (tmp_path / "a.jsonl").read_bytes()
    (tmp_path / "ab.jsonl").write_bytes(one + one)
    result = bench_here("table", "ab.jsonl")
    assert result.returncode == 2
    assert f"ab.jsonl: line {len(one.splitlines()) + 1} is a second header" in result.stderr
