"""`bench report`, in this process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from run_files import Bench, a_run
from support import a_header, a_row, write_run

from bench.report.page.render import _template


def test_a_report_is_one_file_about_several_runs(bench_here: Bench, tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        a_run(tmp_path / name)
    result = bench_here("report", "a.jsonl", "b.jsonl", "-o", "out/page.html")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("report: out/page.html (1.")
    page = (tmp_path / "out" / "page.html").read_text()
    assert page.lstrip().startswith("<!DOCTYPE html>")
    assert "thermometer_raw · a.jsonl" in page
    assert "thermometer_raw · b.jsonl" in page


@pytest.mark.parametrize("name", ["mine.csv", "page.xlsx", "page.pdf", "page"])
def test_a_name_that_promises_something_else_is_refused(bench_here: Bench, tmp_path: Path, name: str) -> None:
    a_run(tmp_path / "a.jsonl")
    (tmp_path / name).write_text("mine")
    result = bench_here("report", "a.jsonl", "-o", name)
    assert result.returncode == 2
    assert f"({name}); use .html" in result.stderr
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize(
    "command",
    [
        *(("table", "--format", style) for style in ("csv", "json", "markdown", "html", "latex", "github-summary")),
        *(("table", "--samples"), ("table", "--machines"), ("report",), ("plot", "--of", "passes")),
    ],
)
@pytest.mark.skipif(sys.platform == "darwin", reason="this system has no such names")
def test_a_run_file_may_have_a_name_that_is_no_utf8(
    command: tuple[str, ...], bench_here: Bench, tmp_path: Path
) -> None:
    name = os.fsdecode(b"a\xff.jsonl")
    a_run(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").rename(tmp_path / name)
    result = bench_here(*command, name)
    assert (result.returncode, result.stderr) == (0, "")
    if command[-1] == "csv":
        assert "a\\udcff.jsonl" in result.stdout


@pytest.mark.parametrize("command", [("report",), ("table", "--machines"), ("table", "--format", "csv")])
@pytest.mark.parametrize("again", ["runs/a.jsonl", "./runs/a.jsonl", "runs"])
def test_a_run_that_is_named_twice_is_one_run(
    command: tuple[str, ...], again: str, bench_here: Bench, tmp_path: Path
) -> None:
    (tmp_path / "runs").mkdir()
    a_run(tmp_path / "runs" / "a.jsonl")
    once, twice = (bench_here(*command, "runs/a.jsonl", *more) for more in ((), (again,)))
    assert (once.returncode, once.stderr) == (0, "")
    assert (twice.returncode, twice.stdout, twice.stderr) == (0, once.stdout, "")


def test_a_run_file_is_never_overwritten(bench_here: Bench, tmp_path: Path) -> None:
    a_run(tmp_path / "a.jsonl")
    before = (tmp_path / "a.jsonl").read_bytes()
    result = bench_here("report", "a.jsonl", "-o", "a.jsonl")
    assert result.returncode == 2
    assert "a.jsonl is a run file that is read here" in result.stderr
    assert (tmp_path / "a.jsonl").read_bytes() == before


def test_a_run_with_nothing_in_it_and_a_file_that_is_none_are_refused_in_a_sentence(
    bench_here: Bench, tmp_path: Path
) -> None:
    write_run(tmp_path / "empty.jsonl", a_header(a_row("linear_fit")))
    result = bench_here("report", "empty.jsonl")
    assert result.returncode != 0
    assert "error: no row was run yet in empty.jsonl" in result.stderr
    (tmp_path / "b.txt").write_text("nothing")
    assert "b.txt is not a run file" in bench_here("report", "b.txt").stderr
    assert not (tmp_path / "report.html").exists()


def test_without_jinja_a_sentence_says_what_to_install(
    bench_here: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_run(tmp_path / "a.jsonl")
    _template.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    result = bench_here("report", "a.jsonl")
    assert result.returncode != 0
    assert result.stderr == "error: a report needs a package that is missing: pip install 'levelfield[report]'\n"
