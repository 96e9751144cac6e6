"""What the command line refuses, in this process: one clear line, an exit code, and no file touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_files import Bench, a_run
from support import a_header, a_row, run_bench, write_run

FAST = ("thermometer_raw", "--backend", "numpy", "--workers", "1")
AB = ("ab", "line_fit", "--backend", "numpy", "--old", "nowhere", "--new", "nowhere")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "mnist"), "error: unknown task 'mnist'; choose from iris_mlp, "),
        (("run", "--backend", "jx"), "error: unknown backend 'jx'; choose from "),
        (
            ("run", "--backend", "torch", "--mode", "scan"),
            "error: unknown mode 'scan'; choose from compile, compile-pass, dataloader, eager",
        ),
        (("run", "line_fit", "--set", "rate=1"), "error: line_fit has no setting 'rate'; choose from data.formula"),
        (("run", "line_fit", "--set", "epochs=many"), "epochs cannot be 'many'; it takes a whole number"),
        (("run", "line_fit", "--epochs", "-3"), "epochs cannot be -3; it takes a whole number of at least 1"),
        (("run", "line_fit", "--set", "epochs"), "--set wants KEY=VALUE, got 'epochs'"),
        (("run", "line_fit", "--threads", "4096"), "4096 threads on "),
        (("run", "line_fit", "--out", "file/run.jsonl"), "error: cannot write file/run.jsonl: "),
        (
            ("run", "line_fit", "--resume", "file"),
            "error: --resume continues a run with its original options; got TASK",
        ),
        (("run", "--resume", "file"), "error: file is not a run file: line 1"),
        (("table", "file"), "error: file is not a run file: line 1"),
        (("table", "nowhere.jsonl"), "error: cannot read nowhere.jsonl: No such file or directory"),
        (("parity", "lines"), "error: unknown task 'lines'"),
        (("data", "cifar"), "error: unknown data 'cifar'; choose from 20newsgroups, mnist"),
        (("run", "--device", "tpu"), "'tpu' is not one of"),
        (("run", "line_fit", "--detect", "five"), "error: --detect wants a percentage above 0, such as 5%; got 'five'"),
        (("run", "line_fit", "--detect", "0%"), "error: --detect wants a percentage above 0, such as 5%; got '0%'"),
        (("run", "line_fit", "--detect=-5%"), "error: --detect wants a percentage above 0, such as 5%; got '-5%'"),
        (("run", "line_fit", "--detect", ""), "error: --detect wants a percentage above 0, such as 5%; got ''"),
        (("run", "line_fit", "--minutes", "soon"), "Invalid value for '--minutes'"),
        (("run", "line_fit", "--minutes=-1"), "Invalid value for '--minutes'"),
        (("run", "line_fit", "--minutes", "inf"), "Invalid value for '--minutes'"),  # no JSON knows it
        (("run", "line_fit", "--minutes", "nan"), "Invalid value for '--minutes': nan is not a number"),
        (("run", "line_fit", "--time-limit", "nan"), "Invalid value for '--time-limit': nan is not a number"),
        (("selftest", "--minutes", "nan"), "Invalid value for '--minutes': nan is not a number"),
        (("run", "line_fit", "--schedule-seed=-1"), "Invalid value for '--schedule-seed'"),
        (("run", "line_fit", "--workers", "0"), "Invalid value for '--workers'"),
        (("compare", "file", "file"), "error: file is not a run file: line 1"),
        (("compare", "nowhere.jsonl", "file"), "error: cannot read nowhere.jsonl: No such file or directory"),
        (("compare", "file", "file", "--allow", "code"), "error: unknown kind of difference 'code'; choose from "),
        # Before the two versions are looked for: there is nothing at these places.
        ((*AB, "--junit", "a.txt"), "error: JUnit XML cannot be written as .txt (a.txt); use .xml"),
        ((*AB, "--junit", "a.xml", "--out", "./a.xml"), "error: --junit and --out name the same file: a.xml"),
        (("doctor", "--threads", "4096"), "4096 threads on "),
        (("fly",), "No such command 'fly'"),
    ],
)
def test_bad_input_gets_one_clear_line_and_exit_code_2(
    arguments: tuple[str, ...], says: str, bench_here: Bench, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a run\n")
    result = bench_here(*arguments)
    assert result.returncode == 2
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    if result.stderr.startswith("error:"):
        assert result.stderr.count("\n") == 1


def test_a_file_of_another_run_is_not_overwritten(bench_here: Bench, tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").write_text("precious")
    result = bench_here("run", *FAST, "--out", "run.jsonl")
    assert result.returncode == 2
    assert "run.jsonl exists already" in result.stderr
    assert (tmp_path / "run.jsonl").read_text() == "precious"


@pytest.mark.parametrize(
    "choice",
    [
        *(("--quick",), ("--device", "cpu"), ("--epochs", "0"), ("line_fit",)),
        *(("--workers", "3"), ("--detect", "5%"), ("--schedule-seed", "1")),
    ],
)
def test_choices_beside_resume_are_refused(choice: tuple[str, ...], bench_here: Bench) -> None:
    result = bench_here("run", "--resume", "r.jsonl", *choice)
    assert result.returncode == 2
    refused = choice[0] if choice[0].startswith("--") else "TASK"
    assert result.stderr == (
        f"error: --resume continues a run with its original options; got {refused} beside it. "
        "Only --threads, --data-dir, --time-limit, --minutes, --baseline, --rank, --quiet and --json may be added\n"
    )


def test_a_run_of_a_backend_that_is_gone_is_not_gone_on_with(bench_here: Bench, tmp_path: Path) -> None:
    gone = a_row("thermometer_raw", "misbehaving", "raises")
    write_run(tmp_path / "r.jsonl", a_header(gone))
    result = bench_here("run", "--resume", "r.jsonl")
    assert result.returncode == 2
    assert "unknown backend 'misbehaving'" in result.stderr


def test_an_unknown_kind_of_source_is_refused_before_a_run_file_is_made(
    bench_here: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_DATA_SOURCES", "ftp")
    result = bench_here("run", *FAST, "--out", "r.jsonl")
    assert result.returncode == 2
    assert "unknown kind of source 'ftp'" in result.stderr
    assert not (tmp_path / "r.jsonl").exists()


def test_a_run_of_another_machine_is_not_gone_on_with(bench_here: Bench, tmp_path: Path) -> None:
    a_run(tmp_path / "a.jsonl")
    content = (tmp_path / "a.jsonl").read_bytes()
    result = bench_here("run", "--resume", "a.jsonl")
    assert result.returncode == 5
    assert result.stderr.startswith("error: a.jsonl was begun under other conditions: system: Linux then, ")
    assert "; processor: a CPU then, " in result.stderr
    assert result.stderr.endswith("; begin a new run\n")
    assert (tmp_path / "a.jsonl").read_bytes() == content


def test_a_baseline_that_is_not_there_is_refused(bench_here: Bench, tmp_path: Path) -> None:
    a_run(tmp_path / "a.jsonl")
    result = bench_here("table", "a.jsonl", "--baseline", "torch")
    assert result.returncode == 2
    assert result.stderr == "error: no row of baseline 'torch'; choose from numpy:loop\n"
    assert result.stdout == ""


@pytest.mark.parametrize("arguments", [("run", "mnist"), ("run", "--device", "tpu")])
def test_a_process_of_its_own_refuses_with_2_and_without_a_traceback(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    result = run_bench(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_names_of_files_that_are_no_text_or_commands_end_as_others_do(bench_here: Bench, tmp_path: Path) -> None:
    a_run(tmp_path / "a.jsonl")
    for name in ("no\udcfftext.jsonl", "evil\x1b[31m.jsonl"):
        result = bench_here("table", name)
        assert result.returncode == 2
        assert result.stderr.startswith("error: cannot read ")
        assert result.stderr.count("\n") == 1
        assert "\x1b" not in result.stderr
    result = bench_here("table", "a.jsonl", "--out", f"{'x' * 300}.csv")
    assert result.returncode == 2
    assert result.stderr == f"error: cannot use {'x' * 300}.csv: File name too long\n"


@pytest.mark.parametrize("name", ["run.csv", "run.JSON", "run.jsonl.gz", "run.zip"])
def test_a_run_file_whose_name_promises_something_else_is_refused(name: str, tmp_path: Path) -> None:
    result = run_bench("run", "linear_fit", "--backend", "numpy", "--workers", "1", "--out", name, cwd=tmp_path)
    assert result.returncode == 2
    ending = Path(name).suffix
    assert f"a run file is JSON Lines, so its name cannot end in {ending}; name it run.jsonl\n" in result.stderr
    assert not (tmp_path / name).exists()
