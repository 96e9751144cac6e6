"""Worker processes: time limits, crashes, output, environment; with a backend that misbehaves on demand."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace
from support import FAKES, ROOT, a_job, a_row, entries_in

from backends.contract import Device
from bench.analysis.flags import flags_of
from bench.harness import process as launch
from bench.harness.calibrate_job import CalibrateRequest
from bench.harness.live import record_of
from bench.harness.measure import MAX_READINGS, REREADINGS
from bench.harness.process import Stopped, Worker, worker_environment
from bench.harness.protocol import REASON_CHARACTERS, CalibrationReply
from bench.harness.time_job import TimeRequest
from bench.machine.calibration import LOOPS
from bench.machine.host import usable_cores
from bench.machine.variables import THREAD_VARIABLES
from bench.records.schema import Job, Record
from bench.selftest.by_hand import BY_HAND_PASSES, ByHandRequest
from bench.tasks.datasets.folders import data_folders


def start_worker(tmp_path: Path) -> Worker:
    environment = worker_environment(os.environ, 1, tmp_path)
    return Worker(cores=usable_cores()[:1], environment={**environment, "PYTHONPATH": f"{ROOT}{os.pathsep}{FAKES}"})


MISBEHAVING = entries_in(FAKES)["misbehaving"]


def request(mode: str, kind: type[TimeRequest] = TimeRequest, precision: str = "float32") -> TimeRequest:
    row = a_row("thermometer_raw", "misbehaving", mode, precision=precision)
    return kind(job=Job(row=row, threads=1, block=0), backend=MISBEHAVING)


def run(mode: str, tmp_path: Path, time_limit_s: float = 60) -> Record:
    with start_worker(tmp_path) as worker:
        return record_of(request(mode), worker, time_limit_s)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Return a worker for tests that ask nothing of its process, which goes on after an exception."""
    with start_worker(tmp_path_factory.mktemp("kept")) as worker:
        yield worker


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, float]:
    """Run a good job; return its record and the time from its start to its reply."""
    with start_worker(tmp_path_factory.mktemp("good")) as worker:
        before = time.monotonic()
        record = record_of(request("right"), worker, 60)
        return record, time.monotonic() - before


def test_a_good_job_gives_times_quality_and_what_it_ran_with(good: tuple[Record, float]) -> None:
    record, _ = good
    assert record.status == "ok", record.reason
    assert record.started.endswith("Z")
    assert record.timing is not None
    assert record.quality is not None
    assert record.resources is not None
    assert record.resources.cores == 1
    assert record.resources.dtype == "float32"
    assert len(record.quality.losses) == 100
    assert record.quality.losses[0] == pytest.approx(1763.8846, rel=1e-6)
    assert record.timing.peak_memory_bytes > 10_000_000
    assert record.timing.peak_device_memory_bytes is None


def test_the_phases_of_a_worker_add_up_to_the_wall_time_of_its_parent(good: tuple[Record, float]) -> None:
    record, wall_s = good
    timing = record.timing
    around = (timing.start_s, timing.import_s, timing.data_s, timing.setup_s)
    assert min(*around, timing.evaluation_s, timing.resets_s, timing.checks_s, *timing.passes_s) >= 0
    assert timing.start_s > 0.01  # Python and NumPy at the least
    for whole_s in (timing.wall_s, wall_s):
        assert timing.phases_s == pytest.approx(whole_s, abs=0.01 * whole_s + 0.02)
    assert 0 < timing.cpu_s < timing.wall_s * 1.05 + 0.02  # on the one core that it has


def test_what_the_threads_did_is_within_the_passes_and_what_is_between_them(good: tuple[Record, float]) -> None:
    timing = good[0].timing
    assert sum(timing.steady_s) <= timing.steady.window_s <= timing.wall_s
    assert 0 < timing.steady.cpu_s <= timing.steady.window_s * 1.05 + 0.02
    assert timing.steady.cpu_s < timing.cpu_s


def test_the_parameters_are_read_after_passes_and_again(good: tuple[Record, float]) -> None:
    timing = good[0].timing
    assert len(timing.read_s) == min(MAX_READINGS, len(timing.passes_s))
    assert len(timing.reread_s) == REREADINGS
    assert min(*timing.read_s, *timing.reread_s) > 0


def test_the_operations_of_a_pass_are_counted_and_bounded_by_a_matrix_product(good: tuple[Record, float]) -> None:
    timing = good[0].timing
    assert (timing.steps_per_pass, timing.rows_per_step) == (100, 11)
    assert timing.flops_per_pass == 4 * 100 * 11  # one weight: forward and for its gradient, two operations each
    assert timing.product_flops_per_s > 1e8


