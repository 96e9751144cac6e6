"""The application: the commands by name, in the order of `bench --help`, and how the process ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import typer

from bench.cli import ab, conformance, exit_codes, machine, parity, run, selftest, table
from bench.cli.console import print_error
from bench.cli.interrupts import INTERRUPTS, CannotPrint
from bench.cli.options import expand_options
from bench.errors import UserError

COMMANDS: dict[str, Callable[..., None]] = {
    "list": machine.list_installed,
    "data": machine.data,
    "run": run.run,
    "sweep": run.sweep,
    "parity": parity.parity,
    "check-backend": conformance.check_backend,
    "table": table.table,
    "compare": table.compare,
    "ab": ab.ab,
    "doctor": machine.doctor,
    "selftest": selftest.selftest,
    "faults": selftest.faults,
    "cheats": selftest.cheats,
    "alarms": selftest.alarms,
}

app = typer.Typer(
    help="Train the same task, defined once, with PyTorch, TensorFlow, JAX and NumPy: check the results, then time it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for name, command in COMMANDS.items():
    app.command(name)(expand_options(command))


def main() -> None:
    """Run the command line; an error that a user can cause gives one line and an exit code."""
    try:
        with INTERRUPTS.keeping(str):
            try:
                app()
            finally:
                sys.stdout.flush()
    except CannotPrint as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is not tried again at the end
        print_error(str(error))
        sys.exit(exit_codes.ExitCode.FAILED)
    except UserError as error:
        print_error(str(error))
        sys.exit(exit_codes.of_error(error))
