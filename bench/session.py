"""Begins a run file, or goes on with one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.machine import commit, this_machine, versions
from bench.plan import SCHEDULE_SEED, resolved
from bench.records import Header, Job
from bench.store import Run, RunFile


class NotComparable(UserError):
    """Raised where samples of different machines or versions would come into one run."""


def default_path() -> Path:
    """Return the name of a new run file, by the time in UTC."""
    return Path("results") / f"run-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.jsonl"


def begin(path: Path, jobs: tuple[Job, ...], changes: Mapping[str, Any], command: str) -> RunFile:
    """Return a new run file with its header in it. Raises `UserError` where it cannot be written."""
    header = Header(
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        command=command,
        machine=this_machine(),
        versions=versions(),
        commit=commit(),
        workers=1 + max((job.block for job in jobs), default=0),
        threads=jobs[0].threads if jobs else 0,
        schedule_seed=SCHEDULE_SEED,
        tasks=resolved((job.row for job in jobs), changes),
        jobs=jobs,
    )
    try:
        return RunFile.create(path, header)
    except OSError as error:
        if path.is_file():
            raise UserError(f"{path} exists already; name another, or go on with it by --resume {path}") from error
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def go_on(earlier: Run, threads: int) -> tuple[tuple[Job, ...], RunFile]:
    """Return the jobs that a run still owes, and its file, open again.

    Raises `NotComparable` on another machine or with other versions, `UserError` for other threads.
    """
    header = earlier.header
    differing = [
        name for name, now in (("versions", versions()), ("machine", this_machine())) if _differs(header, name, now)
    ]
    if differing:
        raise NotComparable(f"{earlier.path} was begun with other {' and '.join(differing)}; begin a new run")
    if header.threads != threads:
        raise UserError(
            f"{earlier.path} was begun with {header.threads} threads; go on with --threads {header.threads}"
        )
    done = {(record.job.row, record.job.block) for record in earlier.records if record.status == "ok"}
    owed = tuple(job for job in header.jobs if (job.row, job.block) not in done)
    try:
        return owed, RunFile.resume(earlier)
    except OSError as error:
        raise UserError(f"cannot write {earlier.path}: {error.strerror}") from error


def _differs(header: Header, name: str, now: Any) -> bool:
    if name == "machine":
        return (header.machine.cpu, header.machine.cores) != (now.cpu, now.cores)
    return bool(getattr(header, name) != now)
