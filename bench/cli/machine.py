"""`bench list`, `bench data`, `bench doctor`: what is available, and whether this machine is fit for measuring."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from rich.console import Console

from bench.cli import console, exit_codes
from bench.cli.options import DataDir, Threads
from bench.errors import require_name
from bench.harness.setup import TIME_LIMIT_S, make_setup
from bench.machine.host import gpu_names
from bench.report import terminal
from bench.tasks import TASKS
from bench.tasks.datasets.fetch import Collection, DataMissing, allowed_kinds, fetch
from bench.tasks.datasets.folders import data_folders

DOCTOR_CALIBRATIONS, DOCTOR_PAUSE_S = 5, 1.0


def list_installed() -> None:
    """List tasks, backends with their modes, and devices.

    For each backend it says whether it is installed, or how to install it.
    """
    terminal.print_list(console.output(), gpu_names())


def data(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Data sets; default: all.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Download missing data files and verify all of them."""
    collections = (task.data.collection for task in TASKS.values())
    known: dict[str, Collection] = {each.name: each for each in collections if each}
    for name in names or ():
        require_name(name, known, "data")
    folders, kinds = data_folders(os.environ, data_dir), allowed_kinds(os.environ)
    all_found = True
    for name in names or known:
        try:
            with console.progress() as listener:
                paths = fetch(known[name], folders, kinds, listener)
        except DataMissing as error:
            all_found = False
            console.say(f"{name}: {error}", file=sys.stderr)
        else:
            for path in paths.values():
                console.say(f"{name}: {path} verified")
    raise typer.Exit(exit_codes.of_claims(all_hold=all_found))


def doctor(threads: Threads = None) -> None:
    """Check whether this machine is fit for measuring.

    For each problem it says what to do.
    """
    from bench.harness.executor import calibrate_machine
    from bench.machine.doctor import findings, worst
    from bench.machine.probe import probe_machine

    setup = make_setup(threads, TIME_LIMIT_S, None)
    with Console(stderr=True).status("examining the machine"):
        calibrations = calibrate_machine(setup, DOCTOR_CALIBRATIONS, DOCTOR_PAUSE_S)
        found = findings(probe_machine(calibrations=calibrations, environment=setup.environment))
    terminal.print_findings(console.output(), found)
    raise typer.Exit(exit_codes.of_doctor(worst(found)))
