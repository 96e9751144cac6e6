"""What a host does with an order: one ordinary run in a process of its own, which ends when nobody waits for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from fleet_hosts import a_plan
from support import a_parity_result, a_record

from bench.errors import UserError
from bench.fleet import at_host, at_unit
from bench.fleet.at_unit import Telling, measured
from bench.fleet.facts import PROCESS
from bench.fleet.news import Doing, News, Outcome
from bench.fleet.units import Order, encoded
from bench.records.runfile import read_run
from bench.runs import session
from bench.runs.allocation import AllocationEnds
from bench.runs.alone import alone

KEY = "r/01-linear_fit"
# A run that writes a line, waits until its input is closed or somebody kills it, and ends in order.
SCRIPT = """
import pathlib, sys
folder = pathlib.Path(sys.argv[1])
order = sys.stdin.readline()
assert '"run":"r"' in order
(folder / "run.jsonl").write_text('{"line":1}\\n{"line":2}\\n{"cut')
(folder / "doing.json").write_text('{"stage":"round 1"}')
sys.stdin.read()
(folder / "run.jsonl").write_text('{"line":1}\\n{"line":2}\\n{"line":3}\\n')
(folder / "outcome.json").write_text('{"ended":"left","reason":"asked to"}')
"""


def an_order(**changes: Any) -> Order:
    plan = a_plan()
    return Order(run="r", manner=plan.manner, unit=plan.units[0], **changes)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], threading.Thread]]:
    """Let a host carry out an order by a process that runs this script instead of a benchmark."""
    threads: list[threading.Thread] = []

    def start(script: str = SCRIPT) -> threading.Thread:
        def popen(folder: Path, text: str, output: int) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-c", script, str(folder)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output)
            assert process.stdin is not None
            process.stdin.write(text.encode() + b"\n")
            process.stdin.flush()
            return process

        monkeypatch.setattr(at_host, "_start", popen)
        threads.append(threading.Thread(target=at_host.carry_out, args=(encoded(an_order()),)))
        threads[-1].start()
        until(lambda: KEY in at_host.UNITS)
        return threads[-1]

    yield start
    for thread in threads:
        at_host.end(KEY)
        thread.join(30)


def until(true: Callable[[], Any]) -> Any:
    """Wait until something is true; return it."""
    deadline_s = time.monotonic() + 30
    while not (found := true()):
        assert time.monotonic() < deadline_s, "it took too long"
        time.sleep(0.05)
    return found


def news(offset: int = 0) -> News:
    return msgspec.json.decode(at_host.news(KEY, offset), type=News)


def test_whole_lines_are_told_from_the_asked_place_on(started: Any) -> None:
    started()
    found = until(lambda: (told := news()).lines and told.doing.stage and told)
    assert found == News(process=PROCESS, lines='{"line":1}\n{"line":2}\n', doing=Doing(stage="round 1"))
    assert news(len('{"line":1}\n')).lines == '{"line":2}\n'
    assert KEY in at_host.facts()
    assert not news(0).outcome


def test_a_run_that_is_stopped_ends_in_order_and_its_last_lines_wait_for_the_client(started: Any) -> None:
    thread = started()
    until(lambda: news().lines)
    at_host.stop(KEY)
    told = until(lambda: (found := news(11)).outcome and found)
    assert told.lines == '{"line":2}\n{"line":3}\n'
    assert told.outcome == Outcome(ended="left", reason="asked to")
    at_host.end(KEY)
    thread.join(30)
    assert not news().known


def test_a_run_that_nobody_asks_for_ends(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    thread = started()
    until(lambda: news().lines)
    folder = at_host.UNITS[KEY].folder
    monkeypatch.setattr(at_host, "SILENCE_S", 0.3)
    thread.join(30)
    assert not thread.is_alive()
    assert not folder.exists()
    assert KEY not in at_host.facts()


def test_a_run_whose_process_dies_says_how(started: Any) -> None:
    started("import sys; sys.stdin.readline(); print('ValueError: no such thing'); sys.exit(7)")
    outcome = until(lambda: news().outcome)
    assert outcome == Outcome(ended="crashed", reason="its process ended with 7: ValueError: no such thing")


def test_many_megabytes_are_told_in_parts_and_the_outcome_comes_last(
    started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_host, "TOLD_BYTES", 15)
    started(SCRIPT.replace("sys.stdin.read()", ""))
    until(lambda: at_host.UNITS[KEY].outcome)
    text = ""
    for number in range(3):
        told = news(len(text.encode()))
        text += told.lines
        assert bool(told.outcome) == (number == 2)
    assert text == '{"line":1}\n{"line":2}\n{"line":3}\n'


def test_a_line_longer_than_what_is_told_at_once_is_told_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_host, "TOLD_BYTES", 4)
    path = tmp_path / "run.jsonl"
    path.write_text("a long line\nanother\n")
    assert at_host._lines(path, 0) == ("a long line\n", True)
    assert at_host._lines(path, 12) == ("another\n", False)


def test_a_client_that_comes_anew_sees_whether_it_has_the_beginning(started: Any) -> None:
    import hashlib

    started()
    until(lambda: news().lines)
    same = hashlib.sha256(b'{"line":1}\n').hexdigest()
    assert at_host.has(KEY, 11, same)
    assert not at_host.has(KEY, 12, same)
    assert not at_host.has(KEY, 11, hashlib.sha256(b"other lines").hexdigest())
    assert not at_host.has("r/02", 0, hashlib.sha256(b"").hexdigest())


# The process of the unit


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let a run write what it would, and then do something else."""

    def fake(then: Callable[[], None] = lambda: None, rows: int | None = None) -> None:
        def run_plan(plan: Any, setup: Any, listener: Any, write: Any, *_: Any) -> None:
            listener.stage("round 1", 2)
            for row in plan.rows[:rows]:
                write(a_parity_result(row))
                write(a_record(row))
            then()

        monkeypatch.setattr(session, "run_plan", run_plan)

    return fake