def test_a_good_worker_raises_no_flag_and_one_that_does_not_wait_does(
    good: tuple[Record, float], tmp_path: Path
) -> None:
    raised = [flag.sentence for flag in flags_of([run("unfinished", tmp_path)]).popitem()[1] if flag.unfair]
    assert [sentence.partition(":")[0] for sentence in raised] == ["does not wait"]
    assert not any(flag.unfair for flag in flags_of([good[0]]).popitem()[1])


def test_the_wall_time_is_told_by_the_parents_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = launch.Child._read_line

    def read_late(child: launch.Child, deadline: float) -> bytes | None:
        reply = plain(child, deadline)
        time.sleep(0.5)
        return reply

    monkeypatch.setattr(launch.Child, "_read_line", read_late)
    timing = run("right", tmp_path).timing
    assert timing.wall_s >= timing.phases_s + 0.5 - 0.02


def test_the_time_of_a_worker_begins_with_its_process_and_not_with_its_request(tmp_path: Path) -> None:
    with start_worker(tmp_path) as worker:
        first = record_of(request("right"), worker, 60).timing
        second = record_of(request("right"), worker, 60).timing
    assert second.start_s >= first.wall_s - 0.02
    assert second.phases_s == pytest.approx(second.wall_s, abs=0.01 * second.wall_s + 0.02)


def test_by_hand_all_passes_but_the_first_take_the_mean(kept: Worker) -> None:
    record = record_of(request("right", ByHandRequest), kept, 60)
    assert record.status == "ok", record.reason
    assert len(record.timing.passes_s) == 1 + BY_HAND_PASSES
    assert len(set(record.timing.steady_s)) == 1
    assert record.quality.losses[0] == pytest.approx(1763.8846, rel=1e-6)


def test_a_worker_that_is_asked_how_fast_the_machine_is_tells_that_alone(kept: Worker) -> None:
    reply = kept.run(CalibrateRequest(), 60)
    assert isinstance(reply, CalibrationReply)
    assert len(reply.calibration.loops_s) == LOOPS
    assert min(reply.calibration.loops_s) > 0


def test_a_worker_that_hangs_is_killed_at_its_time_limit(tmp_path: Path) -> None:
    before = set(psutil.Process().children(recursive=True))
    with start_worker(tmp_path) as worker:
        record = record_of(request("hangs"), worker, 2)
        assert record.status == "timeout"
        assert "no result within 2 s" in record.reason
        assert record_of(request("right"), worker, 60).status == "ok"  # by a new process
    assert set(psutil.Process().children(recursive=True)) <= before


@pytest.mark.parametrize(
    ("mode", "reason"),
    [("exits", "ended with exit status 7 and no result"), ("killed", "was killed by SIGKILL; the system does this")],
)
def test_a_worker_that_dies_leaves_a_record_and_the_next_job_runs(mode: str, reason: str, kept: Worker) -> None:
    record = record_of(request(mode), kept, 60)
    assert record.status == "crashed"
    assert reason in record.reason
    assert record_of(request("right"), kept, 60).status == "ok"


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("pipe_text", "the worker sent something that is no result: JSON is malformed"),
        ("pipe_bytes", "the worker sent something that is no result: "),
        ("pipe_endless", "the worker sent more than 64 MiB as a result; stopped"),
        ("pipe_no_reply", "no result: Object contains unknown field `type`; stopped"),
        ("pipe_forged", "no result: its key is not that of the request, so it was not written by the suite; stopped"),
        ("real_time_signal", "was killed by signal 40"),
        ("shouts", "ended with exit status 1 and no result: xxx"),
        ("told_why", "no result: 2026-01-01: F0000 parse_flags.cc:1] Unknown flag in XLA_FLAGS: --xla_foo=1"),
    ],
)
def test_what_a_backend_does_to_its_process_or_pipe_costs_only_its_own_row(
    mode: str, reason: str, kept: Worker
) -> None:
    record = record_of(request(mode), kept, 60)
    assert record.status == "crashed"
    assert reason in record.reason
    assert len(record.reason) < 1000
    assert len(record.output) < 100_000
    assert record_of(request("right"), kept, 60).status == "ok"


def test_a_python_that_cannot_start_costs_only_its_own_row_and_leaves_nothing_open(tmp_path: Path) -> None:
    right = request("right")
    elsewhere = replace(right, backend=dataclasses.replace(right.backend, python=str(tmp_path / "no-python")))
    with start_worker(tmp_path) as worker:
        before = psutil.Process().num_fds()
        record = record_of(elsewhere, worker, 60)
        assert psutil.Process().num_fds() == before
        assert (record.status, record.reason) == (
            "failed",
            f"cannot start {tmp_path / 'no-python'}: No such file or directory",
        )
        assert record_of(right, worker, 60).status == "ok"


