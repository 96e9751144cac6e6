"""`bench history`, as its users see it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from made_up_histories import a_day, days
from made_up_runs import right
from run_files import Bench
from support import a_header, a_row, write_run


def names(folder: Path) -> list[str]:
    return [run.path.name for run in days(folder)]


def test_the_table_has_a_line_a_run_and_says_what_changed(bench_here: Bench, tmp_path: Path) -> None:
    result = bench_here("history", *names(tmp_path))
    assert not result.returncode, result.stderr
    text = result.stdout
    assert "machine 1, iris_mlp: time of a pass / that of numpy loop" in text
    torch = re.findall(r"^torch +eager +(.*)$", text, re.MULTILINE)
    assert [line[:18].rstrip() for line in torch] == [
        "2026-01-01 12:00",
        "2026-01-02 12:00",
        "2026-01-03 12:00 *",
        "2026-01-04 12:00",
        "2026-01-05 12:00",
    ]
    assert "not counted: parity: loss 2 at step 7" in torch[1]
    assert not re.search(r"\d\.\d\d", torch[1])
    assert "2026-01-03 12:00 * torch 2.12.0 → 2.13.0" in text
    assert "machine 1: a CPU, 2 cores, Linux; 4 runs" in text
    assert "machine 2: another CPU, 4 cores, Linux; 1 run. It is another machine than the first: processor:" in text
    assert "never joined" in text


def test_numbers_for_programs_have_a_line_for_each_row_and_run(bench_here: Bench, tmp_path: Path) -> None:
    lines = json.loads(bench_here("history", *names(tmp_path), "--format", "json").stdout)
    assert len(lines) == 2 * 5
    assert [line["machine"] for line in lines if line["backend"] == "jax"] == [1, 1, 1, 1, 2]
    (wrong,) = [line for line in lines if line["reason"]]
    assert (wrong["backend"], wrong["ratio"], wrong["ratio_low"]) == ("torch", None, None)
    assert all(line["ratio_low"] < line["ratio"] < line["ratio_high"] for line in lines if not line["reason"])


@pytest.mark.parametrize(
    ("ending", "begins"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF"), (".csv", b"machine,run")]
)
def test_a_picture_or_a_table_is_written_by_its_name(
    ending: str, begins: bytes, bench_here: Bench, tmp_path: Path
) -> None:
    result = bench_here("history", *names(tmp_path), "-o", f"out/h{ending}")
    assert not result.returncode, result.stderr
    assert (tmp_path / "out" / f"h{ending}").read_bytes().startswith(begins)


def test_another_precision_than_the_usual_one_is_told(bench_here: Bench, tmp_path: Path) -> None:
    double = a_row("iris_mlp", "torch", "eager", precision="float64")
    base = a_row("iris_mlp", precision="float64")
    write_run(tmp_path / "a.jsonl", a_header(base, double), right({base: {0: 0.1, 1: 0.1}, double: {0: 0.2, 1: 0.2}}))
    assert "eager float64" in bench_here("history", "a.jsonl").stdout


def test_text_of_run_files_is_no_formula_in_a_picture(bench_here: Bench, tmp_path: Path) -> None:
    for day, version in ((1, "$\\frac{"), (2, "$x^{")):
        a_day(tmp_path, day, 0.8, versions={"torch": version})
    result = bench_here("history", "day-1.jsonl", "day-2.jsonl", "-o", "h.svg")
    assert not result.returncode, result.stderr


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--baseline", "keras"], "no row of baseline 'keras'; choose from jax:scan, numpy:loop, torch:eager"),
        (["--task", "iris"], "unknown task 'iris'; choose from iris_mlp"),
        (["--backend", "numpy"], "no row is left that is ranked in a run and is not the baseline, 'numpy'; choose"),
        (["-o", "day-1.jsonl"], "day-1.jsonl is a run file that is read here"),
        (["-o", "h.xyz"], "no table can be written as .xyz"),
        (["--format", "parquet"], "parquet is not text; name a file with --out"),
    ],
)
def test_what_cannot_be_told_is_refused(arguments: list[str], fault: str, bench_here: Bench, tmp_path: Path) -> None:
    result = bench_here("history", *names(tmp_path), *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert fault in result.stderr


def test_the_same_file_twice_is_one_run(bench_here: Bench, tmp_path: Path) -> None:
    a_day(tmp_path, 1, 0.8)
    assert "; 1 run" in bench_here("history", "day-1.jsonl", "day-1.jsonl").stdout
