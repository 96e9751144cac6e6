"""`bench plan`: a run as a list of command lines, for clusters without Dask: xargs, GNU parallel, arrays of Slurm."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import console
from bench.cli.chosen import chosen_rows, plan_for
from bench.cli.options import Tasks, WhatToRun
from bench.errors import BadChoice, quoted
from bench.fleet.units import Unit, units_of
from bench.machine.host import gpu_names
from bench.report.names import counted
from bench.runs.session import default_path

OWN = ("device", "minutes", "schedule_seed")  # of a unit, whatever the user gave
NAMES = {"settings": "--set"}  # of options whose fields are called otherwise
CHECKS_MIN = 10  # for starting, fetching data and the parity check of a task, which no time limit includes


def plan(
    tasks: Tasks = None,
    *,
    options: WhatToRun,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the run files; default: results/run-TIME.")
    ] = None,
) -> None:
    """Print a run as command lines, one for each task and kind of device, each for one host.

    Every line can run on another machine, by xargs, GNU parallel or an array of Slurm. bench table takes the folder of
    their run files.
    """
    rows = chosen_rows(options, tasks or (), has_gpu=options.device == "gpu" or bool(gpu_names()))
    made = plan_for(options, rows, 1)
    folder = out or default_path("run").with_suffix("")
    if not str(folder).isprintable():  # a list of command lines has one in each line, as it will be run
        raise BadChoice(f"--out cannot be {quoted(str(folder))}: a command line shows only printable characters")
    units = units_of(rows, made.goal)
    for unit in units:
        console.print_content(command_line(unit, options, made.seed, folder))
    console.say(
        f"{counted(len(units), 'command line')}; ask the scheduler for {longest_min(units)} min for each",
        file=sys.stderr,
    )


def command_line(unit: Unit, options: WhatToRun, seed: int, folder: Path) -> str:
    """Return the command that measures a unit, with what the user chose, as a shell reads it."""
    own = {"--device": unit.device, "--minutes": f"{unit.goal.time_s / 60:.9g}", "--schedule-seed": str(seed)}
    out = folder / f"{unit.name}.jsonl"
    words = [*given(options), *(word for pair in own.items() for word in pair), "--out", str(out)]
    return shlex.join(["bench", "run", unit.task, *words])


def given(options: WhatToRun) -> Iterator[str]:
    """Yield the words of the options that are not as usual, without those that each unit has for itself."""
    usual = WhatToRun()
    for field in fields(WhatToRun):
        value = getattr(options, field.name)
        if field.name in OWN or value == getattr(usual, field.name):
            continue
        name = NAMES.get(field.name, f"--{field.name.replace('_', '-')}")
        if value is True:
            yield name
        else:
            for each in value if isinstance(value, list) else [value]:
                yield from (name, str(each))


def longest_min(units: tuple[Unit, ...]) -> int:
    """Return the minutes that a scheduler should grant: twice the sampling time, and time for the checks before it."""
    return CHECKS_MIN + math.ceil(max(2 * unit.goal.time_s for unit in units) / 60)
