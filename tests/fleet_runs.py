"""Real runs on clusters of Dask: starting a client, looking into its folder, comparing with a run without a cluster."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from support import as_in_a_new_shell, run_bench

from bench.records.runfile import Run, read_run
from bench.records.sources import run_files

TASKS = ("linear_fit", "line_fit", "thermometer_raw")
ROWS = ("--backend", "numpy", "--backend", "misbehaving", "--mode", "loop", "--mode", "right", "--schedule-seed", "5")
CHOICE = (*ROWS, "--workers", "2")  # for tests that look at what happens between rounds
ONE_ROUND = (*ROWS, "--workers", "1", "--no-inference")  # half the time
ENVIRONMENT = as_in_a_new_shell(COLUMNS="200")
WAIT_S = 180


def until(true: Callable[[], Any], what: str, process: subprocess.Popen[str] | None = None) -> Any:
    """Wait until something is true while a process runs; return it."""
    deadline_s = time.monotonic() + WAIT_S
    while not (found := true()):
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline_s, f"waited in vain for {what}"
        time.sleep(0.1)
    return found


@contextmanager
def client(folder: Path, *words: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start `bench run` with these words; kill it at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench", "run", *words],
        cwd=folder,
        env={**ENVIRONMENT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def units(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return the processes that measure a unit among those that these have started."""
    found = [child for process in processes for child in process.children(recursive=True)]
    return [each for each in found if each.is_running() and "bench.fleet.at_unit" in each.cmdline()]


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def runs_in(folder: Path) -> list[Run]:
    return [read_run(path) for path in run_files([folder])]


def assert_same_as_plain(folder: Path, plain: Path) -> None:
    """The run files in a folder have what an ordinary run has, once, and each task on one host."""
    runs, one = runs_in(folder), read_run(plain)
    records = [record for run in runs for record in run.records]
    jobs = [(record.job.row, record.job.block) for record in records]
    assert len(jobs) == len(set(jobs))
    assert sorted(jobs) == sorted((record.job.row, record.job.block) for record in one.records)
    losses = {record.job.row: record.quality.losses for record in records if record.job.block == 0 and record.quality}
    assert losses == one.records.first_losses()
    assert [row for run in runs for row in run.header.rows] == list(one.header.rows)
    for run in runs:
        assert len({row.task for row in run.header.rows}) == 1
        assert len(run.header.rows) == 2
        assert all(result.agrees for result in run.parity.values())


def plain_run(folder: Path, *choice: str, tasks: tuple[str, ...] = TASKS) -> Path:
    """Return the run file of the same run without a cluster."""
    result = run_bench("run", *tasks, *choice, "--out", "plain.jsonl", cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder / "plain.jsonl"
