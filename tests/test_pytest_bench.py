"""The front door `pytest bench`, and that pytest-benchmark's own tools read what it writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import FAKES, ROOT

from bench.store import read_run


def pytest_bench(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(FAKES))), "COLUMNS": "160"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        str(ROOT / "bench"),
        "-c",
        str(ROOT / "pyproject.toml"),
        "-p",
        "no:cacheprovider",
    ]
    return subprocess.run(
        [*command, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Run four rows through the front door: two good ones, one with wrong numbers, one that cannot run."""
    folder = tmp_path_factory.mktemp("front-door")
    chosen = "thermometer_raw and (numpy or misbehaving-right or too_fast or unsupported)"
    return folder, pytest_bench("-k", chosen, "--benchmark-json", "b.json", cwd=folder)


def test_rows_pass_fail_and_skip_for_what_they_are(measured: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, result = measured
    assert "2 passed" in result.stdout, result.stdout + result.stderr
    assert "1 failed" in result.stdout
    assert "1 skipped" in result.stdout
    assert "RowFailed: parity: gradient of the first batch" in result.stdout


def test_the_files_rounds_are_the_processes_of_the_run_file(
    measured: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = measured
    (path,) = (folder / "results").glob("run-*.jsonl")
    records = [record for record in read_run(path).records if record.job.row.backend == "numpy"]
    benchmarks = json.loads((folder / "b.json").read_text())["benchmarks"]
    assert len(benchmarks) == 2  # the row with wrong numbers is in no file
    (line,) = (line for line in benchmarks if line["params"]["backend"] == "numpy")
    steady_s = [sorted(record.timing.steady_s) for record in records]
    medians_s = [(each[(len(each) - 1) // 2] + each[len(each) // 2]) / 2 for each in steady_s]
    assert line["stats"]["data"] == pytest.approx(medians_s)
    assert line["options"]["timer"] == "virtual_clock"
    assert line["extra_info"]["agrees"] is True
    assert line["extra_info"]["passes_s"] == [list(record.timing.passes_s) for record in records]
    assert "UNSERIALIZABLE" not in (folder / "b.json").read_text()


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
