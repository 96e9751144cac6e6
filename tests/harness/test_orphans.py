"""That whatever a worker has started ends with it, and the worker with its parent, stopped or busy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from harness.orphans import PATH, DaemonRequest, HelperRequest, a_worker

from bench.harness.protocol import Done, Failure
from bench.machine.leftovers import Leftover, leftovers

NO_SESSION = -1
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the signals of pipes are Linux's")


def left(mark: str) -> tuple[Leftover, ...]:
    """Wait as long as it may take on a busy machine; return what is still there."""
    deadline = time.monotonic() + 30
    while (found := leftovers(NO_SESSION, mark)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def count(mark: str, expected: int) -> int:
    """Wait until there are so many with a mark; return how many there are.

    A process that has just been started has no environment for a moment.
    """
    deadline = time.monotonic() + 30
    while (found := len(leftovers(NO_SESSION, mark))) != expected and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


@pytest.mark.parametrize("state", ["stopped", "busy"])
def test_a_worker_and_its_helper_end_when_their_parent_is_killed(state: str, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from harness.orphans import main; main()", str(tmp_path), state],
        env={**os.environ, "PYTHONPATH": PATH}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout:
        mark = process.stdout.readline().strip()
    assert count(mark, 2) == 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert left(mark) == ()


def test_a_process_that_left_the_group_ends_with_the_worker_too(tmp_path: Path) -> None:
    with a_worker(tmp_path) as worker:
        assert worker.run(DaemonRequest(), 60) == Done()
        assert worker.child is not None
        mark = worker.child.mark
        assert count(mark, 2) == 2
    assert left(mark) == ()


@pytest.mark.parametrize("killed", [False, True])
def test_one_that_has_also_cleared_its_environment_ends_with_the_worker_and_is_told(
    killed: bool, tmp_path: Path
) -> None:
    with a_worker(tmp_path) as worker:
        assert worker.run(DaemonRequest(cleared=True), 60) == Done()
        assert worker.child is not None
        (daemon,) = psutil.Process(worker.child.process.pid).children()  # its own parent has ended
        assert len(leftovers(NO_SESSION, worker.child.mark)) == 1  # the worker: nothing else has the mark
        if killed:
            worker.child.kill()
    assert not daemon.is_running() or daemon.status() == psutil.STATUS_ZOMBIE  # until the system's first process looks
    assert killed or [command.split()[1] for command in worker.left] == ["-c"]


def test_where_memory_runs_out_the_system_ends_a_worker_before_others(tmp_path: Path) -> None:
    with a_worker(tmp_path) as worker:
        reply = worker.run(HelperRequest(), 60)
    assert not isinstance(reply, Failure), reply.reason
    assert reply.note == "1000"
