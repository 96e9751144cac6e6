"""The command line in this process, which takes no second to start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from run_files import Bench
from support import FAKES, as_in_a_new_shell, entries_in

from backends.registry import BACKENDS
from bench.cli.app import exit_code


@pytest.fixture
def bench_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bench:
    """Return what runs `bench` in an empty folder, and gives back what it printed and its exit code."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["bench", *arguments])
        return subprocess.CompletedProcess(sys.argv, exit_code(), *capsys.readouterr())  # type: ignore[arg-type]

    monkeypatch.chdir(tmp_path)
    return run


@pytest.fixture
def run_here(bench_here: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return the same with the environment and the backends that `run_bench` has: for commands that start workers."""
    environment = as_in_a_new_shell(COLUMNS="200")
    for name in os.environ.keys() - environment.keys():
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name, entry in entries_in(FAKES).items():
        monkeypatch.setitem(BACKENDS, name, entry)
    return bench_here
