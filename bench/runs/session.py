"""Begins a run file, or goes on with one."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Literal

import msgspec

from bench.errors import UserError
from bench.machine.host import this_machine
from bench.machine.variables import settings_of_frameworks
from bench.records.provenance import commit, differences, utc_now, versions
from bench.records.runfile import Run, RunFile
from bench.records.schema import Header
from bench.runs.plan import Plan, resolved
from bench.runs.selection import require_row


class NotComparable(UserError):
    """Raised where samples of different machines or versions would come into one run."""


def default_path(kind: Literal["run", "sweep"]) -> Path:
    """Return the name of a new run file, by the time in UTC."""
    return Path("results") / f"{kind}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.jsonl"


def begin(path: Path, plan: Plan, command: str) -> RunFile:
    """Return a new run file with its header in it. Raises `UserError` where it cannot be written."""
    header = Header(
        created=utc_now(),
        command=command,
        machine=this_machine(),
        versions=versions(),
        commit=commit(),
        environment=settings_of_frameworks(os.environ),
        threads=plan.threads,
        goal=plan.goal,
        followed=plan.followed,
        schedule_seed=plan.seed,
        settings=dict(plan.settings),
        tasks=resolved(plan.rows, plan.settings),
        rows=plan.rows,
    )
    try:
        return RunFile.create(path, header)
    except OSError as error:
        if isinstance(error, FileExistsError) and error.filename == str(path):
            raise UserError(f"{path} exists already; name another, or go on with it by --resume {path}") from error
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def go_on(earlier: Run, threads: int | None, time_s: float | None) -> tuple[Plan, RunFile]:
    """Return the plan of a run, with another limit of time where given, and its file, open again.

    Raises `NotComparable` on another machine, with other versions or other code, `UserError` for other threads.
    """
    header = earlier.header
    for row in header.rows:
        require_row(row)
    here = msgspec.structs.replace(
        header,
        machine=this_machine(),
        versions=versions(),
        commit=commit(),
        environment=settings_of_frameworks(os.environ),
        tasks=resolved(header.rows, header.settings),
    )
    if differing := differences(header, here):
        told = "; ".join(map(str, differing))
        raise NotComparable(f"{earlier.path} was begun elsewhere or otherwise: {told}; begin a new run")
    if threads not in (None, header.threads):
        raise UserError(f"{earlier.path} was begun with {header.threads} threads, and goes on with as many")
    goal = header.goal if time_s is None else msgspec.structs.replace(header.goal, time_s=time_s)
    plan = Plan(
        rows=header.rows,
        threads=header.threads,
        settings=header.settings,
        goal=goal,
        seed=header.schedule_seed,
        followed=header.followed,
    )
    try:
        return plan, RunFile.resume(earlier)
    except OSError as error:
        raise UserError(f"cannot write {earlier.path}: {error.strerror}") from error
