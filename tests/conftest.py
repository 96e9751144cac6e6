"""Fixtures of several tests, and which of them stay in one process where there are several."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from run_files import Bench
from sharing import ALL_CORES, group_of, on_all_cores, share_of
from support import FAKES, Tracer, as_in_a_new_shell, entries_in
from threadpoolctl import threadpool_limits

from backends.registry import BACKENDS
from bench.harness.scratch import link_precompiled_headers

# Threads that wait leave the core to others. By default they keep it busy for a while, and two processes of tests with
# two threads each took five times as long on two cores as one of them alone.
WITHOUT_SPINNING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "OPENBLAS_THREAD_TIMEOUT": "4"}


OF_XDIST = ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID")


def pytest_configure() -> None:
    """Set the environment of what a test starts, and give each of several processes of tests its share of the cores.

    On cores of their own, what two tests start does not wait for each other: a command with a thread for each of two
    cores took half as long again beside another one as it takes on one core.

    The environment hides that pytest has several processes, because pytest-benchmark would time nothing there.

    NumPy has one thread in the processes of the tests themselves. It was loaded before these have their cores, with a
    thread for each core of the machine; beside other processes, two such threads took four times the CPU time of one.
    """
    threadpool_limits(1)
    os.environ.update(WITHOUT_SPINNING)
    worker, count, _ = (os.environ.pop(name, "") for name in OF_XDIST)
    if worker and (own := share_of(ALL_CORES, int(worker.removeprefix("gw")), int(count))):
        os.sched_setaffinity(0, own)
    # One run at a time holds for the machine; the processes of the tests start runs beside each other.
    os.environ["BENCH_LOCK"] = f"tests of process {os.getpid()}"


@pytest.fixture
def all_cores() -> Iterator[None]:
    """Let what the test starts use all cores, as it would for a user."""
    with on_all_cores():
        yield


@pytest.fixture
def bench_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bench:
    """Return what runs `bench` in this process, which takes no second to start, and in an empty folder.

    It gives back what was printed and the exit code.
    """
    from bench.cli.app import exit_code  # most tests need no command line

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


@pytest.fixture(scope="session", autouse=True)
def nothing_ignored() -> Iterator[None]:
    """Let processes start with the usual handlers, also where nohup ignores SIGHUP, and a shell's `&` SIGINT."""
    usual = {signal.SIGHUP: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def compile_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where compiled code is kept for the whole session, whose processes share it."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if own.name.startswith("popen-") else own) / "compiled"
    folder.mkdir(exist_ok=True)
    link_precompiled_headers(folder, Path(tempfile.gettempdir()))
    return folder


@pytest.fixture(scope="session")
def tracer(tmp_path_factory: pytest.TempPathFactory, compile_cache: Path) -> Iterator[Tracer]:
    """Compute traces in worker processes that live as long as the session."""
    tracer = Tracer(tmp_path_factory.mktemp("traces"), compile_cache)
    yield tracer
    tracer.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked `exhaustive` unless it is asked for by that name."""
    if "exhaustive" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("exhaustive")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Share the tests out by groups, the largest first."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return Groups(config, log)