def test_a_reply_without_end_does_not_outlast_the_time_limit(tmp_path: Path) -> None:
    record = run("pipe_drips", tmp_path, time_limit_s=2)
    assert (record.status, record.reason) == (
        "timeout",
        "no result within 2 s; stopped; raise --time-limit if it is only slow",
    )


def test_a_reason_of_megabytes_is_cut(kept: Worker) -> None:
    record = record_of(request("long_reason"), kept, 60)
    assert record.status == "unsupported"
    assert len(record.reason) == REASON_CHARACTERS + len(" …")


@pytest.mark.parametrize(
    ("mode", "reason"),
    [("raises", "ZeroDivisionError: nobody divides by zero"), ("fails_at_open", "RuntimeError: no room left")],
)
def test_an_exception_is_a_record_with_the_end_of_the_output(mode: str, reason: str, kept: Worker) -> None:
    record = record_of(request(mode), kept, 60)
    assert record.status == "failed"
    assert record.reason == reason
    assert "Traceback" in record.output
    assert record.output.endswith(reason)


def test_what_a_framework_prints_is_never_taken_for_a_result(kept: Worker) -> None:
    record = record_of(request("talks"), kept, 60)
    assert record.status == "ok"
    assert record.job.row.mode == "talks"
    assert record.timing is not None


def test_unsupported_is_no_failure_and_has_its_reason(kept: Worker) -> None:
    record = record_of(request("unsupported"), kept, 60)
    assert (record.status, record.reason) == ("unsupported", "this one never works")


def test_losses_that_are_not_numbers_are_stored_as_null(kept: Worker) -> None:
    record = record_of(request("nan"), kept, 60)
    assert record.status == "ok"
    assert record.quality is not None
    assert set(record.quality.losses) == {None}


def test_every_library_that_reads_a_number_of_threads_is_given_the_same() -> None:
    environment = worker_environment({"OMP_NUM_THREADS": "64", "HOME": "/home"}, 2, Path("cache"))
    assert {environment[name] for name in THREAD_VARIABLES} == {"2"}
    assert environment["HOME"] == "/home"
    assert worker_environment({"OMP_DYNAMIC": "true"}, 2, Path("cache"))["OMP_DYNAMIC"] == "FALSE"  # fewer at times


def test_training_in_another_precision_than_asked_is_a_failure(kept: Worker) -> None:
    record = record_of(request("single", precision="float64"), kept, 60)
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
    named = {environment[name] for name in ("XDG_CACHE_HOME", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")}
    assert named == {"cold/compiled"}


def test_the_suites_own_data_are_found_although_the_cache_folder_of_a_worker_is_empty() -> None:
    environment = worker_environment(os.environ, 1, Path("cold"))
    assert data_folders(environment)[-1] == data_folders(os.environ)[-1]


@pytest.mark.parametrize(
    ("device", "told"),
    [("cpu", "CUDA_VISIBLE_DEVICES= JAX_PLATFORMS=cpu"), ("gpu", "CUDA_VISIBLE_DEVICES=1 JAX_PLATFORMS=cuda")],
)
def test_a_row_on_the_cpu_sees_no_gpu(device: Device, told: str, tmp_path: Path) -> None:
    row = a_row("thermometer_raw", "misbehaving", "tells_gpus", device=device)
    with start_worker(tmp_path) as worker:
        worker.environment = {**worker.environment, "CUDA_VISIBLE_DEVICES": "1", "JAX_PLATFORMS": "cuda"}
        record = record_of(TimeRequest(job=a_job(row), backend=MISBEHAVING), worker, 60)
    assert (record.status, record.reason) == ("unsupported", told)


def test_temporary_files_go_into_the_scratch_folder() -> None:
    assert worker_environment({"TMPDIR": "/tmp"}, 2, Path("/scratch"))["TMPDIR"] == "/scratch"  # noqa: S108


def test_a_worker_that_was_killed_starts_no_other_process(tmp_path: Path) -> None:
    with start_worker(tmp_path) as worker:
        worker.kill()
        with pytest.raises(Stopped):
            worker.run(CalibrateRequest(), 60)
        with pytest.raises(ValueError, match="no process has been started"):
            _ = worker.age_s


def test_who_waits_for_a_worker_that_is_killed_learns_that_it_was_stopped_and_not_that_it_crashed(
    tmp_path: Path,
) -> None:
    with start_worker(tmp_path) as worker, ThreadPoolExecutor(1) as pool:
        row = a_row("thermometer_raw", "misbehaving", "hangs")
        waiting = pool.submit(worker.run, TimeRequest(job=a_job(row), backend=MISBEHAVING), 60)
        while worker.child is None:
            time.sleep(0.01)
        worker.kill()
        with pytest.raises(Stopped):
            waiting.result()
