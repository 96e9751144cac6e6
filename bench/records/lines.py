"""The raw lines of a run file: which are whole, and where each stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, compress
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.errors import UserError

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
WHITE = b" \t\r\n"  # around a line: JSON allows it, and some systems end lines with CR and LF
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # what msgspec raises for a bad line
AT_ONCE_BYTES = 2**18  # that are read from a file: few, so that they stay in the processor's cache


class NotARunFile(UserError):
    """Raised for a file that is not a run file; the message says why."""


class Text(NamedTuple):
    """A line without the white space around it."""

    number: int
    begin: int  # of the whole line, in bytes
    text: bytes


class Several(NamedTuple):
    """Lines that follow each other, as those of `Text`."""

    numbers: Sequence[int]
    begins: Sequence[int]
    texts: Sequence[bytes]


class Lines(Iterator[Text]):
    """The whole lines of a file, without blank ones; only some of them are in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.whole = 0  # bytes up to the end of the last whole line that was read
        self.remarks: list[str] = []
        self.following = self._read()
        self.current: Iterator[Text] = iter(())

    def __next__(self) -> Text:
        while (line := next(self.current, None)) is None:
            self.current = map(Text, *next(self.following))
        return line

    def several(self) -> Iterator[Several]:
        """Yield the lines that are left, many at a time: most of the time goes into what is done with each alone."""
        if left := [*self.current]:
            yield Several(*zip(*left, strict=True))
        yield from self.following

    def _read(self) -> Iterator[Several]:
        number = 1
        try:
            with self.path.open("rb", buffering=AT_ONCE_BYTES) as file:
                while lines := file.readlines(AT_ONCE_BYTES):
                    if not _is_whole(lines[-1]):
                        cut_off = number + len(lines) - 1
                        self.remarks.append(
                            f"{self.path}: line {cut_off} was cut off while it was written; it is left out"
                        )
                        del lines[-1]
                    *begins, self.whole = accumulate(map(len, lines), initial=self.whole)
                    texts = [*map(stripped, lines)]
                    numbers = range(number, number + len(lines))
                    number = numbers.stop
                    yield Several([*compress(numbers, texts)], [*compress(begins, texts)], [*filter(None, texts)])
        except OSError as error:
            raise NotARunFile(f"cannot read {self.path}: {error.strerror}") from error


def stripped(line: bytes) -> bytes:
    """Return a line without the white space around it."""
    return line.strip(WHITE)


def _is_whole(line: bytes) -> bool:
    """Return whether a line is complete, which the last one of a file is without a break if an editor left it out."""
    if line.endswith(b"\n") or not stripped(line):
        return True
    try:
        msgspec.json.decode(line.removeprefix(BYTE_ORDER_MARK))
    except UNREADABLE:
        return False
    return True
