"""Runs on real clusters of Dask on this machine: workers are killed, clients are killed, hosts differ."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from fleet_runs import (
    CHOICE,
    ENVIRONMENT,
    ONE_ROUND,
    TASKS,
    WAIT_S,
    assert_same_as_plain,
    client,
    lines,
    plain_run,
    runs_in,
    units,
    until,
)
from run_files import Bench

from bench.fleet.dask_hosts import DaskHosts
from bench.fleet.hosts import Unreachable


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run file of the same run without a cluster."""
    return plain_run(tmp_path_factory.mktemp("plain"), *CHOICE)


@pytest.mark.slow
def test_a_worker_of_three_is_killed_midway_and_the_results_are_complete(tmp_path: Path) -> None:
    tasks = TASKS[:2]  # the first one is whole when the second one is lost
    plain, folder = plain_run(tmp_path, *ONE_ROUND, tasks=tasks), tmp_path / "run"
    with client(tmp_path, *tasks, *ONE_ROUND, "--cluster", "local:3", "--out", "run") as process:
        until(lambda: lines(folder / "02-line_fit.jsonl.part") > 1, "lines of the second unit", process)
        (unit,) = units([psutil.Process(process.pid)])
        worker = unit.parent()
        assert worker is not None
        worker.kill()
        output, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, errors
    assert_same_as_plain(folder, plain)
    assert "is lost; 02-line_fit begins anew" in errors
    assert [bool(run.header.instead_of) for run in runs_in(folder)] == [False, True]
    assert lines(folder / "02-line_fit.jsonl.lost") > 1
    assert "run files: run (2 of 2 units)" in output
    assert not psutil.pid_exists(unit.pid)


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """Start a scheduler; return its address."""
    file = tmp_path / "scheduler.json"
    command = ("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    with dask(*command, "--scheduler-file", str(file)):
        until(file.exists, "the scheduler")
        yield json.loads(file.read_text())["address"]


@contextmanager
def dask(*command: str, **environment: str) -> Iterator[psutil.Process]:
    """Start a program of Dask; kill it and what it has started at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        env={**ENVIRONMENT, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        everyone = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        for each in everyone:
            if each.is_running():
                each.kill()
        psutil.wait_procs(everyone, timeout=30)


def worker(address: str, **environment: str) -> Any:
    return dask("distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard", **environment)


@pytest.mark.slow
@pytest.mark.exhaustive
def test_a_client_that_is_killed_goes_on_and_a_host_that_differs_is_left_out(
    tmp_path: Path, plain: Path, scheduler: str
) -> None:
    folder, second = tmp_path / "run", tmp_path / "run" / "02-line_fit.jsonl.part"
    with worker(scheduler) as host, worker(scheduler, BENCH_HOST="odd", OMP_PLACES="cores"):
        with client(tmp_path, *TASKS, *CHOICE, "--cluster", scheduler, "--out", "run") as process:
            until(lambda: lines(second) > 1, "lines of the second unit", process)
            process.send_signal(signal.SIGKILL)
            process.wait()
        had = second.read_bytes()
        (unit,) = units([host])
        with client(tmp_path, "--cluster", scheduler, "--resume", "run") as process:
            _, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, errors
    assert "02-line_fit still runs on" in errors
    assert "01-linear_fit" not in errors
    assert "left out: odd: variable OMP_PLACES: none here, cores there" in errors
    assert_same_as_plain(folder, plain)
    assert (folder / "02-line_fit.jsonl").read_bytes().startswith(had)
    assert not list(folder.glob("*.lost"))
    assert not psutil.pid_exists(unit.pid)


@pytest.mark.slow
@pytest.mark.exhaustive
def test_client_and_worker_are_killed_and_another_worker_of_the_machine_goes_on(
    tmp_path: Path, plain: Path, scheduler: str
) -> None:
    folder, part = tmp_path / "run", tmp_path / "run" / "01-linear_fit.jsonl.part"
    with worker(scheduler), client(tmp_path, *TASKS, *CHOICE, "--cluster", scheduler, "--out", "run") as process:
        until(lambda: lines(part) > 5, "a round of the first unit", process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    had = part.read_bytes()
    with worker(scheduler), client(tmp_path, "--cluster", scheduler, "--resume", "run") as process:
        _, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, errors
    assert "01-linear_fit goes on on" in errors
    assert_same_as_plain(folder, plain)
    assert (folder / "01-linear_fit.jsonl").read_bytes().startswith(had[: had.rfind(b"\n") + 1])


@pytest.mark.slow
def test_an_interrupt_ends_the_hosts_in_order_and_says_how_to_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with client(tmp_path, *TASKS, *ONE_ROUND, "--cluster", "local:2", "--out", "run") as process:
        until(lambda: lines(folder / "01-linear_fit.jsonl.part") > 1, "lines of the first unit", process)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        output, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130, errors
    assert "interrupted; what has come is kept. Continue with: bench run --cluster local:2 --resume run" in output
    assert "Traceback" not in errors
    assert lines(folder / "01-linear_fit.jsonl.part") > 1


@pytest.mark.parametrize(
    "error", [OSError("gone"), AttributeError("'NoneType' object has no attribute 'ncores'"), asyncio.CancelledError()]
)
def test_whatever_dask_raises_when_a_connection_is_lost_is_told_as_that(error: BaseException) -> None:
    class Lost:
        def sync(self, *_: Any) -> Any:
            raise error

    hosts = DaskHosts(Lost())
    for ask in (hosts.known, lambda: hosts.accept("a"), lambda: hosts.news({}), lambda: hosts.stop("a", "k")):
        with pytest.raises(Unreachable, match="the cluster cannot be reached"):
            ask()
    hosts.end("a", "k")  # then the unit ends by itself


def run_changed(change: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, after this code."""
    code = f"{change}; import sys; from bench.cli import main; sys.argv[0] = 'bench'; main()"
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False)


