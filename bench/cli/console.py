"""Output shared by all commands: print sentences, show progress, write files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TextIO

from rich.console import Console

from bench.errors import BadChoice, UserError, printable
from bench.events import RunListener
from bench.report import terminal
from bench.report.formats import ending_of
from bench.report.progress_bar import Quiet, TerminalProgress
from bench.report.text import visible

WIDTH_OF_FILES = 300  # columns, if the output is not a terminal


def output() -> Console:
    """Return the console of the standard output; if that is not a terminal, one wide enough for every table."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_OF_FILES)


def progress(*, quiet: bool = False) -> AbstractContextManager[RunListener]:
    """Return a listener that shows progress on the standard error stream, or nothing; a context manager."""
    return nullcontext(Quiet()) if quiet else TerminalProgress(Console(stderr=True))


def print_error(message: str) -> None:
    """Print an error message on one line of the standard error stream."""
    terminal.print_sentence(Console(stderr=True), f"error: {printable(message)}")


def say(text: str, file: TextIO | None = None) -> None:
    """Print a line on the standard output, or another one. It may have the name of a file, so it is made harmless."""
    print(visible(text), file=file)


def print_content(content: str) -> None:
    """Print the content of a file on the standard output, as it is; on a terminal, texts of run files do no harm."""
    content = content.rstrip("\n")
    print(visible(content) if sys.stdout.isatty() else content)


def write(path: Path, content: str | bytes) -> None:
    """Write a file; create the folders that it needs. Raises `UserError` if that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode(errors="backslashreplace"))
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def require_ending(path: Path, known: Sequence[str], what: str) -> None:
    """Raise `BadChoice` for a file whose ending promises something else than what will be in it."""
    if (ending := ending_of(path)) not in known:
        raise BadChoice(f"{what} cannot be written as {ending or 'a file without ending'} ({path}); use {known[0]}")


def deliver(content: str | bytes, out: Path | None, style: str) -> None:
    """Write content in a format to the file `out`, or print it. Raises `UserError` for what is no text to print."""
    if out is not None:
        write(out, content)
    elif isinstance(content, bytes):
        raise UserError(f"{style} is not text; name a file with --out")
    else:
        print_content(content)
