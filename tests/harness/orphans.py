"""Requests to a worker that start other processes; imported by the worker, and by a parent that is to be killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.harness.process import Worker, worker_environment
from bench.harness.protocol import Done, Request
from bench.harness.workbench import Workbench
from bench.machine.host import usable_cores

TESTS = Path(__file__).resolve().parents[1]
PATH = os.pathsep.join(map(str, (TESTS.parent, TESTS)))
DAEMON = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(600)\n"


class HelperRequest(Request[Done], frozen=True, kw_only=True):
    """A request to start a helper in the process group, and to tell how soon the system ends this process."""

    def answer(self, workbench: Workbench) -> Done:
        """Do so."""
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        return Done(note=Path("/proc/self/oom_score_adj").read_text().strip())


class DaemonRequest(Request[Done], frozen=True, kw_only=True):
    """A request to start a process in a session of its own, whose parent has ended."""

    cleared: bool = False  # whether it has no environment

    def answer(self, workbench: Workbench) -> Done:
        """Do so."""
        subprocess.run([sys.executable, "-c", DAEMON], env={} if self.cleared else None, check=True)
        return Done()


class BusyRequest(Request[Done], frozen=True, kw_only=True):
    """A request that takes minutes."""

    def answer(self, workbench: Workbench) -> Done:
        """Take them."""
        time.sleep(600)
        return Done()


@contextmanager
def a_worker(folder: Path) -> Iterator[Worker]:
    """Return a worker that finds these requests."""
    environment = {**worker_environment(os.environ, 1, folder), "PYTHONPATH": PATH}
    with Worker(cores=usable_cores()[:1], environment=environment) as worker:
        yield worker


def main() -> None:
    """Have a worker with a helper, print its mark, and let it be stopped or busy for minutes."""
    with a_worker(Path(sys.argv[1])) as worker:
        worker.run(HelperRequest(), 60)
        assert worker.child is not None
        print(worker.child.mark, flush=True)
        if sys.argv[2] == "stopped":
            worker.pause()
            time.sleep(600)
        worker.run(BusyRequest(), 600)
