"""`bench merge` as a user types it, and every command on a store as on run files."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from run_files import Bench, a_run
from stores import runs_of
from support import ROOT, run_bench

import bench
from bench.cli.interrupts import INTERRUPTS
from bench.merging.merge import Merged, Merging

NAMES = ("reference", "warm", "growth-mnist")


@pytest.fixture(scope="session")
def merged_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files of some kept runs and a store of them, which tests get copies of."""
    folder = tmp_path_factory.mktemp("merged")
    (folder / "runs").mkdir()
    for name in NAMES:
        shutil.copy(ROOT / "results" / f"{name}.jsonl", folder / "runs")
    assert run_bench("merge", "runs", "-o", "lab", cwd=folder).returncode == 0
    return folder


@pytest.fixture
def lab(merged_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a store with some kept runs, and the folder `runs` with their files beside it, in the current folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(merged_once, tmp_path, dirs_exist_ok=True)
    return tmp_path / "lab"


def as_files(text: str) -> str:
    """Return text on a store as it would be on the run files."""
    return re.sub(r"(growth-mnist|reference|warm)-[0-9a-f]{16}", r"\1.jsonl", text.replace("lab/", "runs/"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("table",),
        ("table", "--format", "csv"),
        ("table", "--format", "terminal"),
        ("table", "--samples", "--format", "csv"),
        ("table", "--inference", "--format", "csv"),
        ("table", "--baseline", "jax:scan", "--format", "csv"),
        ("table", "--rank", "total"),
        ("table", "--where", "task=mnist_mlp"),
        ("table", "--output-of", "sklearn"),
        ("history", "--format", "csv"),
    ],
)
def test_a_command_says_of_a_store_what_it_says_of_its_run_files(
    arguments: tuple[str, ...], lab: Path, bench_here: Bench
) -> None:
    command, *options = arguments
    files, store = bench_here(command, "runs", *options), bench_here(command, "lab", *options)
    assert (files.returncode, files.stderr) == (store.returncode, as_files(store.stderr))
    assert len(files.stdout + files.stderr) > 100
    # a terminal breaks lines by the length of names
    assert "".join(as_files(store.stdout).split()) == "".join(files.stdout.split())


def test_the_page_of_a_store_has_the_numbers_of_its_run_files(lab: Path, bench_here: Bench, tmp_path: Path) -> None:
    for name in ("runs", "lab"):
        assert bench_here("report", name, "-o", f"{name}.html").returncode == 0
    assert as_files((tmp_path / "lab.html").read_text()) == (tmp_path / "runs.html").read_text()


def test_frames_of_a_store_are_those_of_its_run_files(lab: Path, tmp_path: Path) -> None:
    for function in (bench.load, bench.ratios):
        found, wanted = function("lab"), function("runs")
        found["run"] = found["run"].map(as_files)
        order = wanted["run"].drop_duplicates().tolist()
        found = found.sort_values("run", key=lambda run: run.map(order.index), kind="stable", ignore_index=True)
        pd.testing.assert_frame_equal(found, wanted)


def test_one_run_of_a_store_is_drawn_and_compared_by_its_name(lab: Path, bench_here: Bench, tmp_path: Path) -> None:
    names = {run.path.name.rpartition("-")[0]: f"lab/{run.path.name}" for run in runs_of(lab)}
    result = bench_here("plot", names["reference"], "--of", "losses", "--task", "mnist_mlp")
    assert result.returncode == 0
    assert (tmp_path / f"{names['reference'].removeprefix('lab/')}-losses.png").exists()
    by_file = bench_here("compare", "runs/reference.jsonl", "runs/warm.jsonl", "--allow", "versions")
    by_name = bench_here("compare", names["reference"], names["warm"], "--allow", "versions")
    assert (by_name.returncode, as_files(by_name.stdout)) == (by_file.returncode, by_file.stdout)
    assert bench.compare(names["reference"], names["reference"])["verdict"].eq("identical").any()


def test_merging_tells_what_it_added_and_adds_nothing_twice(lab: Path, bench_here: Bench) -> None:
    result = bench_here("merge", "runs", "-o", "lab")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "store: lab (3 there already; 0 records added)\n"
    a_run(Path("runs/new.jsonl"))
    assert bench_here("merge", "runs", "-o", "lab").stdout == "store: lab (1 new, 3 there already; 8 records added)\n"
    assert bench_here("merge", "-o", "lab").stdout == "store: lab (nothing to merge; 0 records added)\n"
    assert bench_here("merge", "lab", "-o", "other").stdout.startswith("store: other (4 new; ")


def test_a_refused_file_is_named_with_its_line_and_the_others_are_merged(bench_here: Bench, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    for number, name in enumerate("abc"):
        a_run(tmp_path / "runs" / f"{name}.jsonl", created=f"2026-01-0{number + 1}T00:00:00Z")
    with Path("runs/b.jsonl").open("a") as file:
        file.write("text\n")
    result = bench_here("merge", "runs", "-o", "lab")
    assert result.returncode == 1
    assert result.stderr.startswith("error: runs/b.jsonl is not a run file: line ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == "store: lab (2 new, 1 refused; 16 records added)\n"
    assert len(runs_of(tmp_path / "lab")) == 2


def test_an_interrupt_keeps_what_was_merged_and_says_how_to_go_on(
    bench_here: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs").mkdir()
    for number, name in enumerate("ab"):
        a_run(tmp_path / "runs" / f"{name}.jsonl", created=f"2026-01-0{number + 1}T00:00:00Z")
    add = Merging.add

    def interrupted(self: Merging, path: Path) -> Merged:
        if path.stem == "b":
            raise KeyboardInterrupt
        return add(self, path)

    monkeypatch.setattr(Merging, "add", interrupted)
    monkeypatch.setattr(INTERRUPTS, "count", 0)
    result = bench_here("merge", "runs", "-o", "lab")
    assert result.returncode == 130
    assert "the runs that were merged are in lab; the same command adds the others" in result.stdout
    assert [run.path.name[:2] for run in runs_of(tmp_path / "lab")] == ["a-"]
    monkeypatch.setattr(Merging, "add", add)
    assert bench_here("merge", "runs", "-o", "lab").stdout.startswith("store: lab (1 new, 1 there already; ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("merge", "runs"), "Missing option '--out'"),
        (("merge", "lab", "-o", "lab"), "lab is the store itself"),
        (("merge", "runs", "-o", "runs"), "runs is no store and has other files in it"),
        (("merge", "runs", "-o", "runs/warm.jsonl"), "is a file; a store is a folder"),
        (("merge", "none.jsonl", "-o", "lab"), "cannot read none.jsonl"),
        (("table", "lab", "-o", "lab/runs/000000.parquet"), "is in the store"),
        (("table", "runs", "-o", "lab/levelfield-store.json", "--format", "csv"), "is in the store"),
        (("report", "runs", "-o", "lab"), "is in the store"),
        (("plot", "lab", "--of", "losses"), "lab has 3 runs, and a picture shows one; name one of them: lab/"),
        (("compare", "lab", "runs/warm.jsonl"), "lab has 3 runs, and one run is compared with one other"),
        (("table", "lab/none"), "the store lab has no run 'none'"),
    ],
)
def test_what_cannot_be_done_with_a_store_is_refused_and_nothing_is_touched(
    arguments: tuple[str, ...], told: str, lab: Path, bench_here: Bench
) -> None:
    before = {path: path.read_bytes() for path in lab.parent.rglob("*") if path.is_file()}
    result = bench_here(*arguments)
    assert result.returncode in (1, 2)
    assert told in result.stderr
    assert "Traceback" not in result.stderr
    assert {path: path.read_bytes() for path in lab.parent.rglob("*") if path.is_file()} == before


def test_summaries_of_another_version_are_told_of(
    lab: Path, bench_here: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.analysis.kept.version", lambda: "another")
    result = bench_here("table", "lab", "--format", "csv")
    assert result.returncode == 0
    assert result.stderr == (
        "note: 3 runs of lab came from another version of levelfield, so tables of them are computed anew; bench merge "
        "-o lab keeps them\n"
    )


def test_a_single_run_of_a_store_is_merged_into_another(lab: Path, bench_here: Bench) -> None:
    name = next(run.path.name for run in runs_of(lab) if run.path.name.startswith("warm"))
    merged = bench_here("merge", f"lab/{name}", "-o", "mine")
    assert (merged.returncode, merged.stdout) == (0, "store: mine (1 new; 5 records added)\n")
    assert [run.path.name for run in runs_of(lab.parent / "mine")] == [name]
    wrong = bench_here("merge", "lab/gone", "-o", "mine")
    assert (wrong.returncode, "has no run 'gone'" in wrong.stderr) == (2, True)
