"""One run at a time on one machine: two that measure at once take each other's cores."""

from __future__ import annotations

import fcntl
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.errors import UserError

SHOWN_BYTES = 300  # of what the other run wrote about itself


def lock_path() -> Path:
    """Return the file that a run of this user locks while it measures."""
    import platformdirs

    return Path(platformdirs.user_runtime_dir("levelfield")) / "run.lock"


@contextmanager
def alone(path: Path | None = None) -> Iterator[None]:
    """Keep other runs of this user from starting. Raises `UserError` if one is under way.

    The system frees the lock when the process ends, however it ends. Where no such file can be made, nothing is locked.
    """
    try:
        path = path or lock_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield
        return
    try:
        _lock(file)
        yield
    finally:
        os.close(file)


def require_alone(path: Path | None = None) -> None:
    """Raise `UserError` if another run is under way: before there is a run file."""
    with alone(path):
        pass


def _lock(file: int) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        who = os.pread(file, SHOWN_BYTES, 0).decode(errors="replace").strip() or "of an unknown process"
        raise UserError(
            f"another run is under way on this machine ({who}); two at once would disturb each other: "
            "wait until it has ended, or stop it"
        ) from error
    about = f"process {os.getpid()}: {shlex.join(['bench', *sys.argv[1:]])}"
    with suppress(OSError):  # a full disk
        os.ftruncate(file, 0)
        os.pwrite(file, about.encode(errors="replace"), 0)
