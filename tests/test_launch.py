"""Worker processes: time limits, crashes, output, environment; with a backend that misbehaves on demand."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from support import FAKES, ROOT, a_row

from bench import launch
from bench.launch import THREAD_VARIABLES, Worker, worker_environment
from bench.machine import usable_cores
from bench.records import Job, Record, Request


def start_worker(tmp_path: Path) -> Worker:
    environment = worker_environment(os.environ, 1, tmp_path)
    return Worker(cores=usable_cores()[:1], environment={**environment, "PYTHONPATH": f"{ROOT}{os.pathsep}{FAKES}"})


def request(mode: str) -> Request:
    row = a_row("thermometer_raw", "misbehaving", mode)
    return Request(kind="time", job=Job(row=row, threads=1, block=0))


def run(mode: str, tmp_path: Path, time_limit_s: float = 60) -> Record:
    with start_worker(tmp_path) as worker:
        return worker.run(request(mode), time_limit_s)


def test_a_good_job_gives_times_quality_and_what_it_ran_with(tmp_path: Path) -> None:
    record = run("right", tmp_path)
    assert record.status == "ok", record.reason
    assert record.started.endswith("Z")
    assert record.timing is not None
    assert record.quality is not None
    assert record.resources is not None
    assert record.resources.cores == 1
    assert record.resources.dtype == "float32"
    assert len(record.quality.losses) == 100
    assert record.quality.losses[0] == pytest.approx(1763.8846, rel=1e-6)
    timing = record.timing
    parts = (timing.start_s, timing.import_s, timing.data_s, timing.setup_s, *timing.passes_s, timing.resets_s)
    assert min(parts) >= 0
    assert sum(parts) + timing.evaluation_s <= timing.wall_s
    assert timing.peak_memory_bytes > 10_000_000


def test_a_worker_that_hangs_is_killed_at_its_time_limit(tmp_path: Path) -> None:
    before = set(psutil.Process().children(recursive=True))
    with start_worker(tmp_path) as worker:
        record = worker.run(request("hangs"), 3)
        assert record.status == "timeout"
        assert "no result within 3 s" in record.reason
        assert worker.run(request("right"), 60).status == "ok"  # by a new process
    assert set(psutil.Process().children(recursive=True)) <= before


@pytest.mark.parametrize(
    ("mode", "reason"),
    [("exits", "ended with exit status 7 and no result"), ("killed", "was killed by SIGKILL; the system kills so")],
)
def test_a_worker_that_dies_leaves_a_record_and_the_next_job_runs(mode: str, reason: str, tmp_path: Path) -> None:
    with start_worker(tmp_path) as worker:
        record = worker.run(request(mode), 60)
        assert record.status == "crashed"
        assert reason in record.reason
        assert worker.run(request("right"), 60).status == "ok"


@pytest.mark.parametrize(
    ("mode", "reason"),
    [("raises", "ZeroDivisionError: nobody divides by zero"), ("fails_at_open", "RuntimeError: no room left")],
)
def test_an_exception_is_a_record_with_the_end_of_the_output(mode: str, reason: str, tmp_path: Path) -> None:
    record = run(mode, tmp_path)
    assert record.status == "failed"
    assert record.reason == reason
    assert "Traceback" in record.output
    assert record.output.endswith(reason)


def test_what_a_framework_prints_is_never_taken_for_a_result(tmp_path: Path) -> None:
    record = run("talks", tmp_path)
    assert record.status == "ok"
    assert record.job.row.mode == "talks"
    assert record.timing is not None


def test_unsupported_is_no_failure_and_has_its_reason(tmp_path: Path) -> None:
    record = run("unsupported", tmp_path)
    assert (record.status, record.reason) == ("unsupported", "this one never works")


def test_losses_that_are_not_numbers_are_stored_as_null(tmp_path: Path) -> None:
    record = run("nan", tmp_path)
    assert record.status == "ok"
    assert record.quality is not None
    assert set(record.quality.losses) == {None}


def test_every_library_that_reads_a_number_of_threads_is_given_the_same() -> None:
    environment = worker_environment({"OMP_NUM_THREADS": "64", "HOME": "/home"}, 2, Path("cache"))
    assert {environment[name] for name in THREAD_VARIABLES} == {"2"}
    assert environment["HOME"] == "/home"


def test_training_in_another_precision_than_asked_is_a_failure(tmp_path: Path) -> None:
    row = a_row("thermometer_raw", "misbehaving", "single", precision="float64")
    with start_worker(tmp_path) as worker:
        record = worker.run(Request(kind="time", job=Job(row=row, threads=1, block=0)), 60)
    assert (record.status, record.reason) == ("failed", "trained in float32 instead of float64")


def test_a_worker_that_closes_its_pipe_and_does_not_end_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "CLOSING_S", 1)
    record = run("lingers", tmp_path)
    assert record.status == "crashed"
    assert "closed its pipe without a result and did not end; stopped" in record.reason


def test_caches_of_compiled_code_are_not_handed_on() -> None:
    environment = worker_environment({"JAX_COMPILATION_CACHE_DIR": "/warm"}, 2, Path("cold"))
    assert "JAX_COMPILATION_CACHE_DIR" not in environment
    assert environment["TORCHINDUCTOR_CACHE_DIR"] == "cold"
