"""Many jobs in one run: the parent keeps nothing of a job but its record. `nox -s soak` shows it on real processes."""

from __future__ import annotations

import gc
import os
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, cast

import psutil
import pytest
from support import a_calibration, a_quality, a_timing
from synthetic import a_plan, rows_of

from backends.registry import BUILT_IN
from bench.harness import process
from bench.harness.calibrate_job import CalibrateRequest
from bench.harness.executor import ProcessExecutor
from bench.harness.process import Worker
from bench.harness.protocol import CalibrationReply, Done, Request, TurnReply
from bench.harness.setup import WorkerSetup
from bench.harness.time_job import TimeRequest
from bench.harness.turn_job import HandOverRequest, TurnRequest
from bench.records.runfile import Records
from bench.records.schema import Block, Record, Resources, Steady
from bench.runs.runner import unranked
from bench.runs.schedule import run_rounds

ROWS = rows_of("a", "b", "c")
EARLY, LATE = 10, 40  # numbers of rounds
CONSTANT = 100  # objects that may come and go anywhere


class Silent:
    """Listens to a run and remembers nothing."""

    def stage(self, label: str, total: int, left_s: float | None = None) -> None:
        pass

    def begins(self, label: str) -> None:
        pass

    def ended(self, label: str, outcome: str) -> None:
        pass


class FakeChild:
    """No process, but an open file, an answer to every request, and a file that it leaves in its temporary folder."""

    alive: ClassVar[weakref.WeakSet[FakeChild]] = weakref.WeakSet()

    def __init__(self, cores: tuple[int, ...], environment: dict[str, str], place: object) -> None:
        self.spawned_s = 0.0
        self.handle = os.open(os.devnull, os.O_RDONLY)
        Path(environment["TMPDIR"], "__autograph_generated_file.py").write_text("left")
        FakeChild.alive.add(self)

    def ask(self, request: Request[Any], time_limit_s: float) -> object:
        match request:
            case TimeRequest():
                resources = Resources(cores=1, dtype="float32", framework="1")
                return Record(job=request.job, status="ok", timing=a_timing(), quality=a_quality(), resources=resources)
            case TurnRequest():
                steady = Steady(window_s=0.1, cpu_s=0.1, vanished_cpu_s=0.0, waited_s=0.0)
                return TurnReply(
                    passes=1, wall_s=0.1, longest_s=0.1, cpu_s=0.1, reads=1, read_s=1e-5, took_s=0.1, steady=steady
                )
            case HandOverRequest():
                return Done()
            case _:
                assert isinstance(request, CalibrateRequest)
                return CalibrationReply(calibration=a_calibration())

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def end(self) -> tuple[str, ...]:
        os.close(self.handle)
        return ()


def held(records: Iterable[Record]) -> int:
    """Return the number of objects that these records consist of, as the collector of cycles counts them."""
    waiting, seen = list[object](records), dict[int, object]()
    while waiting:
        each = waiting.pop()
        if gc.is_tracked(each) and id(each) not in seen and not isinstance(each, type):
            seen[id(each)] = each
            waiting += gc.get_referents(each)
    return len(seen)


def looks(executor: ProcessExecutor, temporary: Path) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield after two rounds: objects besides the records, files that are open, children, files left, and records."""
    records: list[Record] = []
    plan = a_plan(ROWS, workers=LATE)
    for line in run_rounds(plan, executor, Silent(), (), lambda: unranked({}, Records.of(records))):
        if not isinstance(line, Block):
            records.append(line.record)
        elif line.block in (EARLY, LATE - 1):
            gc.collect()
            others = len(gc.get_objects()) - held(records)
            left = sum(1 for path in temporary.rglob("*") if not path.is_dir())
            yield others, psutil.Process().num_fds(), len(FakeChild.alive), left, len(records)


def test_a_parent_keeps_nothing_that_grows_with_the_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "Child", FakeChild)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    setup = WorkerSetup(cores=(0,), environment={}, backends={"made_up": BUILT_IN["numpy"]})
    early, late = looks(ProcessExecutor(setup, cast(Worker, setup.worker(tmp_path))), tmp_path)
    assert late[-1] == len(ROWS) * LATE
    assert late[0] - early[0] < CONSTANT
    assert late[1:4] == early[1:4]
