"""A run from beginning to end. `bench run`, `bench sweep` and `pytest bench` all measure through this module."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from backends.registry import BACKENDS
from bench.errors import UserError
from bench.events import RunListener
from bench.harness.setup import WorkerSetup, make_setup
from bench.machine.host import free_memory_bytes, this_machine
from bench.machine.variables import settings_of_frameworks
from bench.records.provenance import NotComparable, as_text, commit, differences, utc_now, versions
from bench.records.runfile import Run, read_run
from bench.records.schema import Header, ParityResult, Record, Row
from bench.records.writing import RunFile
from bench.runs.allocation import ending_in_time, seconds_left, within
from bench.runs.alone import alone, require_alone
from bench.runs.plan import Plan, resolved
from bench.runs.runner import run_plan
from bench.runs.selection import require_row
from bench.tasks.memory import require_memory
from bench.tasks.names import threads_of

# Endings of tables and pictures, which a sweep writes beside its run file, and of files that no command reads.
OTHER_ENDINGS = frozenset(
    {
        *(".csv", ".png", ".svg", ".pdf", ".md", ".html", ".tex", ".parquet", ".xlsx"),
        *(".json", ".gz", ".bz2", ".xz", ".zst", ".zip"),
    }
)


@dataclass(frozen=True, kw_only=True)
class BegunRun:
    """A run whose file is open, ready to be carried out; `earlier` are the records of a run that is resumed."""

    plan: Plan
    setup: WorkerSetup
    run_file: RunFile
    earlier: Sequence[Record] = ()
    verdicts: Mapping[Row, ParityResult] = field(default_factory=dict)  # of a run that is resumed
    told: frozenset[str] = frozenset()  # tasks whose lessons a run that is resumed has written
    remark: str = ""  # for people: what differs from what was asked for


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """What the run file holds at the end, and whether the run was interrupted: by the user, unless it says `why`."""

    run: Run
    interrupted: bool
    why: str = ""


def default_path(kind: Literal["run", "sweep", "ab"]) -> Path:
    """Return a name for a new run file that no file has, by the time in UTC: a clock may be set back."""
    stem = f"{kind}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
    names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
    return next(path for name in names if not (path := Path("results") / f"{name}.jsonl").exists())


def begin(
    path: Path, plan: Plan, setup: WorkerSetup, command: str, *, host: str = "", instead_of: str = ""
) -> BegunRun:
    """Begin a new run; `command` is what the user typed.

    In a run on a cluster, `host` is the name of this machine there, and `instead_of` the host that had begun it and was
    lost. Raises `TooLarge` where a task does not fit into memory, before there is a file, and `UserError` where a task
    wants more threads than the run has cores, the job of a scheduler ends too soon, or the file cannot be written or
    exists already.
    """
    if path.suffix.lower() in OTHER_ENDINGS:
        name = f"{path.stem.removesuffix('.jsonl')}.jsonl"
        raise UserError(f"a run file is JSON Lines, so its name cannot end in {path.suffix}; name it {name}")
    require_alone()
    require_threads_for(plan.rows, setup)
    require_memory_for(plan.rows, plan.settings, setup)
    plan, remark = within(plan, seconds_left(os.environ))
    header = msgspec.structs.replace(header_of(plan, command), host=as_text(host), instead_of=as_text(instead_of))
    try:
        return BegunRun(plan=plan, setup=setup, run_file=RunFile.create(path, header), remark=remark)
    except OSError as error:
        if isinstance(error, FileExistsError) and error.filename == str(path):
            raise UserError(f"{path} exists already; name another file, or continue it with --resume {path}") from error
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def header_of(plan: Plan, command: str) -> Header:
    """Return the header of a run on this machine that begins now."""
    return Header(
        created=utc_now(),
        command=as_text(command),
        machine=this_machine(),
        versions=versions(),
        commit=commit(),
        environment=environment_of_workers(),
        threads=plan.threads,
        goal=plan.goal,
        followed=plan.followed,
        inference=plan.inference,
        learned=plan.learned,
        warm_cache=plan.warm_cache,
        schedule_seed=plan.seed,
        settings=dict(plan.settings),
        tasks=resolved(plan.rows, plan.settings),
        rows=plan.rows,
    )


def environment_of_workers(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment variables that set a framework, those that entries of other packages name among them."""
    own = [name for entry in BACKENDS.values() for name in entry.variables]
    return {name: as_text(value) for name, value in settings_of_frameworks(environment, own).items()}


