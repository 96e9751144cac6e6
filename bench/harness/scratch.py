"""Scratch folders: what workers leave while they run, and what nobody needs afterwards.

Each is private, and removed with everything in it. A process that is killed cannot do that, so it holds a lock on its
folders, which the system frees at its death; the next process of the same user removes the folders that nobody holds.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import getpass
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.errors import UserError

PREFIX = "levelfield-scratch-"
COMPILED = "TORCHINDUCTOR_CACHE_DIR"  # set where programs in the temporary folder cannot run


@contextlib.contextmanager
def scratch_folder(environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield a new folder for the temporary files and compiled programs of workers; remove it at the end.

    It lies in the temporary folder or, if the user names a folder for compiled programs, in that one. Raises
    `UserError` if it cannot be made.
    """
    parent = Path(environment.get(COMPILED) or tempfile.gettempdir()).absolute()
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned_once(parent)
        folder, lock = _locked_folder(parent)
    except OSError as error:
        raise UserError(f"cannot make a folder in {parent}: {error.strerror}") from error
    try:
        link_precompiled_headers(folder, Path(tempfile.gettempdir()))
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked_folder(parent: Path) -> tuple[Path, int]:
    """Return a new folder and the file descriptor that locks it."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        lock = os.open(folder, os.O_RDONLY)
        with contextlib.suppress(OSError):  # a file system without locks: then nobody else can lock it either
            fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return folder, lock
        os.close(lock)  # another process took it for abandoned before it was locked


def remove_abandoned(parent: Path) -> None:
    """Remove the scratch folders of this user whose process is gone; touch nothing else."""
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # removed meanwhile, or still in use
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(lock).st_uid == os.getuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


_remove_abandoned_once = functools.cache(remove_abandoned)  # in each process


def link_precompiled_headers(scratch: Path, temporary: Path) -> None:
    """Let PyTorch find in a scratch folder the headers that it has compiled in the common temporary folder.

    It compiles them once per boot, for every model and process of a user (`default_cache_dir` in
    torch/_inductor/runtime/cache_dir_utils.py). Without the link, every worker would do it again.
    """
    headers = Path(_pytorch_folder(), "precompiled_headers")
    with contextlib.suppress(OSError):  # the temporary folder cannot be written: then workers compile them
        (temporary / headers).mkdir(parents=True, exist_ok=True, mode=0o700)
        (scratch / headers.parent).mkdir(mode=0o700)
        (scratch / headers).symlink_to(temporary / headers)


def _pytorch_folder() -> str:
    """Return the name of PyTorch's folder of this user, as it makes it."""
    try:
        return f"torchinductor_{getpass.getuser()}"
    except (ImportError, KeyError, OSError):  # the user has no entry in the list of users
        return f"torchinductor_uid_{os.getuid()}"
