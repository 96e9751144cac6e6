"""Temporary folders, removed when they are no longer needed: where a process was killed, by the next one.

Each folder is locked as long as its process lives, by the system's own lock, so it can be told from one that nobody
will remove any more.
"""

from __future__ import annotations

import functools
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "levelfield-scratch-"


@contextmanager
def scratch_folder(within: Path | None = None) -> Iterator[Path]:
    """Return an empty folder for the time of the block, in `within` or else in the system's temporary folder.

    Folders that killed processes of this user have left there are removed first. Raises OSError if there is no room.
    """
    place = Path(tempfile.gettempdir()) if within is None else within
    if sys.platform == "win32":  # which has no such locks
        with tempfile.TemporaryDirectory(prefix=PREFIX, dir=place) as name:
            yield Path(name)
        return
    _remove_abandoned_once(place)
    folder, lock = _locked(place)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # what a helper of a worker still writes there is removed next time
        os.close(lock)


def remove_abandoned(place: Path) -> None:
    """Remove the folders in `place` whose processes have ended without removing them."""
    import fcntl

    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError):  # of another user, in use, gone, or in a file system without locks
            if folder.stat(follow_symlinks=False).st_uid == os.getuid():
                lock = _opened(folder)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
                finally:
                    os.close(lock)


_remove_abandoned_once = functools.cache(remove_abandoned)  # in each process


def _locked(place: Path) -> tuple[Path, int]:
    """Return a new folder and its lock. Another process may remove a folder before it is locked; then make another."""
    import fcntl

    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        with suppress(FileNotFoundError):
            lock = _opened(folder)
            with suppress(OSError):  # a file system without locks: then nobody else can lock it either
                fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.is_dir():
                return folder, lock
            os.close(lock)


def _opened(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
