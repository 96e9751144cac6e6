"""The command line in this process, which takes no second to start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from run_files import Bench

from bench.cli.app import main


@pytest.fixture
def bench_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bench:
    """Return what runs `bench` in an empty folder, and gives back what it printed and its exit code."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["bench", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return subprocess.CompletedProcess(sys.argv, ended.value.code, *capsys.readouterr())  # type: ignore[arg-type]

    monkeypatch.chdir(tmp_path)
    return run
