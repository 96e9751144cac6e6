"""Tables as files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from made_up_runs import mixed_run, summary_of

from bench.errors import BadChoice
from bench.records.runfile import Run
from bench.report.export import render
from bench.report.formats import default_format


@pytest.fixture
def mixed(tmp_path: Path) -> Run:
    return mixed_run(tmp_path)


@pytest.mark.parametrize("baseline", ["", "slow"])
@pytest.mark.parametrize("style", ["csv", "json", "parquet"])
def test_tables_for_programs_can_be_read_back(style: str, baseline: str, mixed: Run, tmp_path: Path) -> None:
    frame = summary_of(mixed, baseline=baseline)
    text = render(frame, style)
    path = tmp_path / "table"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    read = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}[style](path)
    assert list(read["backend"]) == list(frame["backend"])
    assert read["pass_s"][0] == pytest.approx(frame["pass_s"][0])
    assert list(read.columns) == list(frame.columns)


@pytest.mark.parametrize(
    ("name", "style"),
    [
        ("a.csv", "csv"),
        ("a.CSV", "csv"),
        (".csv", "csv"),
        ("a.parquet", "parquet"),
        ("a.md", "markdown"),
        ("a", "markdown"),
    ],
)
def test_the_format_is_told_by_the_name(name: str, style: str) -> None:
    assert default_format(Path(name)) == style


@pytest.mark.parametrize("name", ["a.xlsx", "a.jsonl", "a.png", "a.csv.gz"])
def test_an_ending_that_no_table_has_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(BadChoice, match=r"no table can be written as \.\w+ \(a\..*ends in \.md, .*\.csv, .*\.parquet"):
        default_format(Path(name))
