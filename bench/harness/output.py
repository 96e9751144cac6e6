"""What a worker printed: the part of it that is kept, and the line that tells why it ended."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from traceback import FrameSummary
from typing import IO

LINES = 30
LINE_CHARACTERS = 2000  # of a longer line the beginning is kept
KEPT_BYTES = LINES * LINE_CHARACTERS  # read from the end, because a worker may print gigabytes

# A line that names an error, as Python, C++ libraries and abseil's logs write it: `ValueError: …`, `error: …`,
# `F0000 00:00:1.2 file.cc:1] …`, `terminate called after …`.
TELLING = re.compile(
    r"\b\w*(?:Error|Exception|Interrupt)\b|\b(?:error|fatal|abort(?:ed)?|terminate|unknown)\b|^F\d{4} ", re.IGNORECASE
)
# Lines that only say where: frames of a traceback or of a C++ stack.
FRAME = re.compile(r'^\s|^(?:File "|Traceback|#\d|@\s|\*\*\*|0x)')
A_FRAME = re.compile(
    r'^ *File "(?P<path>[^"]+)", line (?P<line>\d+), in (?P<function>.+)\n +(?P<code>\S.*)$', re.MULTILINE
)
REASON_CHARACTERS = 500


def last_lines(log: IO[bytes]) -> str:
    """Return the last `LINES` lines of a log, of each line the first `LINE_CHARACTERS` characters."""
    end = log.seek(0, 2)
    log.seek(max(0, end - KEPT_BYTES))
    lines = log.read().decode(errors="replace").splitlines()[-LINES:]
    return "\n".join(line[:LINE_CHARACTERS] for line in lines)


def telling_line(output: str) -> str:
    """Return the line that tells the cause of an end: the last one that names an error, or else the last one."""
    lines = [line for line in output.splitlines() if line.strip() and not FRAME.search(line)]
    telling = [line for line in lines if TELLING.search(line)]
    return beginning((telling or lines or [""])[-1].strip(), REASON_CHARACTERS)


def beginning(text: str, characters: int) -> str:
    """Return a text, of a longer one the first characters and a sign that there were more."""
    return text if len(text) <= characters else f"{text[:characters]} …"


def place_in(output: str, module: str) -> str:
    """Return where the exception of a printed traceback was raised, as `place` does; empty without a traceback."""
    found = (each.group("path", "line", "function", "code") for each in A_FRAME.finditer(output))
    return place([FrameSummary(path, int(line), function, line=code) for path, line, function, code in found], module)


def place(frames: Sequence[FrameSummary], module: str) -> str:
    """Return where an exception was raised, to follow its text: in a module, by its import name, and what it calls."""
    own = [frame for frame in frames if Path(frame.filename).stem == module.rpartition(".")[2]]
    shown = (
        f" at {Path(each.filename).name}:{each.lineno} in {each.name}: {each.line}" for each in (*own, *frames[-1:])
    )
    return "".join(list(dict.fromkeys(shown))[-2:])
