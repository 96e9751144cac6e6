"""`bench parity`: does every backend compute what its tasks define?"""

from __future__ import annotations

import typer

from bench.cli import console, exit_codes
from bench.cli.options import (
    Backends,
    DataDir,
    Devices,
    Epochs,
    Modes,
    Settings,
    Tasks,
    TimeLimit,
    changed_settings,
)
from bench.harness.setup import TIME_LIMIT_S, make_setup
from bench.machine.host import gpu_names
from bench.parity.check import check_parity
from bench.report import terminal
from bench.runs.selection import Choice, choose_rows
from bench.runs.session import require_memory_for


def parity(
    tasks: Tasks = None,
    backend: Backends = None,
    mode: Modes = None,
    device: Devices = "auto",
    epochs: Epochs = None,
    settings: Settings = None,
    data_dir: DataDir = None,
    time_limit: TimeLimit = TIME_LIMIT_S,
) -> None:
    """Check in float64 that backends compute what the tasks define.

    Default: all tasks, every backend and mode.
    """
    changes = changed_settings(settings, epochs)
    choice = Choice(
        tasks=tuple(tasks or ["all"]),
        backends=tuple(backend or ()),
        modes=tuple(mode or ()),
        device=device,
        precision="float64",
        settings=changes,
    )
    rows = choose_rows(choice, has_gpu=bool(gpu_names()))
    setup = make_setup(None, time_limit, data_dir)
    require_memory_for(rows, changes, setup)
    with console.progress() as listener:
        results = list(check_parity(rows, setup, changes, listener))
    terminal.print_parity(console.output(), sorted(results, key=lambda result: rows.index(result.row)))
    raise typer.Exit(exit_codes.of_parity([result.status for result in results], results))
