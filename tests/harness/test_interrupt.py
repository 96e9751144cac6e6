"""That nothing is left running when the parent is told to stop."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support import as_in_a_new_shell

from bench.records.runfile import read_run


def start_hanging(command: tuple[str, ...], tmp_path: Path, *modes: str) -> subprocess.Popen[str]:
    """Start a command on a backend that hangs, and return once it does."""
    chosen = [part for mode in modes for part in ("--mode", mode)]
    hangs = tmp_path / "hangs"
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", *command, "thermometer_raw", "--backend", "misbehaving", *chosen],
        cwd=tmp_path,
        env=as_in_a_new_shell(TELLS_THAT_IT_HANGS=str(hangs)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not hangs.exists():
        time.sleep(0.05)
    assert hangs.exists()
    return process


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


RUN, PARITY = ("run", "--out", "run.jsonl"), ("parity",)


@pytest.mark.parametrize(
    ("name", "command"),
    # A run has the other two below.
    [("SIGHUP", RUN), ("SIGINT", PARITY), ("SIGTERM", PARITY), ("SIGHUP", PARITY)],
    ids=lambda each: each if isinstance(each, str) else each[0],
)
def test_a_signal_ends_the_command_and_its_workers(name: str, command: tuple[str, ...], tmp_path: Path) -> None:
    process = start_hanging(command, tmp_path, "hangs")
    workers = workers_of(process)
    assert workers
    process.send_signal(signal.Signals[name])
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert not alive
    if command[0] == "run":
        assert read_run(tmp_path / "run.jsonl").header.rows


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_in_a_turn_ends_the_stopped_workers_too(name: str, tmp_path: Path) -> None:
    process = start_hanging(RUN, tmp_path, "right", "talks", "hangs_in_turn")
    deadline = time.monotonic() + 10  # the system stops processes in its own time
    while time.monotonic() < deadline and len(stopped_workers_of(process)) < 2:
        time.sleep(0.05)
    workers = workers_of(process)
    assert len(stopped_workers_of(process)) == 2
    process.send_signal(signal.Signals[name])
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert not psutil.wait_procs(workers, timeout=5)[1]
    assert read_run(tmp_path / "run.jsonl").header.rows


def stopped_workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return [worker for worker in workers_of(process) if worker.status() == psutil.STATUS_STOPPED]
