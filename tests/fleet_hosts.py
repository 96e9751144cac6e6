"""Hosts of a cluster without a cluster: each sends the lines of a run file that is made up, some with every news."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support import a_block, a_header, a_machine, a_parity_result, a_record, a_row, write_run

from bench.fleet.checked import first_check
from bench.fleet.facts import Facts
from bench.fleet.fleet import Fleet
from bench.fleet.folder import Folder
from bench.fleet.hosts import Asked, Unreachable
from bench.fleet.news import Doing, News, Outcome
from bench.fleet.units import ANY, FleetPlan, Manner, Order, units_of
from bench.records.runfile import read_run
from bench.records.schema import Goal, Header, Row
from bench.records.sources import run_files

ROWS = (
    a_row("linear_fit"),
    a_row("linear_fit", "torch", "eager"),
    a_row("line_fit"),
    a_row("line_fit", "torch", "eager"),
    a_row("iris_mlp"),
)
GOAL = Goal(workers=None, effect=0.05, time_s=600.0)
LINES_AT_ONCE = 2


def a_plan(rows: tuple[Row, ...] = ROWS, machines: Mapping[str, bool] = ANY) -> FleetPlan:
    """Return the plan of a run on a cluster."""
    manner = Manner(
        command="bench run --cluster x",
        threads=None,
        settings={},
        seed=7,
        inference=True,
        learned=True,
        warm_cache=False,
        followed=True,
        time_limit_s=60.0,
    )
    return FleetPlan(run="r", begun_with=facts("client"), manner=manner, units=units_of(rows, GOAL, machines))


def facts(host: str, **changes: Any) -> Facts:
    """Return what a host says that is like the client."""
    usual = {
        "host": host,
        "id": f"id-{host}",
        "process": f"process of {host}",
        "code": "c0de",
        "commit": "abc",
        "python": "CPython 3.11.7",
        "versions": {"numpy": "2.4.6"},
        "environment": {},
        "gpus": (),
        "cores": 2,
    }
    return Facts(**{**usual, **changes})


def header_of(order: Order, host: Facts) -> Header:
    """Return the header that a host writes for an order."""
    return a_header(
        *order.unit.rows,
        machine=a_machine(id=host.id),
        host=host.host,
        instead_of=order.instead_of,
        schedule_seed=order.manner.seed,
        goal=order.unit.goal,
    )


@dataclass
class Doer:
    """A host: it sends all that it has of a unit, and then that the unit is whole, unless told otherwise."""

    facts: Facts
    folder: Path
    orders: list[Order] = field(default_factory=list)
    answer: Outcome = Outcome(ended="whole")  # noqa: RUF009 - it cannot be changed
    only_lines: int | None = None  # after which it sends no more, and does not end
    change: Any = None  # of a line, on its way
    content: bytes = b""
    key: str = ""
    stopped: bool = False

    def begin(self, order: Order) -> None:
        """Measure at once."""
        self.orders.append(order)
        self.key, self.stopped = order.key, False
        path = Path(tempfile.mkdtemp(dir=self.folder), "run.jsonl")
        rows = order.unit.rows
        lines = [a_parity_result(row) for row in rows]
        records = [a_record(row, block) for block in range(2) for row in rows]
        write_run(path, header_of(order, self.facts), [*lines, *records, a_block(order.unit.task)])
        self.content = path.read_bytes()
        if order.begun:  # the header of the beginning, as a host goes on with it
            own = self.content.splitlines(keepends=True)
            before = order.begun.encode()
            self.content = before + b"".join(own[before.count(b"\n") :])

    def news(self, asked: Asked) -> News:
        """Send some more lines."""
        if asked.key != self.key:
            return News(process=self.facts.process, known=False)
        lines = self.content[asked.offset :].splitlines(keepends=True)
        sent = self.content[: asked.offset].count(b"\n")
        if self.only_lines is not None:
            lines = lines[: max(0, self.only_lines - sent)]
        text = b"".join(lines[:LINES_AT_ONCE]).decode()
        if self.stopped:
            return News(process=self.facts.process, lines=text, outcome=Outcome(ended="left", reason="stopped"))
        done = len(lines) <= LINES_AT_ONCE and self.only_lines is None
        if self.change:
            text = self.change(text)
        doing = Doing(stage="round 1", job="linear_fit numpy", done=1, total=3)
        return News(process=self.facts.process, lines=text, doing=doing, outcome=self.answer if done else None)


class FakeHosts:
    """A cluster of these; `script` has what happens before the n-th look."""

    def __init__(self, *doers: Doer) -> None:
        self.doers = {f"tcp://{number}": doer for number, doer in enumerate(doers)}
        self.told: dict[str, str] = {}  # hosts that cannot be asked
        self.cache: dict[str, Facts] = {}
        self.looks = -1000  # the first one of a run, after the check of hosts, is 1
        self.script: dict[int, Any] = {}
        self.ended: list[str] = []
        self.accepted: list[str] = []
        self.lost_connection = False

    def known(self) -> Mapping[str, Facts | str]:
        self.looks += 1
        if event := self.script.get(self.looks):
            event()
        if self.lost_connection:
            raise Unreachable("the cluster cannot be reached: gone")
        self.cache = {address: self.cache.get(address, doer.facts) for address, doer in self.doers.items()}
        return {**self.cache, **self.told}

    def accept(self, address: str) -> None:
        self.accepted.append(address)

    def begin(self, address: str, order: Order) -> None:
        self.doers[address].begin(order)

    def news(self, asked: Mapping[str, Asked]) -> Mapping[str, News]:
        return {address: self.doers[address].news(each) for address, each in asked.items() if address in self.doers}

    def has(self, address: str, asked: Asked, digest: str) -> bool:
        doer = self.doers[address]
        return doer.key == asked.key and hashlib.sha256(doer.content[: asked.offset]).hexdigest() == digest

    def stop(self, address: str, key: str) -> None:
        self.doers[address].stopped = True

    def end(self, address: str, key: str) -> None:
        self.ended.append(key)
        if address in self.doers:
            self.doers[address].key = ""

    def forget(self, address: str) -> None:
        self.cache.pop(address, None)


class Passing:
    """A clock whose time passes only by waiting."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float, /) -> None:
        self.now_s += seconds


