"""`bench ab`: is the new version of a backend slower than the old one?"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from msgspec import structs

from backends.registry import BACKENDS, Entry
from bench.cli import console, exit_codes, telling
from bench.cli.compare import comparison_code, require_junit, write_junit
from bench.cli.interrupts import INTERRUPTS
from bench.cli.options import (
    DataDir,
    Detect,
    Epochs,
    JsonOption,
    Junit,
    Minutes,
    Precisions,
    QuietOption,
    ScheduleSeed,
    Settings,
    Strict,
    Threads,
    TimeLimit,
    Workers,
    changed_settings,
)
from bench.errors import BadChoice, require_name
from bench.harness.setup import TIME_LIMIT_S, make_setup
from bench.machine.host import gpu_names
from bench.records.runfile import Run
from bench.records.schema import Goal, Row
from bench.records.version_rows import NEW, OLD, pairs_of
from bench.report import terminal
from bench.runs.plan import Plan, percent, random_seed
from bench.runs.selection import require_device
from bench.runs.session import begin, carry_out, default_path
from bench.runs.versions import at_place, version_of, with_versions
from bench.tasks.names import find_task

if TYPE_CHECKING:
    from bench.analysis.changes import Change

EFFECT = "2%"
MINUTES = 5.0
PLACE = "the Python of an environment that has it (env/bin/python), or a folder to import it from"


@dataclass(frozen=True, kw_only=True)
class AbOptions:
    """The options of `bench ab` that have a default, with the user's values."""

    mode: Annotated[str | None, typer.Option("--mode", help="Mode; default: the one that should be fastest.")] = None
    device: Annotated[Literal["cpu", "gpu"], typer.Option("--device", help="Device to train on.")] = "cpu"
    precision: Precisions = "float32"
    threads: Threads = None
    workers: Workers = None
    detect: Detect = EFFECT
    minutes: Minutes = MINUTES
    fail_on: Annotated[
        str | None,
        typer.Option(
            "--fail-on", metavar="PERCENT", help="Accept a slowdown up to this; default: fail if it is surely slower."
        ),
    ] = None
    strict: Strict = False
    junit: Junit = None
    schedule_seed: ScheduleSeed = None
    epochs: Epochs = None
    settings: Settings = None
    data_dir: DataDir = None
    time_limit: TimeLimit = TIME_LIMIT_S
    quiet: QuietOption = False
    json: JsonOption = False
    out: Annotated[Path | None, typer.Option("--out", help="Run file to write; default: results/ab-TIME.jsonl.")] = None


def ab(
    task: Annotated[str, typer.Argument(metavar="TASK", help="Task to train, with settings if wanted.")],
    backend: Annotated[str, typer.Option("--backend", help="Backend whose versions are compared.")],
    old: Annotated[Path, typer.Option("--old", metavar="PLACE", help=f"The old version: {PLACE}.")],
    new: Annotated[Path, typer.Option("--new", metavar="PLACE", help="The new version, in the same way.")],
    *,
    options: AbOptions,
) -> None:
    """Compare two versions of a backend side by side in one run: of two environments, or two checkouts.

    Exit code 4: the new version is surely slower; 0: it is not, or this run cannot tell (5 with --strict).
    """
    find_task(task)
    require_name(backend, BACKENDS, "backend")
    require_device(options.device, has_gpu=options.device == "gpu" and bool(gpu_names()))
    limit = None if options.fail_on is None else percent(options.fail_on, "--fail-on")
    path = _run_file(options)
    entries = [at_place(BACKENDS[backend], which, place) for which, place in ((OLD, old), (NEW, new))]
    setup = make_setup(options.threads, options.time_limit, options.data_dir)
    setup = with_versions(setup, {each.name: each for each in entries})
    plan = _plan(task, entries, options, setup.threads)
    for which, entry in zip((OLD, NEW), entries, strict=True):
        version = version_of(entry, setup)
        console.say(f"{which}: {entry.framework} {version} ({entry.python or entry.path})", file=sys.stderr)
    with telling.apart(wanted=options.json) as output, INTERRUPTS.keeping(partial(_kept, path)):
        begun = begin(path, plan, setup, shlex.join(["bench", *sys.argv[1:]]))
        with console.progress(quiet=options.quiet) as listener:
            finished = carry_out(begun, listener)
        changes: tuple[Change, ...] = ()
        if finished.interrupted:
            print(INTERRUPTS.told(finished.why or "interrupted"))
            code = exit_codes.ExitCode.INTERRUPTED
        else:
            changes, code = _tell(finished.run, plan, limit, options)
        if options.json:
            telling.print_changes(path, changes, code, output)
        raise typer.Exit(code)


def _run_file(options: AbOptions) -> Path:
    """Return the run file to write. Raises `BadChoice` for a `--junit` that is no XML, or the same file."""
    path = options.out or default_path("ab")
    if options.junit is not None:
        require_junit(options.junit)
        if options.junit.absolute() == path.absolute():
            raise BadChoice(f"--junit and --out name the same file: {path}")
    return path


def _kept(path: Path) -> str:
    """Return, for people, what an interrupted comparison has left."""
    if not path.exists():
        return "there was no run file yet"
    return f"finished samples are kept. Show them with: bench table {path}; bench ab begins anew"


def _tell(
    run: Run, plan: Plan, limit: float | None, options: AbOptions
) -> tuple[tuple[Change, ...], exit_codes.ExitCode]:
    """Print how the new version differs from the old one; return it, and the exit code that says so."""
    from bench.analysis.versions import version_change
    from bench.report.version_sentences import version_sentences

    change = version_change(run, *plan.rows)
    names = {name: shown for pair in pairs_of(run) for name, shown in pair.names.items()}
    change = replace(change, row=structs.replace(change.row, backend=names[change.row.backend]))
    if not (options.quiet or options.json):
        terminal.print_changes(console.output(), [change])
    for sentence in version_sentences([run]):
        terminal.print_sentence(console.output(), sentence)
    console.say(f"run file: {run.path}")
    if options.junit is not None:
        write_junit(options.junit, [change], limit, plan.goal.effect, strict=options.strict, where="")
    return (change,), _verdict(change, plan.goal.effect, limit, strict=options.strict)


def _plan(task: str, entries: Sequence[Entry], options: AbOptions, threads: int) -> Plan:
    """Return the plan of a run of two versions, the old one first."""
    modes = entries[0].modes
    mode = options.mode or modes[-1]
    require_name(mode, modes, "mode")
    return Plan(
        rows=tuple(
            Row(task=task, backend=entry.name, mode=mode, device=options.device, precision=options.precision)
            for entry in entries
        ),
        threads=threads,
        settings=changed_settings(options.settings, options.epochs),
        goal=Goal(workers=options.workers, effect=percent(options.detect, "--detect"), time_s=options.minutes * 60),
        seed=random_seed() if options.schedule_seed is None else options.schedule_seed,
    )


def _verdict(change: Change, effect: float, limit: float | None, *, strict: bool) -> exit_codes.ExitCode:
    """Return the exit code, and print a warning where the run cannot tell."""
    from bench.analysis.changes import too_slow, undecided

    slower = change.kind == "slower" if limit is None else bool(too_slow([change], limit))
    limit = effect if limit is None else limit
    open_rows = [] if slower else undecided([change], limit)
    return comparison_code([change], open_rows, limit, slower=slower, strict=strict, where="")
