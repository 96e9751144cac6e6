"""The application: the commands by name, in the order of `bench --help`, and how the process ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from bench.cli import exit_codes, streams
from bench.cli.console import print_error
from bench.cli.exit_codes import ExitCode
from bench.cli.interrupts import INTERRUPTS
from bench.cli.options import expand_options
from bench.errors import UserError

COMMANDS = {  # the module in this folder and the function of each, which are imported when the command is asked for
    "list": ("machine", "list_installed"),
    "data": ("machine", "data"),
    "show": ("show", "show"),
    "run": ("run", "run"),
    "sweep": ("run", "sweep"),
    "plan": ("plan", "plan"),
    "parity": ("parity", "parity"),
    "check-backend": ("conformance", "check_backend"),
    "table": ("table", "table"),
    "report": ("report", "report"),
    "plot": ("plot", "plot"),
    "compare": ("compare", "compare"),
    "history": ("history", "history"),
    "merge": ("merge", "merge"),
    "ab": ("ab", "ab"),
    "doctor": ("machine", "doctor"),
    "selftest": ("selftest", "selftest"),
    "faults": ("selftest", "faults"),
    "cheats": ("selftest", "cheats"),
    "alarms": ("selftest", "alarms"),
}
STYLE: dict[str, Any] = {"rich_markup_mode": None, "pretty_exceptions_enable": False}


def function_of(name: str) -> Callable[..., None]:
    """Return the function that carries out a command."""
    module, function = COMMANDS[name]
    found: Callable[..., None] = getattr(import_module(f"bench.cli.{module}"), function)
    return found


@cache
def _command(name: str) -> Any:
    alone = typer.Typer(**STYLE, add_completion=False)
    alone.command(name)(expand_options(function_of(name)))
    return typer.main.get_command(alone)


class _Commands(Mapping[str, Any]):
    """The commands by name, each of which is made where it is asked for: making all takes longer than `bench list`."""

    def __getitem__(self, name: str) -> Any:
        if name not in COMMANDS:
            raise KeyError(name)
        return _command(name)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Group(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands()  # type: ignore[assignment]  # nothing is added to them


app = typer.Typer(
    cls=_Group,
    help="Train the same task, defined once, with PyTorch, TensorFlow, JAX and NumPy: check the results, then time it.",
    no_args_is_help=True,
    **STYLE,
)


@app.callback()
def _before_each_command() -> None:
    pass  # Typer makes a group of commands only where it has one of its own, or a function like this one


def main() -> NoReturn:
    """Run the command line in a process of its own, and end that process with its exit code."""
    output = streams.make_safe()
    code = exit_code()
    if reason := streams.failure(output):
        print_error("; ".join(filter(None, (f"cannot write to standard output: {reason}", INTERRUPTS.left))))
        code = code or ExitCode.FAILED
    INTERRUPTS.end(code)


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
