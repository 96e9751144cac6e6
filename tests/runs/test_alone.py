"""Two runs at once: the second is refused, whoever started the first and however it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from support import ROOT

from bench.errors import UserError
from bench.runs import alone as module
from bench.runs.alone import alone, lock_name, require_alone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that sockets hold")

HOLD = (
    "import sys, time\nfrom bench.runs.alone import alone\n"
    "with alone(sys.argv[1]): print('held', flush=True); time.sleep(60)"
)


def holder(name: str) -> subprocess.Popen[bytes]:
    """Start a process that holds a lock, and wait until it does."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, name], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"held\n"
    return process


def test_a_second_run_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    name = str(tmp_path)
    said = rf"another run is under way on this machine \(process {os.getpid()} of user {os.getuid()}: "
    with alone(name), pytest.raises(UserError, match=said):
        require_alone(name)
    require_alone(name)


def test_runs_with_other_names_go_on_side_by_side(tmp_path: Path) -> None:
    with alone(str(tmp_path)):
        require_alone(f"{tmp_path}2")
    assert lock_name({"BENCH_LOCK": "node 1"}) == "node 1"
    assert lock_name({}) == lock_name({"BENCH_LOCK": ""}) == "levelfield"


def test_a_run_that_failed_or_was_killed_holds_nothing(tmp_path: Path) -> None:
    name = str(tmp_path)
    with pytest.raises(ZeroDivisionError), alone(name):
        raise ZeroDivisionError
    process = holder(name)
    with pytest.raises(UserError, match=rf"(?s)process {process.pid} .*BENCH_LOCK"):
        require_alone(name)
    process.send_signal(signal.SIGKILL)
    process.wait()
    require_alone(name)


def test_the_lock_needs_no_folder_and_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HOME", "XDG_RUNTIME_DIR", "TMPDIR"):
        monkeypatch.setenv(variable, str(tmp_path / "nowhere"))
    with alone(str(tmp_path)), pytest.raises(UserError, match="another run"):
        require_alone(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_run_of_another_user_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = str(tmp_path)
    with alone(name):
        monkeypatch.setattr(psutil, "Process", refuse)
        child = os.fork()
        if child == 0:
            os.setuid(54321)
            os._exit(refused(name))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def refuse(pid: int) -> psutil.Process:
    raise psutil.AccessDenied(pid)


def refused(name: str) -> int:
    """Return 0 if a run is refused without a word about the other."""
    try:
        require_alone(name)
    except UserError as error:
        return 0 if "(of a process that the system does not tell of)" in str(error) else 2
    return 1


def no_socket(*_: object) -> socket.socket:
    raise PermissionError


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_where_the_system_has_no_such_lock_runs_start_all_the_same(
    platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.sys, "platform", platform)
    monkeypatch.setattr(module.socket, "socket", no_socket)
    with alone():
        require_alone()
