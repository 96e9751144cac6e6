"""A folder where a command takes run files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from run_files import Bench, a_run

import bench


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two runs, and a folder `one` beside it with one."""
    found = tmp_path / "runs"
    found.mkdir()
    a_run(found / "a.jsonl")
    a_run(found / "b.jsonl", pass_s=0.2)
    (tmp_path / "one").mkdir()
    shutil.copy(found / "a.jsonl", tmp_path / "one")
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ("table", "{}", "--format", "csv"),
        ("table", "{}", "--samples", "--format", "csv"),
        ("table", "{}", "--format", "markdown"),
        ("table", "{}", "--output-of", "numpy"),
        ("report", "{}", "-o", "page.html"),
    ],
)
def test_a_command_reads_a_folder_as_it_reads_its_files(
    arguments: tuple[str, ...], folder: Path, tmp_path: Path, bench_here: Bench
) -> None:
    def run(*runs: str) -> tuple[int, str, str]:
        named = [word for each in arguments for word in (runs if each == "{}" else (each,))]
        result = bench_here(*named)
        page = tmp_path / "page.html"
        return result.returncode, result.stdout, page.read_text() if page.exists() else ""

    code, *told = run("runs")
    assert code == 0
    assert any(told)
    assert told == [*run("runs/a.jsonl", "runs/b.jsonl")[1:]]


def test_frames_read_a_folder(folder: Path) -> None:
    assert bench.load(folder)["run"].unique().tolist() == [str(folder / "a.jsonl"), str(folder / "b.jsonl")]
    assert len(bench.ratios(folder)) == 2
    assert len(bench.ratios([folder, folder / "a.jsonl"])) == 2


def test_a_folder_with_one_run_can_be_compared_and_drawn(folder: Path, bench_here: Bench, tmp_path: Path) -> None:
    assert bench_here("compare", "one", "one").stdout.endswith("1 identical\n")
    assert bench_here("plot", "one", "--of", "passes").returncode == 0
    assert (tmp_path / "one" / "a-passes.png").exists()
    assert bench.compare(tmp_path / "one", folder / "b.jsonl")["ratio"].tolist() == [pytest.approx(2, rel=0.01)]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("compare", "one", "runs"), "runs has 2 runs, and one run is compared with one other; name one of them: "),
        (
            ("plot", "runs", "--of", "passes"),
            "runs has 2 runs, and a picture shows one; name one of them: runs/a.jsonl",
        ),
        (("table", "empty"), "no run file is in the folder empty"),
        (("table", "runs", "-o", "runs/a.jsonl", "--format", "csv"), "runs/a.jsonl is a run file that is read here"),
        (("report", "runs", "-o", "runs"), "a page cannot be written as a file without ending (runs); use .html"),
    ],
)
def test_what_a_folder_cannot_be_is_refused(
    arguments: tuple[str, ...], told: str, folder: Path, bench_here: Bench, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    before = (folder / "a.jsonl").read_bytes()
    result = bench_here(*arguments)
    assert result.returncode == 2
    assert told in result.stderr
    assert (folder / "a.jsonl").read_bytes() == before
