"""A run on many hosts as units of work, each of which is an ordinary run on one host. Pure.

The unit is the rounds of one task, with all its rows of one kind of device: every ratio is within a host. What travels
is JSON, and the seed of all orders is drawn before: a unit has the same schedule wherever it runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec

from backends.contract import Device
from bench.errors import UserError, shown
from bench.fleet.facts import Facts
from bench.records.schema import Count, Goal, Header, Number, Row, Seconds, Settings, Strict
from bench.runs.plan import Plan

VERSION = 1  # of the plan in a folder
OTHERS = re.compile(r"[^A-Za-z0-9._=,+-]+")  # what does not belong in the name of a file
ANY: Mapping[str, bool] = MappingProxyType({"": True})  # machine, which may have a GPU
LONGEST = 80  # characters of a task's name in that of a file


class Unit(Strict, frozen=True, kw_only=True):
    """The rows of one task on one kind of device, which are measured on one host."""

    name: str  # of its run file, without ending
    rows: tuple[Row, ...]
    goal: Goal
    machine: str = ""  # the only one that may measure it, by its `Facts.machine`; empty for any

    @property
    def device(self) -> Device:
        """The kind of device of its rows."""
        return self.rows[0].device

    @property
    def task(self) -> str:
        """The task of its rows."""
        return self.rows[0].task


class Manner(Strict, frozen=True, kw_only=True):
    """How all units of a run are measured."""

    command: str  # what the user typed
    threads: Number | None  # of each process; None: those that the host has
    settings: Settings
    seed: Count
    inference: bool
    learned: bool
    warm_cache: bool
    followed: bool
    time_limit_s: Seconds
    data_dir: str = ""  # folder on the hosts with data files of the user; empty for none


class FleetPlan(Strict, frozen=True, kw_only=True):
    """A run on a cluster: it stands in the folder of the run, which is continued from it."""

    version: int = VERSION
    run: str  # drawn: tells the units of this run from those of others on the same hosts
    begun_with: Facts  # what the client said of itself: code, versions and settings of all hosts
    manner: Manner
    units: tuple[Unit, ...]


class Order(Strict, frozen=True, kw_only=True):
    """What a host gets: one unit, and the run file so far if it goes on with one."""

    run: str
    manner: Manner
    unit: Unit
    instead_of: str = ""  # the host that had begun it and was lost
    begun: str = ""

    @property
    def key(self) -> str:
        """The name of the unit, unlike that of any unit of another run."""
        return key_of(self.run, self.unit.name)

    def plan(self, threads: int) -> Plan:
        """Return the plan of the run on the host."""
        manner = self.manner
        return Plan(
            rows=self.unit.rows,
            threads=threads,
            settings=manner.settings,
            goal=self.unit.goal,
            seed=manner.seed,
            inference=manner.inference,
            learned=manner.learned,
            warm_cache=manner.warm_cache,
            followed=manner.followed,
        )


def key_of(run: str, name: str) -> str:
    """Return the name of a unit of a run on a host."""
    return f"{run}/{name}"


def manner_of(plan: Plan, command: str, threads: int | None, time_limit_s: float, data_dir: str) -> Manner:
    """Return how the units of a plan are measured."""
    return Manner(
        command=command,
        threads=threads,
        settings=dict(plan.settings),
        seed=plan.seed,
        inference=plan.inference,
        learned=plan.learned,
        warm_cache=plan.warm_cache,
        followed=plan.followed,
        time_limit_s=time_limit_s,
        data_dir=data_dir,
    )


def units_of(rows: Iterable[Row], goal: Goal, machines: Mapping[str, bool] = ANY) -> tuple[Unit, ...]:
    """Return the units of a run: of each task and kind of device one or, with `machines`, one for each of these.

    The value of a machine says whether it has a GPU. The units that a host has share the time limit of the run, as the
    tasks of an ordinary run do.
    """
    groups: dict[tuple[str, Device], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.task, row.device), []).append(row)
    goal = msgspec.structs.replace(goal, time_s=goal.time_s / max(1, len(groups)))
    found = [
        (group, machine)
        for machine, has_gpu in machines.items()
        for (_, device), group in groups.items()
        if has_gpu or device != "gpu"
    ]
    width = len(str(len(found)))
    return tuple(
        Unit(name=_name(number, width, group[0], machine), rows=tuple(group), goal=goal, machine=machine)
        for number, (group, machine) in enumerate(found, start=1)
    )


def _name(number: int, width: int, row: Row, machine: str) -> str:
    """Return the name of a unit's file: its number tells it from all others, and sorts them."""
    task = OTHERS.sub("_", row.task)[:LONGEST]
    host = OTHERS.sub("_", machine.partition(" ")[0])[:LONGEST]
    return "-".join(
        (f"{number:0{max(2, width)}}", task, *([] if row.device == "cpu" else [row.device]), *filter(None, [host]))
    )


def encoded(content: msgspec.Struct) -> str:
    """Return content as text that travels."""
    return msgspec.json.encode(content).decode()


def plan_from(text: bytes, where: object) -> FleetPlan:
    """Return the plan that a file has. Raises `UserError` for what is none."""
    try:
        plan = msgspec.json.decode(text, type=FleetPlan)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{where} is not the plan of a run on a cluster: {shown(str(error))}") from error
    if plan.version != VERSION:
        raise UserError(f"{where} has version {plan.version}; this levelfield reads version {VERSION}")
    names = [unit.name for unit in plan.units]
    if len(set(names)) < len(names) or not all(map(_makes_sense, plan.units)):
        raise UserError(
            f"{where} is not the plan of a run on a cluster: each unit needs rows of one task on one kind of device, "
            f"and a plain name of its own"
        )
    return plan


def _makes_sense(unit: Unit) -> bool:
    """Return whether a unit has a name that can be that of a file, and rows that are measured side by side."""
    plain = bool(unit.name) and not unit.name.startswith(".") and not OTHERS.search(unit.name)
    kinds = {(row.task, row.device) for row in unit.rows}
    return plain and len(unit.name) < 4 * LONGEST and len(kinds) == 1 and len(set(unit.rows)) == len(unit.rows)


def another_run(header: Header, order: Order, host: str) -> str:
    """Return, for people, how a run file from a host is not what was ordered; empty if it is."""
    if header.rows != order.unit.rows:
        return "it has other rows"
    if header.schedule_seed != order.manner.seed:
        return "it has another schedule seed"
    return "" if header.host == host else f"it names the host {shown(header.host)}"
