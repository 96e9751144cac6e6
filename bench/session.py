"""Begins a run file, or goes on with one."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.machine import commit, settings_of_frameworks, this_machine, utc_now, versions
from bench.plan import SCHEDULE_SEED, require_row, resolved
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
        created=utc_now(),
        command=command,
        machine=this_machine(),
        versions=versions(),
        commit=commit(),
        environment=settings_of_frameworks(os.environ),
        workers=1 + max((job.block for job in jobs), default=0),
        threads=jobs[0].threads if jobs else 0,
        schedule_seed=SCHEDULE_SEED,
        tasks=resolved((job.row for job in jobs), changes),
        jobs=jobs,
    )
    try:
        return RunFile.create(path, header)
    except OSError as error:
        if isinstance(error, FileExistsError) and error.filename == str(path):
            raise UserError(f"{path} exists already; name another, or go on with it by --resume {path}") from error
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def go_on(earlier: Run, threads: int | None) -> tuple[tuple[Job, ...], RunFile]:
    """Return the jobs that a run still owes, and its file, open again.

    Raises `NotComparable` on another machine, with other versions or other code, `UserError` for other threads.
    """
    header, here = earlier.header, this_machine()
    for job in header.jobs:
        require_row(job.row)
    facts = {
        "versions": (header.versions, versions()),
        "code": (header.commit, commit()),
        "processor": (header.machine.cpu, here.cpu),
        "cores": (header.machine.cores, here.cores),
        "GPUs": (header.machine.gpus, here.gpus),
    }
    if differing := [name for name, (then, now) in facts.items() if then != now]:
        raise NotComparable(f"{earlier.path} was begun with other {', '.join(differing)}; begin a new run")
    if threads not in (None, header.threads):
        raise UserError(f"{earlier.path} was begun with {header.threads} threads, and goes on with as many")
    done = {(record.job.row, record.job.block) for record in earlier.records if record.status == "ok"}
    owed = tuple(job for job in header.jobs if (job.row, job.block) not in done)
    try:
        return owed, RunFile.resume(earlier)
    except OSError as error:
        raise UserError(f"cannot write {earlier.path}: {error.strerror}") from error
