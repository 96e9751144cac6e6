"""Write files of a store so that each is whole or not there: beside its place, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".part"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Return where to write a file, which takes its place when the block ends well. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + UNFINISHED)
    try:
        yield beside
        _wait_for_disk(beside)
        beside.replace(path)
        _wait_for_disk(path.parent)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _wait_for_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def remove_leftovers(folder: Path, names: frozenset[str]) -> None:
    """Remove what a process that was killed has left: unfinished files, and files of runs that have none of `names`."""
    for path in folder.rglob(f"*{UNFINISHED}"):
        path.unlink(missing_ok=True)
    for kind in ("records", "lines"):
        for path in (folder / kind).rglob("*.parquet"):
            if path.stem not in names:
                path.unlink(missing_ok=True)
