"""Rounds of real processes: they take turns, the others are stopped, and none is left behind whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
import psutil
import pytest
from support import FAKES, ROOT, a_row, as_in_a_new_shell, entries_in, no_files
from synthetic import Nobody, a_plan

from backends.contract import Placement
from backends.registry import BUILT_IN
from bench.analysis.flags import flags_of
from bench.analysis.tolerance import MULTIPLE
from bench.harness.executor import ProcessExecutor, ProcessRound
from bench.harness.live import ProcessLive, Sample, with_left
from bench.harness.process import Worker
from bench.harness.serving import ONE
from bench.harness.setup import WorkerSetup
from bench.machine.host import usable_cores
from bench.records.schema import Block, Job, Row
from bench.runs.plan import Plan
from bench.runs.schedule import FIRST_TURNS, MIN_TURNS, run_rounds
from bench.tasks import TASKS
from bench.tasks.training import make_training, repetition

TASK = "thermometer_raw"
SETUP = WorkerSetup(
    cores=usable_cores()[:1],
    environment=as_in_a_new_shell(),
    time_limit_s=60.0,
    backends={**BUILT_IN, **entries_in(FAKES)},
)
WATCHED = (1, 2, 5)
PLACEMENT = Placement(mode="loop", device="cpu", precision="float32", threads=1)


def row_of(mode: str, backend: str = "misbehaving") -> Row:
    return a_row(TASK, backend, mode)


def an_executor(time_limit_s: float = 60.0) -> ProcessExecutor:
    setup = WorkerSetup(
        cores=SETUP.cores, environment=SETUP.environment, time_limit_s=time_limit_s, backends=SETUP.backends
    )
    return ProcessExecutor(setup, cast(Worker, None))


def begin(processes: object, *modes: str) -> list[ProcessLive]:
    jobs = [Job(row=row_of(mode), threads=1, block=0) for mode in modes]
    return [cast(ProcessLive, cast(ProcessRound, processes).begin(job, WATCHED)) for job in jobs]


def process_of(live: ProcessLive) -> psutil.Process:
    assert live.worker.child is not None
    return psutil.Process(live.worker.child.process.pid)


def soon(condition: Callable[[], bool]) -> bool:
    """Return whether a condition holds within some seconds: the system delivers signals in its own time."""
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def stopped(process: psutil.Process) -> bool:
    return process.status() == psutil.STATUS_STOPPED


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    before = set(psutil.Process().children(recursive=True))
    yield
    assert soon(lambda: set(psutil.Process().children(recursive=True)) <= before)


def test_processes_are_stopped_but_while_their_turn_lasts() -> None:
    with an_executor().round() as processes:
        lives = begin(processes, "right", "talks")
        assert all(soon(lambda each=each: stopped(process_of(each))) for each in lives)
        for number in range(3):
            for live in lives:
                live.turn(number)
        assert all(soon(lambda each=each: stopped(process_of(each))) for each in lives)
        samples = [live.finish() for live in lives]
        assert [live.worker.child for live in lives] == [None, None]
    for record, found in samples:
        assert record.status == "ok", record.reason
        assert record.timing is not None
        turns = record.timing.turns
        assert turns is not None
        assert len(turns.passes) == len(turns.wall_s) == len(turns.cpu_s) == 3
        assert min(turns.passes) > 0
        assert min(turns.wall_s) > 0
        assert record.timing.steady.window_s >= sum(turns.wall_s)
        assert found is not None
        assert found.number == max(WATCHED)


def test_the_repetition_that_is_handed_over_is_what_its_start_and_order_give() -> None:
    with an_executor().round() as processes:
        (live,) = begin(processes, "right")
        live.turn(0)
        found = live.finish().repetition
    assert found is not None
    task = TASKS[TASK]
    training = repetition(make_training(task, "float32", no_files), task, "float32", found.number)
    trainer = BUILT_IN["numpy"].load().open_trainer(training.problem, PLACEMENT)
    trainer.reset(training.initial)
    np.testing.assert_allclose(found.losses, np.concatenate([trainer.train(order) for order in training.orders]))
    np.testing.assert_allclose(found.params[0]["weights"], trainer.params()[0]["weights"])
    np.testing.assert_allclose(found.outputs, trainer.predict(training.test.inputs))


def test_a_helper_is_stopped_too_and_its_cpu_time_counts() -> None:
    with an_executor().round() as processes:
        (live,) = begin(processes, "helped")
        (helper,) = process_of(live).children()
        assert soon(lambda: stopped(helper))
        for number in range(5):
            live.turn(number)
        assert soon(lambda: stopped(helper))
        record = live.finish().record
        assert soon(lambda: not helper.is_running() or helper.status() == psutil.STATUS_ZOMBIE)
    assert record.timing is not None
    assert record.timing.turns is not None
    assert sum(record.timing.turns.cpu_s) > 1.2 * min(sum(record.timing.turns.wall_s), 0.1)


def test_a_process_that_fails_in_a_turn_is_a_record_of_its_row_and_the_others_go_on() -> None:
    failures = {
        "dies_in_turn": ("crashed", "was killed by SIGKILL"),
        "raises_in_turn": ("failed", "nobody divides by zero"),
        "hangs_in_turn": ("timeout", "no result within 3 s"),
    }
    with an_executor(time_limit_s=3.0).round() as processes:
        lives = begin(processes, *failures, "right")
        for number in range(3):
            for live in lives:
                live.turn(number)
        *failed, fine = [live.finish() for live in lives]
    for sample, (status, reason) in zip(failed, failures.values(), strict=True):
        assert (sample.record.status, sample.record.timing, sample.repetition) == (status, None, None)
        assert reason in sample.record.reason
    assert fine.record.status == "ok"
    assert len(fine.record.timing.turns.passes) == 3


def test_a_process_that_dies_while_it_is_stopped_is_a_record_of_its_row() -> None:
    with an_executor().round() as processes:
        lives = begin(processes, "right", "talks", "nan")
        lives[0].turn(0)
        process_of(lives[0]).kill()
        process_of(lives[2]).kill()  # which is not asked for a turn any more
        lives[0].turn(1)
        lives[1].turn(1)
        samples = [live.finish() for live in lives]
    assert [sample.record.status for sample in samples] == ["crashed", "ok", "ok"]
    assert "was killed by SIGKILL" in samples[0].record.reason


def test_a_process_that_dies_before_it_hands_over_its_repetition_is_a_failure() -> None:
    with an_executor().round() as processes:
        (live,) = begin(processes, "right")
        live.turn(0)
        process_of(live).kill()
        assert live.finish().record.status == "crashed"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_exception_in_the_middle_of_a_round_leaves_no_process(error: type[BaseException]) -> None:
    found: list[psutil.Process] = []

    def interrupted() -> None:
        with an_executor().round() as processes:
            lives = begin(processes, "right", "helped")
            found.extend(map(process_of, lives))
            found.extend(found[1].children())
            assert all(soon(lambda each=each: stopped(each)) for each in found)
            raise error

    with pytest.raises(error):
        interrupted()
    assert len(found) == 3
    assert not psutil.wait_procs(found, timeout=5)[1]


def hold_a_round() -> None:
    """Begin a round, print the ids of its processes and of their helpers, and wait."""
    with an_executor().round() as processes:
        found = list(map(process_of, begin(processes, "right", "helped")))
        print(*(each.pid for each in (*found, *found[1].children())), flush=True)
        time.sleep(60)


def test_a_parent_that_is_killed_leaves_no_stopped_process(tmp_path: Path) -> None:
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/harness")))
    parent = subprocess.Popen(
        [sys.executable, "-c", "import test_live; test_live.hold_a_round()"],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    workers = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    assert len(workers) == 3
    try:
        assert all(soon(lambda each=each: stopped(each)) for each in workers)
        parent.kill()
        parent.wait()
        parent.stdout.close()
        assert not psutil.wait_procs(workers, timeout=10)[1]  # the third is one that some framework has started
    finally:
        for each in workers:
            with suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGKILL)


def test_a_round_of_two_rows_gives_records_with_turns() -> None:
    rows = (row_of("loop", "numpy"), row_of("jit", "jax"))
    plan: Plan = a_plan(rows, workers=1)
    with SETUP.worker(Path()) as calibrator:
        lines = list(run_rounds(plan, ProcessExecutor(SETUP, calibrator), Nobody()))
    samples = [line for line in lines if isinstance(line, Sample)]
    assert [type(line) for line in lines] == [Sample, Sample, Block]
    assert {sample.record.job.row for sample in samples} == set(rows)
    for record, found in samples:
        assert record.status == "ok", record.reason
        timing = record.timing
        assert timing is not None
        assert timing.turns is not None
        assert len(timing.turns.passes) >= FIRST_TURNS  # a row of slow passes leaves the first round then
        assert timing.phases_s == pytest.approx(timing.wall_s, abs=0.01 * timing.wall_s + 0.02)
        assert found is not None
        assert found.number in plan.watched(TASK)
        assert len(found.losses) == timing.steps_per_pass
    assert max(len(sample.record.timing.turns.passes) for sample in samples) >= MIN_TURNS


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_what_a_process_leaves_running_is_ended_and_told_daemons_too() -> None:
    before = set(psutil.pids())
    with an_executor().round() as processes:
        (live,) = begin(processes, "leaves_running")
        live.turn(0)
        record = live.finish().record
    assert record.status == "ok", record.reason
    assert record.resources is not None
    assert record.resources.left == ("sleep 777 (200 times)", "sleep 778")
    told = "left running, and ended with it: sleep 777 (200 times), sleep 778"
    assert [flag.sentence for flag in flags_of([record])[row_of("leaves_running")] if not flag.unfair] == [told]
    assert [pid for pid in set(psutil.pids()) - before if command_of(pid).startswith("sleep 77")] == []
    failed = msgspec.structs.replace(record, status="crashed", reason="it died", timing=None, resources=None)
    assert with_left(failed, record.resources.left).reason == f"it died; {told}"
    assert with_left(failed, ()) == failed


def command_of(pid: int) -> str:
    """Return the command of a process, empty if it has ended."""
    with suppress(psutil.Error):
        return " ".join(psutil.Process(pid).cmdline())
    return ""


# Service


def test_what_fails_in_a_service_costs_a_process_its_inference_only() -> None:
    with an_executor().round() as processes:
        lives = begin(processes, "right", "raises_in_service", "dies_in_service")
        for live in lives:
            for number in range(3):
                live.turn(number)
        for live in lives:
            live.open_service()
        assert soon(lambda: stopped(process_of(lives[0])))
        for number in range(2):
            for live in lives:
                live.serve(number)
        samples = [live.finish() for live in lives]
    served = [record.inference for record, _ in samples]
    for record, found in samples:
        assert record.status == "ok", record.reason
        assert record.timing is not None
        assert record.timing.turns is not None
        assert len(record.timing.turns.passes) == 3
        assert found is not None
    assert [each and each.reason for each in served] == [
        "",
        "failed: ZeroDivisionError: nobody divides by zero",
        "crashed: the worker was killed by SIGKILL; the system does this when memory runs out",
    ]
    assert served[0] is not None
    assert served[0].calls >= 2 * ONE.calls
    assert len(served[0].latency_s) == len(served[0].batch_s) == 2
    assert served[0].predicted is not None
    assert served[0].predicted < MULTIPLE


def test_a_process_that_failed_in_a_turn_opens_no_service_and_tells_nothing() -> None:
    with an_executor().round() as processes:
        (live,) = begin(processes, "dies_in_turn")
        for number in range(10):
            live.turn(number)
        live.open_service()
        live.serve(0)
        live.learn(60.0, "")
        record, _ = live.finish()
    assert (record.status, record.inference, record.learned) == ("crashed", None, None)


# What was learned


def begin_iris(processes: object, mode: str, backend: str = "misbehaving") -> ProcessLive:
    """Begin a process of a task of many passes, none of whose repetitions is watched."""
    job = Job(row=a_row("iris_mlp", backend, mode), threads=1, block=0)
    return cast(ProcessLive, cast(ProcessRound, processes).begin(job, ()))


def test_what_fails_after_all_is_measured_costs_a_process_what_it_learned_only() -> None:
    with an_executor().round() as processes:
        lives = [begin_iris(processes, mode) for mode in ("right", "raises_in_lesson", "dies_in_lesson")]
        lives.append(begin_iris(processes, "raises_in_service"))
        for live in lives:
            live.turn(0)
            live.open_service()
            live.serve(0)
            live.learn(60.0, "")
        assert soon(lambda: stopped(process_of(lives[0])))
        records = [live.finish().record for live in lives]
    for record in records:
        assert record.status == "ok", record.reason
        assert record.timing is not None
        assert record.timing.turns is not None
        assert record.inference is not None
    assert [bool(record.inference and record.inference.reason) for record in records] == [False, False, False, True]
    told = [record.learned for record in records if record.learned is not None]
    assert [each.reason for each in told] == [
        "",
        "failed: ZeroDivisionError: nobody divides by zero",
        "crashed: the worker was killed by SIGKILL; the system does this when memory runs out",
        "the process had ended in its inference",
    ]
    quality = records[0].quality
    assert quality is not None
    assert quality.value is not None
    assert len(told[0].metric_by_pass) == 50
    assert told[0].metric_by_pass[-1] == pytest.approx(quality.value, abs=1e-6)  # of the very same training
    assert sum(told[0].confusion[each][each] for each in range(3)) / 150 == pytest.approx(quality.value)


def test_without_time_for_one_more_training_only_the_metric_by_pass_is_missing() -> None:
    with an_executor().round() as processes:
        live, plain = begin_iris(processes, "right"), begin(processes, "right")[0]
        for each in (live, plain):
            each.turn(0)
            each.learn(0.0, "no time")
        told, of_one_pass = (each.finish().record.learned for each in (live, plain))
    assert told is not None
    assert of_one_pass is not None
    assert (told.metric_by_pass, told.cut) == ((), "no time")
    assert len(told.confusion) == 3
    assert (of_one_pass.cut, len(of_one_pass.outputs)) == ("", 11)
