"""The standard streams of a command, made safe: closed ones, narrow encodings, a full device, a reader that has gone.

What a command computes is worth more than what it prints: a print that fails does not stop it. Afterwards, what could
not be written to standard output is an error.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Characters of our texts, each with one of ASCII, so that tables stay aligned where only ASCII can be written.
PLAIN = str.maketrans({"×": "x", "µ": "u", "–": "-", "…": ".", "·": ".", "→": ">"})
PLAINLY = "levelfield-plainly"  # the name under which `plainly` is registered


class Output(io.RawIOBase):
    """A file to write to whose `write` never fails. It remembers the first failure; what it could not write is lost."""

    def __init__(self, number: int) -> None:
        self.file = open(number, "wb", buffering=0, closefd=False)  # noqa: SIM115 - for the whole process
        self.failure: OSError | None = None

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return self.file.isatty()

    def fileno(self) -> int:
        """Return the number of the file."""
        return self.file.fileno()

    def write(self, content: ReadableBuffer, /) -> int:
        """Write bytes; return how many are done with."""
        try:
            return self.file.write(content) or 0
        except OSError as error:
            self.failure = self.failure or error
            return memoryview(content).nbytes


def make_safe() -> Output:
    """Replace the standard streams by safe ones, before anything else opens a file; return the standard output."""
    _open_closed()
    codecs.register_error(PLAINLY, plainly)
    output = Output(1)
    sys.stdout = _text(output, sys.stdout)
    sys.stderr = _text(Output(2), sys.stderr)
    return output


def failure(output: Output) -> str:
    """Return why the standard output could not be written, empty if it could, or if its reader had seen enough."""
    sys.stdout.flush()
    if output.failure is None or output.failure.errno == errno.EPIPE:
        return ""
    return output.failure.strerror or str(output.failure)


def plainly(error: UnicodeError) -> tuple[str, int]:
    """Return what to write for characters that an encoding lacks: one of ASCII for each."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(PLAIN)
    return "".join(character if character.isascii() else "?" for character in text), error.end


def _open_closed() -> None:
    """Open the null device in place of closed streams: their numbers would go to the next files that are opened."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, which is this one


def _text(output: Output, replaced: TextIO | None) -> TextIO:
    encoding = replaced.encoding if replaced else "utf-8"  # None if it was closed
    return io.TextIOWrapper(io.BufferedWriter(output), encoding=encoding, errors=PLAINLY, line_buffering=True)