def test_a_unit_is_an_ordinary_run_that_names_its_host(tmp_path: Path, runner: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("BENCH_HOST", "n1")
    runner()
    telling = Telling(tmp_path / "doing.json")
    assert measured(an_order(instead_of="n0"), tmp_path / "run.jsonl", telling) == Outcome(ended="whole")
    run = read_run(tmp_path / "run.jsonl")
    assert (run.header.host, run.header.instead_of, run.header.schedule_seed) == ("n1", "n0", 7)
    assert run.header.rows == an_order().unit.rows
    assert run.header.command == "bench run --cluster x"
    assert msgspec.json.decode((tmp_path / "doing.json").read_bytes(), type=Doing).stage == "round 1"


def test_it_goes_on_with_a_run_file(tmp_path: Path, runner: Any) -> None:
    runner()
    path = tmp_path / "run.jsonl"
    measured(an_order(), path, Telling(tmp_path / "doing.json"))
    begun = path.read_text()
    path.unlink()
    assert measured(an_order(begun=begun), path, Telling(tmp_path / "doing.json")).ended == "whole"
    assert path.read_text().startswith(begun)
    other = begun.replace('"cores":', '"cores":1', 1)
    path.unlink()
    refused = measured(an_order(begun=other), path, Telling(tmp_path / "doing.json"))
    assert refused.ended == "refused"
    assert "begun under other conditions: cores" in refused.reason


def test_several_jobs_tell_at_the_same_time(tmp_path: Path) -> None:
    telling = Telling(tmp_path / "doing.json")
    telling.stage("parity", 400)

    def work() -> None:
        for _ in range(100):
            telling.begins("a row")
            telling.ended("a row", "ok")

    with ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(work) for _ in range(4)]:
            each.result()
    found = msgspec.json.decode((tmp_path / "doing.json").read_bytes(), type=Doing)
    assert (found.stage, found.done, found.total) == ("parity", 400, 400)


def raises(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


@pytest.mark.parametrize(
    ("error", "rows", "outcome"),
    [
        (UserError("no room"), None, Outcome(ended="refused", reason="no room")),
        (KeyboardInterrupt(), None, Outcome(ended="left", reason="it was ended from outside")),
        (AllocationEnds("the job ends"), None, Outcome(ended="whole", reason="the job ends")),
        (AllocationEnds("the job ends"), 1, Outcome(ended="late", reason="the job ends")),
    ],
)
def test_how_a_run_ended_is_told(
    tmp_path: Path, runner: Any, error: BaseException, rows: int | None, outcome: Outcome
) -> None:
    runner(raises(error), rows)
    assert measured(an_order(), tmp_path / "run.jsonl", Telling(tmp_path / "doing.json")) == outcome


def test_missing_data_are_no_result_but_a_refusal(tmp_path: Path, runner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    runner()
    monkeypatch.setattr(at_unit, "fetch_data", lambda tasks, *_: dict.fromkeys(tasks, "no source delivered it"))
    outcome = measured(an_order(), tmp_path / "run.jsonl", Telling(tmp_path / "doing.json"))
    assert outcome == Outcome(ended="refused", reason="no source delivered it")
    assert not (tmp_path / "run.jsonl").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that sockets hold")
def test_two_runs_on_one_machine_take_turns(tmp_path: Path, runner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_LOCK", str(tmp_path))
    ends: list[float] = []
    runner(lambda: ends.append(time.monotonic()))
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        if seconds != at_unit.TURN_S:  # somebody else's: of Python, while it waits for a process
            return
        doing = msgspec.json.decode((tmp_path / "doing.json").read_bytes(), type=Doing)
        assert "another run is under way on this machine" in doing.stage
        waits.append(time.monotonic())
        if len(waits) == 2:
            holder.__exit__(None, None, None)

    monkeypatch.setattr(at_unit.time, "sleep", sleep)
    holder = alone()
    holder.__enter__()
    assert measured(an_order(), tmp_path / "run.jsonl", Telling(tmp_path / "doing.json")).ended == "whole"
    assert len(waits) == 2
    assert ends[0] > waits[-1]


@pytest.mark.slow
def test_a_real_unit_ends_with_all_its_processes_when_its_host_is_killed(tmp_path: Path) -> None:
    order = msgspec.structs.replace(an_order(), unit=msgspec.structs.replace(a_plan().units[2], name="x"))
    code = (
        "import sys, threading; from bench.fleet import at_host; text = sys.stdin.readline();"
        "threading.Thread(target=at_host.carry_out, args=(text,)).start()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, env={**os.environ}) as host:
        assert host.stdin is not None
        host.stdin.write(encoded(order).encode() + b"\n")
        host.stdin.flush()
        below = until(lambda: len(found := psutil.Process(host.pid).children(recursive=True)) >= 2 and found)
        host.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(below, timeout=30)
    assert alive == []