def resume(
    earlier: Run, threads: int | None, time_s: float | None, time_limit_s: float, data_dir: Path | None
) -> BegunRun:
    """Prepare to continue a run, for `time_s` seconds if given, else for its original time.

    Raises `NotComparable` if machine, versions or code differ, `TooLarge` if a task no longer fits into memory, and
    `UserError` for another number of threads or a file that cannot be written.
    """
    require_alone()
    plan, remark = within(plan_of(earlier.header, time_s), seconds_left(os.environ))
    _require_same_provenance(earlier)
    if threads not in (None, plan.threads):
        raise UserError(
            f"{earlier.path} was begun with --threads {plan.threads} and continues with it; got --threads {threads}"
        )
    setup = make_setup(plan.threads, time_limit_s, data_dir)
    require_memory_for(plan.rows, plan.settings, setup)
    try:
        run_file = RunFile.resume(earlier)
    except OSError as error:
        raise UserError(f"cannot write {earlier.path}: {error.strerror}") from error
    return BegunRun(
        plan=plan,
        setup=setup,
        run_file=run_file,
        earlier=earlier.last_records,
        verdicts=earlier.parity,
        told=frozenset(earlier.lessons),
        remark=remark,
    )


def carry_out(begun: BegunRun, listener: RunListener) -> FinishedRun:
    """Check and time the rows of a run; return the content of its file. An interrupt ends it early.

    So does the end of the job of a scheduler. Raises `AnotherRun` if another run has begun meanwhile.
    """
    interrupted, why = False, ""
    good = [record for record in begun.earlier if record.status == "ok"]
    with alone(), begun.run_file, ending_in_time(seconds_left(os.environ)):
        try:
            run_plan(begun.plan, begun.setup, listener, begun.run_file.append, good, begun.verdicts, begun.told)
        except KeyboardInterrupt as interrupt:
            interrupted, why = True, str(interrupt)
    return FinishedRun(run=read_run(begun.run_file.path), interrupted=interrupted, why=why)


def plan_of(header: Header, time_s: float | None) -> Plan:
    """Return the plan that a run was begun with, with another time limit if given."""
    for row in header.rows:
        require_row(row)
    return Plan(
        rows=header.rows,
        threads=header.threads,
        settings=header.settings,
        goal=header.goal if time_s is None else msgspec.structs.replace(header.goal, time_s=time_s),
        seed=header.schedule_seed,
        inference=header.inference,
        learned=header.learned,
        warm_cache=header.warm_cache,
        followed=header.followed,
    )


def require_threads_for(rows: Iterable[Row], setup: WorkerSetup) -> None:
    """Raise `UserError` for the first row whose task wants more threads than the run has cores."""
    for row in rows:
        wanted, given = threads_of(row.task, 1), setup.threads
        if wanted > given:
            raise UserError(f"{row.task} asks for {wanted} threads on {given} cores; choose 1 to {given}")


def require_memory_for(rows: Iterable[Row], changes: Mapping[str, Any], setup: WorkerSetup) -> None:
    """Raise `TooLarge` for the first row whose task does not fit into the free memory of this machine."""
    for precision, some in itertools.groupby(rows, key=lambda row: row.precision):
        names = dict.fromkeys(row.task for row in some)
        require_memory(names, changes, precision, len(setup.cores), free_memory_bytes())


def _require_same_provenance(earlier: Run) -> None:
    header = earlier.header
    here = msgspec.structs.replace(
        header,
        machine=this_machine(),
        versions=versions(),
        commit=commit(),
        environment=environment_of_workers(),
        tasks=resolved(header.rows, header.settings),
    )
    if differing := differences(header, here):
        raise NotComparable(
            f"{earlier.path} was begun under other conditions: {'; '.join(map(str, differing))}; begin a new run"
        )