IMPATIENT = "import bench.fleet.dask_hosts as hosts; hosts.CONNECT_S = 2"


@pytest.mark.slow
def test_a_scheduler_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    result = run_changed(IMPATIENT, "run", "linear_fit", "--cluster", "tcp://127.0.0.1:1", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("error: there is no Dask scheduler at tcp://127.0.0.1:1: ")
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


WITHOUT = "import sys; sys.modules['distributed'] = None"


def test_without_the_extra_a_line_says_what_to_install(tmp_path: Path) -> None:
    result = run_changed(WITHOUT, "run", "linear_fit", "--cluster", "local:2", cwd=tmp_path)
    assert result.returncode == 2
    told = "error: --cluster needs Dask, which is not installed: pip install 'levelfield[cluster]'"
    assert result.stderr.startswith(told), result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("linear_fit", "--cluster", "local:none"),
            "--cluster local:N starts N workers, from 1 to 64; got 'local:none'",
        ),
        (("linear_fit", "--cluster", ""), "--cluster needs the address of a Dask scheduler"),
        (("linear_fit", "--cluster", "host"), "--cluster needs the address of a Dask scheduler"),
        (("linear_fit", "--cluster", "http://host:1"), "--cluster needs the address of a Dask scheduler"),
        (("linear_fot", "--cluster", "local:2"), "unknown task 'linear_fot'"),
        (("linear_fit", "--every-host"), "--every-host is for the hosts of a cluster; name one with --cluster"),
        (("--cluster", "local:2", "--resume", "gone"), "gone is not the folder of a run on a cluster"),
        (("--cluster", "local:2", "--resume", "gone", "--minutes", "3"), "--resume continues a run with its original"),
        (("--resume", "."), "a run on a cluster is continued with --cluster ADDRESS --resume ."),
    ],
)
def test_choices_that_make_no_sense_are_refused_before_anything_is_started(
    words: tuple[str, ...], says: str, bench_here: Bench
) -> None:
    result = bench_here("run", *words)
    assert result.returncode == 2
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
