"""The front door `pytest bench`, and that pytest-benchmark's own tools read what it writes."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT, as_in_a_new_shell

from bench.analysis.frame import summary_frame
from bench.analysis.summary import summarise
from bench.analysis.turns import typical_pass_s
from bench.records.runfile import Run, read_run
from bench.records.schema import Goal

# Only the plugins that our files know: what else happens to be installed takes as long to load as the rest of pytest.
OUR_PLUGINS = ("-p", "pytest_benchmark.plugin", "-p", "xdist.plugin")


def pytest_bench(*arguments: str, cwd: Path, every_plugin: bool = False) -> subprocess.CompletedProcess[str]:
    environment = as_in_a_new_shell(COLUMNS="160", **({} if every_plugin else {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}))
    command = [
        sys.executable,
        "-m",
        "pytest",
        str(ROOT / "bench"),
        "-c",
        str(ROOT / "pyproject.toml"),
        "-p",
        "no:cacheprovider",
        *(() if every_plugin else OUR_PLUGINS),
    ]
    return subprocess.run(
        [*command, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Run rows through the front door: two good ones, one wrong, one whose times mislead, one that cannot run."""
    folder = tmp_path_factory.mktemp("front-door")
    chosen = "thermometer_raw and (numpy or misbehaving-right or too_fast or unfinished or unsupported)"
    options = ("--workers", "2", "--benchmark-json", "b.json")
    return folder, pytest_bench("-k", chosen, *options, cwd=folder, every_plugin=True)


def run_in(folder: Path) -> Run:
    (path,) = (folder / "results").glob("run-*.jsonl")
    return read_run(path)


def test_rows_pass_fail_and_skip_for_what_they_are(measured: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, result = measured
    assert "2 passed" in result.stdout, result.stdout + result.stderr
    assert "2 failed" in result.stdout
    assert "1 skipped" in result.stdout
    assert "RowFailed: not ranked: parity: gradient (float64): " in result.stdout
    assert "RowFailed: not ranked: does not wait: " in result.stdout


def test_the_files_rounds_are_the_processes_of_the_run_file(
    measured: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = measured
    records = [record for record in run_in(folder).records if record.job.row.backend == "numpy"]
    benchmarks = json.loads((folder / "b.json").read_text())["benchmarks"]
    assert len(benchmarks) == 2  # the row with wrong numbers and the one that does not wait are in no file
    (line,) = (line for line in benchmarks if line["params"]["backend"] == "numpy")
    assert line["stats"]["data"] == pytest.approx([typical_pass_s(record.timing) for record in records])
    assert line["stats"]["rounds"] == 2
    assert line["options"]["timer"] == "virtual_clock"
    assert line["extra_info"]["agrees"] is True
    assert line["extra_info"]["rounds"] == [0, 1]
    assert line["extra_info"]["passes_s"] == [list(record.timing.passes_s) for record in records]
    assert "UNSERIALIZABLE" not in (folder / "b.json").read_text()


def test_the_file_says_what_the_table_of_the_run_says(
    measured: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = measured
    table = summary_frame(summarise([run_in(folder)])).set_index("mode")
    for line in json.loads((folder / "b.json").read_text())["benchmarks"]:
        info, row = line["extra_info"], table.loc[line["params"]["mode"]]
        assert (info["ratio"], info["cores_busy"]) == pytest.approx((row["ratio"], row["cores_busy"]))
        assert (info["fastest"], info["verdict"], info["flags"]) == (row["fastest"], row["verdict"], row["flags"])
        if math.isnan(row["ratio_low"]):
            assert info["ratio_low"] is None
        else:
            assert info["ratio_low"] == pytest.approx(row["ratio_low"])


MODES = ("loop", "right", "too_fast", "unfinished")


def test_as_many_processes_a_row_run_as_were_asked_for_in_blocks(
    measured: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    run = run_in(measured[0])
    assert run.header.goal.workers == 2
    good = [(record.job.block, record.job.row.mode) for record in run.records if record.status == "ok"]
    assert sorted(good) == [(block, mode) for block in (0, 1) for mode in MODES]
    assert [(block.task, block.block) for block in run.blocks] == [("thermometer_raw", 0), ("thermometer_raw", 1)]


ONE = ("-k", "thermometer_raw and numpy")


def test_without_a_number_of_processes_blocks_go_on_until_time_is_up(tmp_path: Path) -> None:
    result = pytest_bench(*ONE, "--detect", "10%", "--minutes", "0", cwd=tmp_path)
    assert "1 passed" in result.stdout, result.stdout + result.stderr
    run = run_in(tmp_path)
    assert run.header.goal == Goal(workers=None, effect=0.1, time_s=0.0)
    assert [record.job.block for record in run.records] == [0]  # one block there always is


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--detect", "five"), "argument --detect: --detect wants a percentage above 0, such as 5%; got 'five'"),
        (("--detect", "0"), "argument --detect: --detect wants a percentage above 0, such as 5%; got '0'"),
        (("--workers", "two"), "argument --workers: invalid"),
        (("--minutes", "long"), "argument --minutes: invalid"),
    ],
)
def test_a_bad_value_is_refused_before_anything_runs(options: tuple[str, ...], says: str, tmp_path: Path) -> None:
    result = pytest_bench(*ONE, *options, cwd=tmp_path)
    assert result.returncode == 4
    assert says in result.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("several", [("-n", "2"), ("-d", "--tx", "2*popen"), ("--dist", "each", "--tx", "popen")])
def test_several_processes_of_pytest_are_refused_before_anything_runs(several: tuple[str, ...], tmp_path: Path) -> None:
    result = pytest_bench(*several, "-k", "thermometer_raw and numpy", cwd=tmp_path)
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert "one run; leave out -n, -d and --dist of pytest-xdist" in result.stderr
    assert not (tmp_path / "results").exists()


def test_with_benchmarks_disabled_each_row_is_trained_once(tmp_path: Path) -> None:
    result = pytest_bench("-k", "thermometer_raw and numpy", "--benchmark-disable", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 passed" in result.stdout
    run = run_in(tmp_path)
    assert (run.header.goal.workers, run.header.followed) == (1, False)
    assert [record.status for record in run.records] == ["ok"]


def test_what_does_not_fit_into_memory_is_a_usage_error_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "small_memory.py").write_text(
        "from bench.runs import session\nsession.free_memory_bytes = lambda: 2**20\n"
    )
    result = pytest_bench(*ONE, "-o", f"pythonpath={tmp_path}", "-p", "small_memory", cwd=tmp_path)
    assert result.returncode == 4, result.stdout + result.stderr
    assert "error: thermometer_raw does not fit: it needs up to " in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert not (tmp_path / "results").exists()


def test_stock_pytest_benchmark_compare_reads_the_file(
    measured: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = measured
    result = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "compare", "b.json"],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "test_training[thermometer_raw-numpy-loop-cpu]" in result.stdout


def test_headline_tasks_are_selected_where_nothing_is(tmp_path: Path) -> None:
    listed = pytest_bench("--collect-only", "-q", cwd=tmp_path).stdout
    assert "test_training[mnist_mlp-torch-eager-cpu]" in listed
    assert "test_training[iris_mlp-numpy-loop-cpu]" not in listed
    listed = pytest_bench("--collect-only", "-q", "-k", "iris_mlp and jax", cwd=tmp_path).stdout
    assert "test_training[iris_mlp-jax-scan-cpu]" in listed
