"""`bench table`, in this process."""

from __future__ import annotations

import json
from pathlib import Path

from run_files import Bench, a_run


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
