"""A folder for the files of cases, in memory where there is such a place: a million files would wear out a disk."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder below it has a name of its own


@cache
def root() -> Path:
    """Return the folder of this process and of those that it forks later, removed when this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="levelfield-fuzz-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None))
    owner = os.getpid()
    atexit.register(lambda: os.getpid() == owner and shutil.rmtree(folder, ignore_errors=True))
    return folder


@cache
def _folder(process: int) -> Path:
    folder = root() / str(process)
    folder.mkdir()
    return folder


def scratch() -> Path:
    """Return the folder of this process."""
    return _folder(os.getpid())


def scratch_file(name: str, content: bytes) -> Path:
    """Write a file of the scratch folder; return its path."""
    path = scratch() / name
    path.write_bytes(content)
    return path
