"""A run from beginning to end, with a fake for what checks and times: both doors, interrupts, resumes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from support import a_parity_result, a_record

from bench import conftest as door
from bench.cli.app import exit_code
from bench.records.runfile import Run, read_run
from bench.records.schema import Record, Row
from bench.runs import session
from bench.runs.plan import Plan

Door = Callable[..., Run]
ARGUMENTS = ("thermometer_raw", "--backend", "numpy", "--workers", "2")


class FakeRunner:
    """Writes a right result and a sample of each block that is not there yet; may be interrupted after some lines."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.lines_until_interrupt: int | None = None

    def __call__(
        self, plan: Plan, setup: Any, listener: Any, write: Any, earlier: Iterable[Record], verdicts: Any, told: Any
    ) -> None:
        self.plans.append(plan)
        self.verdicts = verdicts
        done = {(record.job.row, record.job.block) for record in earlier}
        lines: list[Any] = [a_parity_result(row) for row in plan.rows]
        blocks = range(plan.goal.workers or 1)
        lines += [a_record(row, block) for block in blocks for row in plan.rows if (row, block) not in done]
        for number, line in enumerate(lines):
            if number == self.lines_until_interrupt:
                raise KeyboardInterrupt
            write(line)


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRunner:
    monkeypatch.chdir(tmp_path)
    fake = FakeRunner()
    monkeypatch.setattr(session, "run_plan", fake)
    return fake


def bench(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])
    return int(str(exit_code()))


def pytest_door(row: Row) -> Run:
    options = {"--workers": 2, "--detect": 0.05, "--minutes": 1.0, "--benchmark-disable": False}
    return door.measure((row,), options.__getitem__, Console(file=StringIO()))


ROW = Row(task="thermometer_raw", backend="numpy", mode="loop", device="cpu", precision="float32")


def test_both_doors_begin_and_carry_out_a_run_in_the_same_way(
    runner: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bench(monkeypatch, "run", *ARGUMENTS, "--device", "cpu", "--out", "r.jsonl") == 0
    by_command, by_pytest = read_run(Path("r.jsonl")), pytest_door(ROW)
    first, second = runner.plans
    assert (first.rows, first.threads, first.followed) == (second.rows, second.threads, second.followed)
    assert first.rows == (ROW,)
    assert by_command.records == by_pytest.records
    assert by_command.header.command.startswith("bench run thermometer_raw")
    assert by_pytest.header.command.startswith("pytest")


def test_a_quick_run_is_one_sample_that_is_not_followed_in_float64(
    runner: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench(monkeypatch, "run", "thermometer_raw", "--backend", "numpy", "--quick", "--out", "r.jsonl")
    assert not runner.plans[0].followed
    assert runner.plans[0].goal.workers == 1
    assert not read_run(Path("r.jsonl")).header.followed
    bench(monkeypatch, "run", "--resume", "r.jsonl")
    assert not runner.plans[1].followed


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "free_memory_bytes", lambda: 2**20)


@pytest.mark.usefixtures("small_memory")
def test_both_doors_refuse_what_does_not_fit_into_memory_before_there_is_a_file(
    runner: FakeRunner, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert bench(monkeypatch, "run", *ARGUMENTS, "--device", "cpu") == 2
    error = capsys.readouterr().err
    with pytest.raises(session.UserError) as refused:
        pytest_door(ROW)
    assert error.startswith("error: thermometer_raw does not fit: it needs up to ")
    assert error == f"error: {refused.value}\n"
    assert runner.plans == []
    assert list(tmp_path.iterdir()) == []


def test_a_resume_is_refused_too_where_memory_has_become_short(
    runner: FakeRunner, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(monkeypatch, "run", *ARGUMENTS, "--out", "r.jsonl") == 0
    before = Path("r.jsonl").read_bytes()
    monkeypatch.setattr(session, "free_memory_bytes", lambda: 2**20)
    assert bench(monkeypatch, "run", "--resume", "r.jsonl") == 2
    assert "does not fit" in capsys.readouterr().err
    assert Path("r.jsonl").read_bytes() == before
    assert len(runner.plans) == 1


def test_an_interrupted_run_keeps_what_is_written_and_is_resumed(
    runner: FakeRunner, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.lines_until_interrupt = 2
    assert bench(monkeypatch, "run", *ARGUMENTS, "--device", "cpu", "--out", "r.jsonl") == 130
    said = capsys.readouterr().out
    assert "interrupted; finished samples are kept. Continue with: bench run --resume r.jsonl" in said
    before = read_run(Path("r.jsonl"))
    assert [record.job.block for record in before.records] == [0]
    runner.lines_until_interrupt = None
    assert bench(monkeypatch, "run", "--resume", "r.jsonl", "--minutes", "7") == 0
    after = read_run(Path("r.jsonl"))
    assert after.records[0] == before.records[0]
    assert [record.job.block for record in after.records] == [0, 1]
    assert after.header == before.header
    assert runner.plans[1].goal.time_s == 420.0
    assert runner.plans[1].seed == runner.plans[0].seed


def test_an_interrupt_ends_pytest_with_the_way_to_continue(runner: FakeRunner) -> None:
    runner.lines_until_interrupt = 2
    with pytest.raises(pytest.exit.Exception, match="Continue with: bench run --resume results/run-"):
        pytest_door(ROW)


def test_a_run_continues_with_its_own_number_of_threads(
    runner: FakeRunner, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(monkeypatch, "run", *ARGUMENTS, "--threads", "1", "--out", "r.jsonl") == 0
    assert bench(monkeypatch, "run", "--resume", "r.jsonl", "--threads", "2") == 2
    assert "error: r.jsonl was begun with --threads 1 and continues with it; got --threads 2" in capsys.readouterr().err
    assert bench(monkeypatch, "run", "--resume", "r.jsonl", "--threads", "1") == 0
    assert len(runner.plans) == 2


def test_a_run_that_is_no_sweep_is_not_resumed_as_one(
    runner: FakeRunner, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(monkeypatch, "run", *ARGUMENTS, "--out", "r.jsonl") == 0
    assert bench(monkeypatch, "sweep", "--resume", "r.jsonl") == 2
    assert "error: r.jsonl is not the run file of a sweep" in capsys.readouterr().err
    assert len(runner.plans) == 1


def test_the_name_of_a_new_run_file_is_free_also_when_the_clock_was_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session.time, "gmtime", lambda: time.struct_time((2026, 1, 31, 12, 0, 0, 5, 31, 0)))
    (tmp_path / "results").mkdir()
    names = []
    for _ in range(3):
        names.append(session.default_path("run").name)
        (tmp_path / "results" / names[-1]).write_text("")
    assert names == ["run-20260131-120000.jsonl", "run-20260131-120000-2.jsonl", "run-20260131-120000-3.jsonl"]
