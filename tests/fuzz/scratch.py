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
def _folder(process: int) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="levelfield-fuzz-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def scratch() -> Path:
    """Return the folder of this process, which is removed when it ends."""
    return _folder(os.getpid())


def scratch_file(name: str, content: bytes) -> Path:
    """Write a file of the scratch folder; return its path."""
    path = scratch() / name
    path.write_bytes(content)
    return path