class Heard:
    """Remembers what a listener is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.shown: list[Any] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def hosts(self, found: Any, whole: int, units: int) -> None:
        self.shown.append((found, whole, units))


HERE = facts("client")


class Scene:
    """A run with some hosts, in a folder."""

    def __init__(self, folder: Path, *doers: Doer, plan: FleetPlan | None = None) -> None:
        self.hosts, self.heard, self.clock = FakeHosts(*doers), Heard(), Passing()
        self.folder = Folder(folder)
        self.plan = plan or a_plan()

    def begin(self) -> Fleet:
        """Check the hosts, and read or write the plan."""
        checked = first_check(self.hosts, HERE, self.heard, 60.0, self.clock)
        self.hosts.looks = 1
        if (self.folder.path / "plan.json").exists():
            self.plan = self.folder.plan()
        else:
            self.folder.create(self.plan)
        return Fleet(self.plan, self.folder, self.hosts, checked, self.heard, self.clock)

    def run(self) -> Fleet:
        """Carry all out."""
        fleet = self.begin()
        fleet.carry_out()
        return fleet

    def said(self, words: str) -> bool:
        """Return whether a line that was told has these words."""
        return any(words in line for line in self.heard.lines)

    def headers(self) -> list[Any]:
        """Return the headers of the run files that a command finds in the folder."""
        return [read_run(path).header for path in run_files([self.folder.path])]

    def records(self) -> list[Any]:
        """Return row, round and host of each record in the folder."""
        runs = [read_run(path) for path in run_files([self.folder.path])]
        return [(each.job.row, each.job.block, run.header.host) for run in runs for each in run.records]


def assert_complete(scene: Scene) -> None:
    """Every row of the plan has its two rounds, once, and the rows of a task are from one host."""
    records = scene.records()
    assert sorted((row, block) for row, block, _ in records) == sorted((row, block) for row in ROWS for block in (0, 1))
    hosts: dict[str, set[str]] = {}
    for row, _, host in records:
        hosts.setdefault(row.task, set()).add(host)
    assert all(len(names) == 1 for names in hosts.values())
