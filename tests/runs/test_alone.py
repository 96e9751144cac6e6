"""Two runs at once: the second is refused, whoever started the first and however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

from bench.errors import UserError
from bench.runs.alone import alone, require_alone

HOLD = (
    "import sys, time; from pathlib import Path; from bench.runs.alone import alone\n"
    "with alone(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
)


def test_a_second_run_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "new" / "run.lock"
    with alone(path), pytest.raises(UserError, match=rf"another run is under way .*\(process {os.getpid()}: bench"):
        require_alone(path)
    require_alone(path)


def test_a_run_that_failed_or_was_killed_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    with pytest.raises(ZeroDivisionError), alone(path):
        raise ZeroDivisionError
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"held\n"
    with pytest.raises(UserError, match=f"process {process.pid}"):
        require_alone(path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    require_alone(path)


def test_where_no_file_can_be_locked_runs_start_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "run.lock"
    with alone(path):
        require_alone(path)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
