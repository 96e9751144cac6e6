"""Which files this process has opened for writing, as Python tells its audit hooks: a cache is among them."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from tempfile import gettempdir
from typing import Any

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
NO_FILES = (Path("/dev"), Path("/proc"), Path("/sys"))
PYTHONS_OWN = "__pycache__"


@cache
def written() -> list[str]:
    """Begin to watch, once in a process; return the list to which the files are added.

    Python's own functions and sqlite3 are watched. What a library writes from C++ is not seen.
    """
    paths: list[str] = []

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES) or event == "sqlite3.connect":
            add(arguments[0])

    def add(name: Any) -> None:
        if isinstance(name, str | bytes | os.PathLike):  # not a number: a file that was opened before
            paths.append(os.fsdecode(name))

    sys.addaudithook(watch)
    return paths


def kept(paths: list[str], caches: str) -> list[str]:
    """Return the files that outlive the process: in no folder for caches, for temporary files, or of the system.

    A link in such a folder is the harness's: PyTorch's precompiled headers, see `bench.harness.scratch`.
    """
    passing = [each for folder in (caches, gettempdir(), *NO_FILES) for each in (Path(folder), Path(folder).resolve())]
    found = {path for path in (Path(name).absolute() for name in paths) if PYTHONS_OWN not in path.parts}
    return sorted(
        str(path)
        for path in found
        if not any(each.is_relative_to(folder) for each in (path, path.resolve()) for folder in passing)
    )
