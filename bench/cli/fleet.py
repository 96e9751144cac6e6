"""`bench run --cluster`: the same run on many hosts, by Dask."""

from __future__ import annotations

import secrets
import shlex
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

import typer
from rich.console import Console

from bench.analysis.baseline import require_baseline
from bench.cli import console, reading, telling
from bench.cli.chosen import chosen_rows, plan_for
from bench.cli.exit_codes import ExitCode
from bench.cli.interrupts import INTERRUPTS
from bench.cli.options import ALLOWED_ON_A_CLUSTER, RunOptions, refuse_choices_beside_resume
from bench.errors import BadChoice, UserError
from bench.records.provenance import NotComparable
from bench.report.fleet_progress import QuietFleet, TerminalFleet
from bench.runs.session import default_path

if TYPE_CHECKING:
    from bench.analysis.summary import Rank
    from bench.fleet.checked import Checked
    from bench.fleet.fleet import Fleet
    from bench.fleet.folder import Folder
    from bench.fleet.units import FleetPlan

FIRST_HOST_S = 600.0  # for which the first host is waited: a scheduler takes a while to start it


@dataclass(frozen=True)
class ClusterRun:
    """A run on a cluster, as the user asked for it."""

    address: str
    options: RunOptions
    baseline: str
    rank: Rank
    every_host: bool


def cluster_run(address: str | None, options: RunOptions, baseline: str, rank: Rank, *, every_host: bool) -> ClusterRun:
    """Return what the user asked for. Raises `BadChoice` without an address."""
    if address is None:
        raise BadChoice("--every-host is for the hosts of a cluster; name one with --cluster")
    return ClusterRun(address, options, baseline, rank, every_host)


def run_on_cluster(context: typer.Context, job: ClusterRun, tasks: Iterable[str], out: Path | None) -> NoReturn:
    """Measure on the hosts of a cluster, into a folder; show the results and end with the exit code of the run."""
    from bench.fleet.checked import first_check
    from bench.fleet.dask_hosts import connected
    from bench.fleet.facts import facts_of_this_host
    from bench.fleet.fleet import Fleet

    folder = _folder(context, job, tuple(tasks), out)
    with (
        telling.apart(wanted=job.options.json) as output,
        INTERRUPTS.keeping(partial(_kept, folder.path, job.address)),
        connected(job.address) as hosts,
        _progress(quiet=job.options.quiet) as listener,
    ):
        checked = first_check(hosts, facts_of_this_host(), listener, FIRST_HOST_S)
        plan = _plan(job, tuple(tasks), folder, checked)
        with folder.locked():
            fleet = Fleet(plan, folder, hosts, checked, listener)
            try:
                fleet.carry_out()
            except UserError as error:  # the cluster is gone, or the disk is full
                raise UserError(f"{error}; {_kept(folder.path, job.address)}") from error
    raise typer.Exit(_show(job, fleet, output))


def _folder(context: typer.Context, job: ClusterRun, tasks: tuple[str, ...], out: Path | None) -> Folder:
    """Return the folder of the run. Raises `UserError` for choices that make no sense, before anything is connected."""
    from bench.fleet.dask_hosts import local_workers
    from bench.fleet.folder import Folder

    local_workers(job.address)
    if job.options.resume is not None:
        refuse_choices_beside_resume(context, ALLOWED_ON_A_CLUSTER)
        folder = Folder(job.options.resume)
        require_baseline(job.baseline, [row for unit in folder.plan().units for row in unit.rows])
        return folder
    rows = chosen_rows(job.options, tasks, has_gpu=True)
    require_baseline(job.baseline, rows)
    plan_for(job.options, rows, 1)
    folder = Folder(out or default_path("run").with_suffix(""))
    folder.require_new()
    return folder


def _plan(job: ClusterRun, tasks: tuple[str, ...], folder: Folder, checked: Checked) -> FleetPlan:
    """Return the plan of a run that is continued, or make a new one, for the hosts that are there."""
    from bench.fleet.facts import unlike
    from bench.fleet.units import ANY, FleetPlan, manner_of, units_of

    options = job.options
    if options.resume is not None:
        begun = folder.plan()
        if differing := unlike(begun.begun_with, checked.here, ("then", "now")):
            raise NotComparable(
                f"{folder.path} was begun under other conditions: {'; '.join(differing)}; begin a new run"
            )
        return begun
    machines = {facts.machine: bool(facts.gpus) for facts in checked.accepted.values()}
    has_gpu = any(machines.values())
    if options.device == "gpu" and not has_gpu:
        raise BadChoice("no host of the cluster has an NVIDIA GPU (nvidia-smi names none); choose --device cpu or auto")
    rows = chosen_rows(options, tasks, has_gpu=has_gpu)
    plan = plan_for(options, rows, options.threads or 1)
    data_dir = "" if options.data_dir is None else str(options.data_dir.absolute())
    command = shlex.join(["bench", *sys.argv[1:]])
    manner = manner_of(plan, command, options.threads, options.time_limit, data_dir)
    units = units_of(rows, plan.goal, machines if job.every_host else ANY)
    made = FleetPlan(run=secrets.token_hex(8), begun_with=checked.here, manner=manner, units=units)
    folder.create(made)
    return made


def _progress(*, quiet: bool) -> AbstractContextManager[QuietFleet | TerminalFleet]:
    return QuietFleet() if quiet else TerminalFleet(Console(stderr=True))


def _kept(folder: Path, address: str) -> str:
    """Return, for people, what an interrupted run has left and how to go on."""
    if not folder.exists():
        return "nothing was measured yet"
    return f"what has come is kept. Continue with: bench run --cluster {address} --resume {folder}"


def _show(job: ClusterRun, fleet: Fleet, output: TextIO) -> ExitCode:
    """Show the results of all units that are whole, and what became of the others; return the exit code."""
    paths, unfinished = fleet.paths(), fleet.unfinished()
    runs = reading.read(paths)
    if job.options.json:
        return telling.print_outcomes(
            fleet.folder.path, runs, {each.unit.name: each.reason for each in unfinished}, output
        )
    show = (
        telling.show_answers
        if job.options.quiet
        else partial(telling.show_results, baseline=job.baseline, rank=job.rank)
    )
    all_fair = not runs or show(runs)
    for place in unfinished:
        console.say(f"{place.unit.name} is not measured: {place.reason or 'it waits for a host'}")
    console.say(_end(fleet, job, len(paths)))
    return telling.code_of_all(runs, all_fair=all_fair, whole=not unfinished)


def _end(fleet: Fleet, job: ClusterRun, whole: int) -> str:
    told = f"run files: {fleet.folder.path} ({whole} of {len(fleet.places)} units)"
    if whole == len(fleet.places):
        return told
    return f"{told}. Continue with: bench run --cluster {job.address} --resume {fleet.folder.path}"


def refuse_folder(path: Path) -> None:
    """Raise `UserError` for the folder of a run on a cluster, which no ordinary run continues."""
    if path.is_dir():
        raise UserError(f"{path} is a folder; a run on a cluster is continued with --cluster ADDRESS --resume {path}")
