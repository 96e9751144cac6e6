"""The raw lines of a run file: which are whole, and where each stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.errors import UserError

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
WHITE = b" \t\r"  # around a line: JSON allows it, and systems that end lines with CR and LF leave it
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # what msgspec raises for a bad line
AT_ONCE_BYTES = 2**18  # that are read from a file


class NotARunFile(UserError):
    """Raised for a file that is not a run file; the message says why."""


class Text(NamedTuple):
    """A line without the white space around it."""

    number: int
    begin: int  # of the whole line, in bytes
    text: bytes


class Lines(Iterator[Text]):
    """The whole lines of a file, without blank ones; only one of them is in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.whole = 0  # bytes up to the end of the last whole line so far
        self.remarks: list[str] = []
        self.found = self._read()

    def __next__(self) -> Text:
        return next(self.found)

    def _read(self) -> Iterator[Text]:
        try:
            with self.path.open("rb", buffering=AT_ONCE_BYTES) as file:
                for number, line in enumerate(file, start=1):
                    if line[-1:] != b"\n" and line.strip() and not _is_whole(line):
                        self.remarks.append(
                            f"{self.path}: line {number} was cut off while it was written; it is left out"
                        )
                        return
                    begin = self.whole
                    self.whole += len(line)
                    if text := stripped(line):
                        yield Text(number, begin, text)
        except OSError as error:
            raise NotARunFile(f"cannot read {self.path}: {error.strerror}") from error


def stripped(line: bytes) -> bytes:
    """Return a line without the white space around it."""
    return line.removesuffix(b"\n").strip(WHITE)


def _is_whole(line: bytes) -> bool:
    """Return whether the last line, which has no line break, is complete: an editor may have left the break out."""
    try:
        msgspec.json.decode(line.removeprefix(BYTE_ORDER_MARK))
    except UNREADABLE:
        return False
    return True
