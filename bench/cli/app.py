"""The application: the commands by name, in the order of `bench --help`, and how the process ends."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

import typer

from bench.cli import ab, conformance, exit_codes, machine, parity, run, selftest, table
from bench.cli.console import encode_everything, print_error
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


def end_on_signals() -> None:
    """Let a signal that ends the process end its workers too, as Ctrl-C does, unless the user has it ignored."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores SIGHUP, so that a run outlives its terminal
            signal.signal(number, signal.default_int_handler)


def main() -> None:
    """Run the command line; an error that a user can cause gives one line and an exit code."""
    end_on_signals()
    encode_everything()
    try:
        app()
    except UserError as error:
        print_error(str(error))
        sys.exit(exit_codes.of_error(error))
    except OSError as error:  # a name that is too long, a folder that may not be searched, a full disk
        if error.filename is None:
            raise
        print_error(f"cannot use {error.filename}: {error.strerror}")
        sys.exit(exit_codes.ExitCode.USAGE_ERROR)
