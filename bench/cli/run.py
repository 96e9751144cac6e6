"""`bench run` and `bench sweep`: check and time rows, write a run file, show the results."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from bench.analysis.baseline import require_baseline
from bench.cli import console, fleet, scaling, telling
from bench.cli.chosen import chosen_rows, plan_for
from bench.cli.interrupts import INTERRUPTS
from bench.cli.options import (
    Baseline,
    Cluster,
    EveryHost,
    Ranks,
    RunOptions,
    Tasks,
    is_given,
    refuse_choices_beside_resume,
)
from bench.errors import BadChoice, UserError
from bench.harness.setup import make_setup
from bench.machine.host import gpu_names
from bench.records.runfile import Run, read_run
from bench.records.schema import Row
from bench.runs.session import BegunRun, FinishedRun, begin, carry_out, default_path, resume
from bench.tasks import TASKS
from bench.tasks.names import TaskRef, grid


def run(
    context: typer.Context,
    tasks: Tasks = None,
    *,
    options: RunOptions,
    baseline: Baseline = "",
    rank: Ranks = "steady",
    cluster: Cluster = None,
    every_host: EveryHost = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Run file to write, or folder with --cluster; default: results/run-TIME.jsonl."),
    ] = None,
) -> None:
    """Check and time tasks on every backend and mode.

    Samples are taken in rounds, side by side, and written to a run file. Default: the headline tasks, marked * by
    bench list.
    """
    if cluster is not None or every_host:
        job = fleet.cluster_run(cluster, options, baseline, rank, every_host=every_host)
        fleet.run_on_cluster(context, job, tasks or (), out)
    path = options.resume or out or default_path("run")
    with telling.apart(wanted=options.json) as output, INTERRUPTS.keeping(partial(_kept, "run", path)):
        if options.resume is not None:
            refuse_choices_beside_resume(context)
            fleet.refuse_folder(path)
            earlier = read_run(path)
            require_baseline(baseline, earlier.header.rows)
            begun = _resume(context, options, earlier)
        else:
            rows = chosen_rows(options, tasks or (), has_gpu=bool(gpu_names()))
            require_baseline(baseline, rows)
            begun = _begin(options, rows, path)
        finished = _carry_out(begun, options)
        if options.json:
            raise typer.Exit(telling.print_outcome(finished, baseline, {}, output))
        show = telling.show_answers if options.quiet else partial(telling.show_results, baseline=baseline, rank=rank)
        _end(finished, all_fair=show((finished.run,)))


def sweep(
    context: typer.Context,
    task: Annotated[str | None, typer.Argument(metavar="TASK", help="Task to train at every point.")] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option("--vary", metavar="KEY=V1,V2,...", help="A setting and its values; repeat it for a grid."),
    ] = None,
    *,
    options: RunOptions,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Run file to write, with a table (.csv) and a plot (.png) beside it; default: "
            "results/sweep-TIME.jsonl.",
        ),
    ] = None,
) -> None:
    """Check and time a task over a grid of settings.

    It shows how cost grows with size, and where the fastest row changes.
    """
    path = options.resume or out or default_path("sweep")
    with telling.apart(wanted=options.json) as output, INTERRUPTS.keeping(partial(_kept, "sweep", path)):
        if options.resume is not None:
            refuse_choices_beside_resume(context)
            earlier = read_run(path)
            if not all(TaskRef.parse(row.task).settings for row in earlier.header.rows):
                raise UserError(f"{path} is not the run file of a sweep; continue it with bench run --resume")
            begun = _resume(context, options, earlier)
        elif task is None:
            raise BadChoice(f"bench sweep needs a task; choose from {', '.join(sorted(TASKS))}")
        else:
            rows = chosen_rows(options, grid(task, vary or ()), has_gpu=bool(gpu_names()))
            scaling.require_new_beside(path)
            begun = _begin(options, rows, path)
        finished = _carry_out(begun, options)
        all_fair, files = scaling.show_scaling(finished.run, quiet=options.quiet or options.json)
        if options.json:
            raise typer.Exit(telling.print_outcome(finished, "", files, output))
        _end(finished, all_fair=all_fair)


def _begin(options: RunOptions, rows: tuple[Row, ...], path: Path) -> BegunRun:
    setup = make_setup(options.threads, options.time_limit, options.data_dir)
    return begin(path, plan_for(options, rows, setup.threads), setup, shlex.join(["bench", *sys.argv[1:]]))


def _resume(context: typer.Context, options: RunOptions, earlier: Run) -> BegunRun:
    time_s = options.minutes * 60 if is_given(context, "minutes") else None
    return resume(earlier, options.threads, time_s, options.time_limit, options.data_dir)


def _carry_out(begun: BegunRun, options: RunOptions) -> FinishedRun:
    if begun.remark:
        console.say(f"warning: {begun.remark}", file=sys.stderr)
    with console.progress(quiet=options.quiet) as listener:
        return carry_out(begun, listener)


Command = Literal["run", "sweep"]


def _kept(command: Command, path: Path) -> str:
    """Return, for people, what an interrupted run has left and how to go on."""
    if not path.exists():
        return "there was no run file yet"
    return f"finished samples are kept. Continue with: bench {command} --resume {path}"


def _end(finished: FinishedRun, *, all_fair: bool) -> NoReturn:
    """Print the path of the run file, and end with the exit code of the run."""
    console.say(telling.end_of(finished))
    raise typer.Exit(telling.code_of(finished, all_fair=all_fair))
