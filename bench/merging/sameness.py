"""Whether a run file is one that a store has: the same lines, more of them, or others. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice, zip_longest

from bench.records.lines import BYTE_ORDER_MARK, Text


class DigestSoFar:
    """A digest of lines, to which others are added; white space around a line does not count."""

    def __init__(self) -> None:
        self.found = hashlib.sha256()
        self.count = 0

    def add(self, text: bytes) -> None:
        """Add a line."""
        self.found.update(text.removeprefix(BYTE_ORDER_MARK) + b"\n")
        self.count += 1

    def through(self, lines: Iterable[Text], whole: int) -> Iterator[Text]:
        """Yield lines that begin before this number of bytes, and add them."""
        for line in lines:
            if line.begin >= whole:
                return
            self.add(line.text)
            yield line

    @property
    def digest(self) -> str:
        """The digest of all lines so far."""
        return self.found.hexdigest()


def digest_of(lines: Iterable[Text], most: int) -> str:
    """Return a digest of the first lines, `most` of them."""
    found = DigestSoFar()
    for line in islice(lines, most):
        found.add(line.text)
    return found.digest


def first_difference(lines: Iterable[Text], stored: Iterable[bytes]) -> int | None:
    """Return the number of the first line of a file that is not that of the store; None if it has no other lines."""
    for line, text in zip_longest(lines, stored):
        if line is None:
            return None
        if line.text.removeprefix(BYTE_ORDER_MARK) != text:
            return int(line.number)
    return None
