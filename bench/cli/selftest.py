"""`bench selftest`, `bench faults`, `bench cheats`, `bench alarms`: does the suite tell the truth?"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import console, exit_codes
from bench.cli.interrupts import INTERRUPTS
from bench.cli.options import Backends, DataDir, Modes, Tasks, Threads, TimeLimit, refuse_nan
from bench.harness.setup import TIME_LIMIT_S, make_setup
from bench.machine.host import gpu_names, this_machine
from bench.records.provenance import commit, utc_now, versions
from bench.report import terminal
from bench.runs.alone import alone
from bench.runs.plan import MAX_MINUTES, random_seed
from bench.runs.selection import Choice, choose_rows, choose_tasks, shortened
from bench.selftest import REPETITION_S, TASK
from bench.tasks.names import find_task


def selftest(
    task: Annotated[
        str, typer.Argument(metavar="[TASK]", help="Task of the runs with known ratios.", show_default=True)
    ] = TASK,
    repetitions: Annotated[int, typer.Option("--repetitions", min=1, help="Number of runs with known ratios.")] = 20,
    minutes: Annotated[
        float,
        typer.Option(
            "--minutes", min=0, max=MAX_MINUTES, callback=refuse_nan, help="Time limit of each of these runs."
        ),
    ] = REPETITION_S / 60,
    threads: Threads = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for selftest.md and selftest.csv.")] = Path("results"),
) -> None:
    """Check the suite's own claims on samples with known ratios.

    It runs on this machine and takes about half an hour.
    """
    from bench.report import export
    from bench.selftest.run import Limits, Part, claims_of, samples_csv
    from bench.selftest.run import selftest as taken

    find_task(task)
    setup, seed = make_setup(threads, TIME_LIMIT_S, None), random_seed()
    about = f"{task}; runs of at most {minutes:g} minutes; {_about(setup.threads)}"
    parts: list[Part] = []
    samples = out / "selftest.csv"
    with INTERRUPTS.keeping(lambda: _kept(samples, len(parts), "runs")):
        with alone(), console.progress() as listener:
            for part in taken(setup, listener, repetitions, seed, task, Limits(repetition_s=minutes * 60)):
                console.write(samples, samples_csv([*parts, part]))  # run by run: all of them take half an hour
                parts.append(part)
        claims = claims_of(parts)
        lines = [
            {"claim": claim.name, "wanted": claim.wanted, "got": claim.got, "holds": "yes" if claim.holds else "NO"}
            for claim in claims
        ]
        terminal.print_lines(console.output(), lines)
        console.write(out / "selftest.md", export.listed(lines, f"{about}; seed {seed}"))
        console.say(f"written: {out / 'selftest.md'}, {samples}")
    raise typer.Exit(exit_codes.of_claims(all_hold=all(claim.holds for claim in claims)))


def faults(
    tasks: Tasks = None,
    quick: Annotated[bool, typer.Option("--quick", help="Check as --quick runs do: shorter, timed runs only.")] = False,
    data_dir: DataDir = None,
    time_limit: TimeLimit = TIME_LIMIT_S,
    out: Annotated[Path, typer.Option("--out", help="Folder for the table, .md and .csv.")] = Path("results"),
) -> None:
    """Plant known faults and show which parity tier detects them.

    Default: all tasks; with --quick, the four headline tasks.
    """
    from bench.report import export
    from bench.selftest.planted import Catch, by_fault, catches, counts

    chosen = choose_tasks(tasks or ([] if quick else ["all"]))
    names = [task.name for task in (map(shortened, chosen) if quick else chosen)]
    setup = make_setup(None, time_limit, data_dir)
    about, stem = _about(setup.threads), out / ("faults-quick" if quick else "faults")
    found: list[Catch] = []
    kept = partial(_kept, Path(f"{stem}.csv"))
    with INTERRUPTS.keeping(lambda: kept(len(found), "faults")), console.progress() as listener:
        for catch in catches(names, setup, listener, followed=not quick):
            found.append(catch)
            _write_pair(stem, export.listed(by_fault(found), about), export.tidy([asdict(each) for each in found]))
    terminal.print_lines(console.output(), counts(found))
    console.say(f"written: {stem}.md, {stem}.csv")
    raise typer.Exit(exit_codes.of_detection(all_as_expected=all(catch.settled for catch in found)))


def cheats(
    time_limit: TimeLimit = TIME_LIMIT_S,
    out: Annotated[Path, typer.Option("--out", help="Folder for cheats.md and cheats.csv.")] = Path("results"),
) -> None:
    """Plant backends that cheat, and show which check catches each of them.

    An honest backend runs beside them, which no check may catch.
    """
    from bench.report import export
    from bench.selftest.caught import Caught, by_cheat, caught_cheats

    setup = make_setup(None, time_limit, None)
    about, stem = _about(setup.threads), out / "cheats"
    found: list[Caught] = []
    kept = partial(_kept, Path(f"{stem}.csv"))
    with INTERRUPTS.keeping(lambda: kept(len(found), "cheats")), console.progress() as listener:
        for cheat in caught_cheats(setup, listener):
            found.append(cheat)
            _write_pair(stem, export.listed(by_cheat(found), about), export.tidy([asdict(each) for each in found]))
    terminal.print_lines(console.output(), by_cheat(found))
    console.say(f"written: {stem}.md, {stem}.csv")
    raise typer.Exit(exit_codes.of_detection(all_as_expected=all(each.settled for each in found)))


def alarms(
    tasks: Tasks = None,
    backend: Backends = None,
    mode: Modes = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Number of initial weights and batch orders.")] = 10,
    data_dir: DataDir = None,
    time_limit: TimeLimit = TIME_LIMIT_S,
    out: Annotated[Path, typer.Option("--out", help="Folder for alarms.md and alarms.csv.")] = Path("results"),
) -> None:
    """Count false alarms of the parity check over many seeds.

    Default: all tasks, every backend and mode.
    """
    from bench.report import export
    from bench.selftest.alarms import Trial, by_row, tidy, trials

    choice = Choice(tasks=tuple(tasks or ["all"]), backends=tuple(backend or ()), modes=tuple(mode or ()), device="cpu")
    rows = choose_rows(choice, has_gpu=bool(gpu_names()))
    setup = make_setup(None, time_limit, data_dir)
    about, stem = _about(1), out / "alarms"
    found: list[Trial] = []
    kept = partial(_kept, Path(f"{stem}.csv"))
    with INTERRUPTS.keeping(lambda: kept(len(found), "trainings")), console.progress() as listener:
        for of_task in trials(rows, seeds, setup, listener):  # written task by task: a run may take hours
            found += of_task
            _write_pair(stem, export.listed(by_row(found), about), export.tidy(tidy(found)))
    if not found:
        console.print_error("none of these rows can be trained here; bench list says what is missing")
        raise typer.Exit(exit_codes.of_claims(all_hold=False))
    terminal.print_lines(console.output(), by_row(found))
    console.say(f"written: {stem}.md, {stem}.csv")
    raise typer.Exit(exit_codes.of_detection(all_as_expected=not any(trial.reason for trial in found)))


def _about(threads: int) -> str:
    """Return a sentence about where and when this was measured."""
    from bench.report import sentences

    return sentences.where(this_machine(), threads, versions(), commit(), utc_now())


def _kept(path: Path, count: int, what: str) -> str:
    """Return, for people, what an interrupted command has left. It does not go on from there."""
    return f"the results of {count} {what} are in {path}" if count else "there were no results yet"


def _write_pair(stem: Path, markdown: str, csv: str) -> None:
    console.write(Path(f"{stem}.md"), markdown)
    console.write(Path(f"{stem}.csv"), csv)
