"""The lesson of each task of a run: from a worker, with the reference's losses; once, also where a run is resumed."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from run_files import Bench
from support import ROOT, a_row
from synthetic import a_plan

from bench.analysis.tolerance import MULTIPLE
from bench.events import SilentListener
from bench.harness.setup import WorkerSetup
from bench.machine.host import usable_cores
from bench.parity.check import open_references
from bench.records.runfile import read_run
from bench.records.schema import Lesson
from bench.runs.lessons import lessons

ROWS = (a_row("thermometer_raw"), a_row("iris_mlp"))
SETTINGS = {"epochs": "3"}
PLAN = replace(a_plan(ROWS), learned=True, settings=SETTINGS)


@pytest.fixture
def setup(tmp_path: Path) -> WorkerSetup:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path)}
    return WorkerSetup(cores=usable_cores()[:1], environment=environment, time_limit_s=60.0)


def told(
    setup: WorkerSetup, *, envelopes: bool = True, before: Collection[str] = (), **changes: object
) -> list[Lesson]:
    plan = replace(PLAN, **changes)  # type: ignore[arg-type]
    with open_references(setup, plan.settings, SilentListener()) as references:
        if envelopes:
            references.add_envelopes(references.missing(plan.rows))
        found = list(lessons(plan, references, before))
        for lesson in found if envelopes else ():
            envelope = references.timed_envelope(next(row for row in ROWS if row.task == lesson.task))
            np.testing.assert_allclose(lesson.losses, envelope.losses, rtol=1e-8)
            assert np.all(np.array(lesson.allowed) >= 0.99 * MULTIPLE * envelope.reach)
        return found


def test_each_task_has_a_lesson_with_the_losses_that_its_rows_are_compared_with(setup: WorkerSetup) -> None:
    found = {lesson.task: lesson for lesson in told(setup)}
    assert found.keys() == {"thermometer_raw", "iris_mlp"}
    thermometer, iris = found["thermometer_raw"], found["iris_mlp"]
    assert len(thermometer.losses) == 3
    assert thermometer.losses[0] == pytest.approx(1763.884545)  # published
    assert [each.step for each in thermometer.snapshots] == [0, 1, 2, 3]
    assert (iris.snapshots, iris.reason) == ((), "")


def test_a_lesson_that_was_told_is_not_told_again_nor_any_where_nobody_asks(setup: WorkerSetup) -> None:
    assert [lesson.task for lesson in told(setup, before={"thermometer_raw"})] == ["iris_mlp"]
    assert told(setup, learned=False) == []


def test_what_is_missing_stands_in_the_lesson_with_the_reason(setup: WorkerSetup) -> None:
    slow = replace(setup, time_limit_s=1e-3)
    (lesson,) = told(slow, envelopes=False, rows=(a_row("thermometer"),), settings={})
    assert lesson.reason.startswith("no result within 0.001 s")
    assert lesson.reason.endswith("no envelope")
    assert (lesson.losses, lesson.targets) == ((), ())


@pytest.mark.slow
def test_a_run_tells_lessons_and_what_was_learned_once_and_a_resumed_one_adds_nothing(
    run_here: Bench, tmp_path: Path
) -> None:
    tasks = ("thermometer_raw", "iris_mlp", "--backend", "numpy", "--quick", "--epochs", "3", "--no-inference")
    assert run_here("run", *tasks, "--out", "r.jsonl").returncode == 0
    path = tmp_path / "r.jsonl"
    content, run = path.read_bytes(), read_run(path)
    assert run.header.learned
    assert run.lessons.keys() == {"thermometer_raw", "iris_mlp"}
    assert run.learned().keys() == set(ROWS)
    assert content.count(b'"type":"lesson"') == 2
    path.write_bytes(b"".join(line for line in content.splitlines(keepends=True) if b'"type":"record"' not in line))
    assert run_here("run", "--resume", "r.jsonl").returncode == 0
    resumed = read_run(path)
    assert path.read_bytes().count(b'"type":"lesson"') == 2
    assert resumed.learned().keys() == set(ROWS)
