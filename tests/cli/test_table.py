"""`bench table`, in this process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_up_runs import mixed_run
from run_files import Bench, a_run
from support import ROOT, a_header, a_parity_result, a_record, a_row, write_run

from bench.records.schema import Inference, Steady
from bench.tasks import HEADLINE


def test_table_prints_every_format_and_reads_several_runs(bench_here: Bench, tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        a_run(tmp_path / name)
    markdown = bench_here("table", "a.jsonl", "b.jsonl")
    assert markdown.stdout.count("### thermometer_raw (") == 2
    assert markdown.stdout.count("| numpy | loop | 100 ms |") == 2
    lines = json.loads(bench_here("table", "a.jsonl", "--format", "json").stdout)
    assert lines[0]["pass_s"] > 0
    assert bench_here("table", "a.jsonl", "-o", "t.csv").returncode == 0
    assert (tmp_path / "t.csv").read_text().startswith("run,machine,task,backend")
    assert bench_here("table", "a.jsonl", "--format", "parquet").returncode == 2


def test_an_error_is_one_line_although_names_of_a_file_have_several(bench_here: Bench, tmp_path: Path) -> None:
    row = a_row("linear_fit", "two\nlines")
    write_run(tmp_path / "a.jsonl", a_header(row), [a_record(row)])
    result = bench_here("table", "a.jsonl", "--output-of", "jax")
    assert result.returncode == 2
    assert result.stderr == "error: no row is called 'jax'; the rows are: linear_fit two\\nlines loop cpu float32\n"


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
    assert (tmp_path / "T.CSV").read_text().startswith("run,machine,task,backend")
    assert not (tmp_path / "t.xlsx").exists()


def test_two_runs_in_one_file_are_refused_by_the_line(bench_here: Bench, tmp_path: Path) -> None:
    a_run(tmp_path / "a.jsonl")
    one = (tmp_path / "a.jsonl").read_bytes()
    (tmp_path / "ab.jsonl").write_bytes(one + one)
    result = bench_here("table", "ab.jsonl")
    assert result.returncode == 2
    assert f"ab.jsonl: line {len(one.splitlines()) + 1} is a second header" in result.stderr


# What is shown

REFERENCE = str(ROOT / "results" / "reference.jsonl")
GPU = str(ROOT / "results" / "gpu.jsonl")


def cells(markdown: str) -> list[list[str]]:
    """Return the rows of all tables, without their heads."""
    lines = [line.strip("| ").split(" | ") for line in markdown.splitlines() if line.startswith("| ")]
    return [line for line in lines if not set(line[0]) <= set("-: ") and line[0] not in ("backend", "task", "row")]


def test_columns_rows_and_their_order_can_be_chosen(bench_here: Bench) -> None:
    where = ("--where", "task=mnist_mlp", "--where", "backend!=tensorflow", "--where", "mode!=fit")
    result = bench_here("table", REFERENCE, "--columns", "backend,mode,memory", "--sort", "-memory", *where)
    assert result.returncode == 0
    assert cells(result.stdout)[:3] == [
        ["torch", "compile-pass", "1,059 MB"],
        ["torch", "eager", "897 MB"],
        ["torch", "dataloader", "897 MB"],
    ]
    assert {line[0] for line in cells(result.stdout)} == {"numpy", "torch", "jax", "sklearn"}
    assert "8 of 56 rows are shown (task=mnist_mlp and backend!=tensorflow and mode!=fit)" in result.stdout


def test_a_filter_changes_no_score(bench_here: Bench) -> None:
    whole = bench_here("table", REFERENCE, "--columns", "task,backend,mode,pass,ratio,verdict")
    some = bench_here(
        "table", REFERENCE, "--columns", "task,backend,mode,pass,ratio,verdict", "--where", "backend=torch"
    )
    assert len(cells(some.stdout)) == 16
    assert all(line in cells(whole.stdout) for line in cells(some.stdout))
    assert ["mnist_mlp", "torch", "compile-pass", "315 ms", "1.44 [1.38, 1.50]", "slower"] in cells(some.stdout)
    assert "**mnist_mlp**: tensorflow xla is the fastest" in some.stdout  # of all rows
    assert "ratios and verdicts are those among all rows of a task" in some.stdout
    assert "rows are shown" not in whole.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--columns", "backend,tim"), "the table has no column 'tim'; choose from task, backend, mode"),
        (("--sort", "speed"), "the table has no column 'speed'; choose from task, backend, mode"),
        (("--where", "framework"), "--where wants COLUMN=VALUE or COLUMN!=VALUE"),
        (("--where", "task=mnist"), "no row has task = 'mnist'; there are: mlp_regression, text_classifier"),
        (("--format", "terminal", "-o", "t.txt"), "the format terminal is printed and not written"),
        (("--format", "bmf", "--sort", "pass"), "bmf has a fixed form"),
        (("--format", "bmf", "same.jsonl"), "a tracker takes one number a name"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    arguments: tuple[str, ...], message: str, bench_here: Bench, tmp_path: Path
) -> None:
    (tmp_path / "same.jsonl").write_bytes(Path(REFERENCE).read_bytes())
    result = bench_here("table", REFERENCE, *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_files_for_programs_have_the_same_choice(bench_here: Bench) -> None:
    where = ("--where", "backend=numpy", "--where", "mode=loop")
    result = bench_here("table", REFERENCE, "--format", "csv", "--columns", "task,pass_s", "--sort", "pass_s", *where)
    lines = result.stdout.splitlines()
    assert lines[0] == "task,pass_s"
    assert [line.partition(",")[0] for line in lines[1:]] == [
        *("linear_fit", "mlp_regression", "text_classifier", "mnist_mlp")
    ]


def test_samples_and_inference_have_the_same_choice(bench_here: Bench, tmp_path: Path) -> None:
    samples = bench_here("table", REFERENCE, "--samples", "--where", "mode=xla", "--columns", "task,round,start_s")
    assert {line[0] for line in cells(samples.stdout)} <= set(HEADLINE)
    assert "15 of 91 samples are shown" in samples.stdout
    rows = [a_row("iris_mlp", backend) for backend in ("numpy", "jax")]
    records = [
        a_record(row, block, inference=an_inference((1 + number) * 1e-4))
        for number, row in enumerate(rows)
        for block in range(4)
    ]
    path = write_run(tmp_path / "i.jsonl", a_header(inference=True), [*records, *map(a_parity_result, rows)])
    inference = bench_here("table", str(path), "--inference", "--where", "backend!=numpy", "--sort", "-time")
    assert [line[0] for line in cells(inference.stdout)] == ["jax loop"] * 2
    assert "2 of 4 rows are shown" in inference.stdout
    bmf = json.loads(bench_here("table", str(path), "--inference", "--format", "bmf").stdout)
    assert bmf["iris_mlp numpy loop inference"]["latency"]["value"] == pytest.approx(1e5)
    assert bmf["iris_mlp jax loop inference"]["throughput"]["value"] == pytest.approx(256 / 1e-3)


def an_inference(latency_s: float) -> Inference:
    return Inference(
        calls=400, latency_median_s=latency_s, latency_s=(latency_s,) * 5, rows=256, batches=10, batch_s=(1e-3,) * 5
    )


def test_on_a_terminal_the_table_is_made_for_its_width(tmp_path: Path) -> None:
    shown = subprocess.run(
        ["script", "-qec", f"{sys.executable} -m bench table {REFERENCE} --where task=mnist_mlp", "/dev/null"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "COLUMNS": "80", "TERM": "dumb", "PYTHONPATH": str(ROOT)},
    ).stdout  # fmt: skip
    assert "| ---" not in shown
    assert "mnist_mlp: tensorflow xla is the fastest, 219 ms a pass" in shown
    assert max(len(line.rstrip("\r")) for line in shown.splitlines()) <= 80


# Trackers


def test_numbers_for_programs_are_harmless_on_a_terminal_and_as_they_are_in_a_file(
    bench_here: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, reason = a_row("thermometer_raw"), "\x1b[31mred\u202e"
    write_run(tmp_path / "a.jsonl", a_header(row), [a_record(row, status="failed", reason=reason)])
    assert reason in bench_here("table", "a.jsonl", "--format", "csv").stdout
    with monkeypatch.context() as terminal:
        terminal.setattr("sys.stdout.isatty", lambda: True)
        shown = bench_here("table", "a.jsonl", "--format", "csv").stdout
    assert "\\x1b[31mred\\u202e" in shown
    assert "\x1b" not in shown


def test_why_a_row_is_no_number_for_a_tracker_is_one_line_and_not_long(bench_here: Bench, tmp_path: Path) -> None:
    row, right = a_row("thermometer_raw"), a_row("thermometer_raw", "jax", "scan")
    failed = a_record(row, status="failed", reason="first\n::error::second" + "x" * 10_000)
    write_run(tmp_path / "a.jsonl", a_header(row, right), [failed, a_record(right), a_parity_result(right)])
    (line,) = bench_here("table", "a.jsonl", "--format", "bmf").stderr.splitlines()
    assert line.startswith("error: thermometer_raw numpy loop has no number: failed: first")
    assert len(line) < 400


@pytest.mark.parametrize("style", ["bmf", "github-action-benchmark"])
def test_a_row_that_is_wrong_is_no_number_for_a_tracker_and_fails_the_job(
    style: str, bench_here: Bench, tmp_path: Path
) -> None:
    mixed_run(tmp_path)
    result = bench_here("table", "run-0.jsonl", "--format", style, "-o", "numbers.json")
    assert result.returncode == 3
    assert "error: linear_fit wrong x has no number: wrong: parity: loss 2 at step 7" in result.stderr
    assert "gone" not in result.stderr  # not supported, so nobody expects it
    written = (tmp_path / "numbers.json").read_text()
    assert "linear_fit fast x" in written
    assert "wrong" not in written
    only = ("--where", "backend=fast")
    assert bench_here("table", "run-0.jsonl", "--format", style, *only).returncode == 0


def test_a_row_that_failed_is_named_with_its_reason(bench_here: Bench) -> None:
    result = bench_here("table", GPU, "--format", "bmf")
    assert result.returncode == 1
    failed, unfair = sorted(result.stderr.splitlines(), key=lambda line: "unfair" in line)
    assert "torch compile-pass has no number: failed: UncapturedHigherOrderOpError: " in failed
    assert "torch compile-pass gpu has no number: unfair: processes that it has started used 15%" in unfair
    assert "mnist_mlp:epochs=2 torch eager gpu" in json.loads(result.stdout)


def test_a_row_that_is_unfair_is_no_number_either(bench_here: Bench, tmp_path: Path) -> None:
    row = a_row("linear_fit")
    busy = {"steady": Steady(window_s=1.0, cpu_s=8.0, vanished_cpu_s=0.0, waited_s=9.0)}
    fair = a_row("linear_fit", "jax", "jit")
    lines = [a_record(row, timing=busy), a_record(fair), a_parity_result(row), a_parity_result(fair)]
    write_run(tmp_path / "a.jsonl", a_header(), lines)
    result = bench_here("table", "a.jsonl", "--format", "bmf")
    assert result.returncode == 5
    assert "error: linear_fit numpy loop has no number: unfair: " in result.stderr
    assert list(json.loads(result.stdout)) == ["linear_fit jax jit"]
