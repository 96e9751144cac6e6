"""The application: the commands by name, in the order of `bench --help`, and how the process ends."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from bench.cli import (
    ab,
    compare,
    conformance,
    exit_codes,
    history,
    machine,
    merge,
    parity,
    plan,
    plot,
    report,
    run,
    selftest,
    show,
    streams,
    table,
)
from bench.cli.console import print_error
from bench.cli.exit_codes import ExitCode
from bench.cli.interrupts import INTERRUPTS
from bench.cli.options import expand_options
from bench.errors import UserError

COMMANDS: dict[str, Callable[..., None]] = {
    "list": machine.list_installed,
    "data": machine.data,
    "show": show.show,
    "run": run.run,
    "sweep": run.sweep,
    "plan": plan.plan,
    "parity": parity.parity,
    "check-backend": conformance.check_backend,
    "table": table.table,
    "report": report.report,
    "plot": plot.plot,
    "compare": compare.compare,
    "history": history.history,
    "merge": merge.merge,
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
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for name, command in COMMANDS.items():
    app.command(name)(expand_options(command))


def main() -> None:
    """Run the command line in a process of its own, and end that process with its exit code."""
    output = streams.make_safe()
    code = exit_code()
    if reason := streams.failure(output):
        print_error("; ".join(filter(None, (f"cannot write to standard output: {reason}", INTERRUPTS.left))))
        code = code or ExitCode.FAILED
    sys.exit(code)


def exit_code() -> int | str | None:
    """Run the command line; return its exit code. An error that a user can cause gives one line."""
    try:
        with INTERRUPTS.keeping(str):
            app()
    except UserError as error:
        print_error(str(error))
        return exit_codes.of_error(error)
    except OSError as error:  # a name that is too long, a folder that may not be searched, a full disk
        if error.filename is None:
            raise
        print_error(f"cannot use {error.filename}: {error.strerror}")
        return ExitCode.USAGE_ERROR
    except SystemExit as end:
        return end.code
    return ExitCode.OK
