"""`bench ab`: is the new version of a backend slower than the old one?"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from backends.registry import BACKENDS
from bench.cli import console, exit_codes
from bench.cli.options import (
    DataDir,
    Detect,
    Epochs,
    Minutes,
    Precisions,
    ScheduleSeed,
    Settings,
    Strict,
    Threads,
    TimeLimit,
    Workers,
    changed_settings,
)
from bench.errors import require_name
from bench.harness.setup import TIME_LIMIT_S, make_setup
from bench.records.schema import Goal, Row
from bench.report import terminal
from bench.runs.plan import Plan, percent, random_seed
from bench.runs.session import begin, carry_out, default_path
from bench.runs.versions import NEW, OLD, at_place, version_name, version_of, with_versions
from bench.tasks.names import find_task

if TYPE_CHECKING:
    from bench.analysis.changes import Change

EFFECT = "2%"
MINUTES = 5.0
PLACE = "the Python of an environment that has it (env/bin/python), or a folder to import it from"


def ab(
    task: Annotated[str, typer.Argument(metavar="TASK", help="Task to train, with settings if wanted.")],
    backend: Annotated[str, typer.Option("--backend", help="Backend whose versions are compared.")],
    old: Annotated[Path, typer.Option("--old", metavar="PLACE", help=f"The old version: {PLACE}.")],
    new: Annotated[Path, typer.Option("--new", metavar="PLACE", help="The new version, in the same way.")],
    mode: Annotated[str | None, typer.Option("--mode", help="Mode; default: the one that should be fastest.")] = None,
    device: Annotated[Literal["cpu", "gpu"], typer.Option("--device", help="Device to train on.")] = "cpu",
    precision: Precisions = "float32",
    threads: Threads = None,
    workers: Workers = None,
    detect: Detect = EFFECT,
    minutes: Minutes = MINUTES,
    fail_on: Annotated[
        str | None,
        typer.Option(
            "--fail-on", metavar="PERCENT", help="Accept a slowdown up to this; default: none that can be told."
        ),
    ] = None,
    strict: Strict = False,
    schedule_seed: ScheduleSeed = None,
    epochs: Epochs = None,
    settings: Settings = None,
    data_dir: DataDir = None,
    time_limit: TimeLimit = TIME_LIMIT_S,
    out: Annotated[
        Path | None, typer.Option("--out", help="Run file to write; default: results/ab-TIME.jsonl.")
    ] = None,
) -> None:
    """Compare two versions of a backend side by side in one run: of two environments, or two checkouts.

    Exit code 4: the new version is surely slower; 0: it is not, or this run cannot tell (5 with --strict).
    """
    from bench.analysis.versions import version_change

    find_task(task)
    require_name(backend, BACKENDS, "backend")
    entry = BACKENDS[backend]
    mode = mode or entry.modes[-1]
    require_name(mode, entry.modes, "mode")
    limit = None if fail_on is None else percent(fail_on, "--fail-on")
    entries = {which: at_place(entry, which, place) for which, place in ((OLD, old), (NEW, new))}
    setup = make_setup(threads, time_limit, data_dir)
    setup = with_versions(setup, {each.name: each for each in entries.values()})
    found = {which: version_of(each, setup) for which, each in entries.items()}
    for which, version in found.items():
        print(f"{which}: {entry.framework} {version} ({entries[which].python or entries[which].path})", file=sys.stderr)
    rows = {
        which: Row(task=task, backend=version_name(backend, which), mode=mode, device=device, precision=precision)
        for which in (OLD, NEW)
    }
    changes = changed_settings(settings, epochs)
    plan = Plan(
        rows=tuple(rows.values()),
        threads=setup.threads,
        settings=changes,
        goal=Goal(workers=workers, effect=percent(detect, "--detect"), time_s=minutes * 60),
        seed=random_seed() if schedule_seed is None else schedule_seed,
    )
    begun = begin(out or default_path("ab"), plan, setup, shlex.join(["bench", *sys.argv[1:]]))
    with console.progress() as listener:
        finished = carry_out(begun, listener)
    if finished.interrupted:
        print(f"interrupted; finished samples are kept in {finished.run.path}")
        raise typer.Exit(exit_codes.ExitCode.INTERRUPTED)
    change = version_change(finished.run, rows[OLD], rows[NEW])
    terminal.print_changes(console.output(), [change])
    print(f"run file: {finished.run.path}")
    raise typer.Exit(_verdict(change, plan.goal.effect, limit, strict=strict))


def _verdict(change: Change, effect: float, limit: float | None, *, strict: bool) -> exit_codes.ExitCode:
    """Return the exit code, and print a warning where the run cannot tell."""
    from bench.analysis.changes import too_slow, undecided
    from bench.report.compare_sentences import cannot_tell

    slower = change.kind == "slower" if limit is None else bool(too_slow([change], limit))
    open_rows = undecided([change], effect if limit is None else limit)
    if open_rows and not slower:
        sentence = cannot_tell(change, effect if limit is None else limit, "")
        print(f"warning: {sentence}", file=sys.stderr)
    return exit_codes.of_comparison(
        {change.kind}, slower=slower, undecided=bool(open_rows) and not slower, strict=strict
    )
