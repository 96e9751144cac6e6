"""Where data files are: in a folder that the user names, and in the cache, which is the only one that is written to."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from bench.errors import UserError

DATA_DIR = "BENCH_DATA_DIR"
CACHE_DIR = "BENCH_CACHE_DIR"  # by which workers, whose own cache folder is empty, are told where the suite's is


def data_folders(environment: Mapping[str, str], data_dir: Path | None = None) -> tuple[Path, ...]:
    """Return the folders to search: the folder that the user names, then the cache. Only the cache is written to.

    `data_dir` takes precedence over the variable BENCH_DATA_DIR in `environment`.

    Raises `UserError` if the user names something that is no folder.
    """
    named = data_dir or (Path(environment[DATA_DIR]) if environment.get(DATA_DIR) else None)
    cache = Path(environment[CACHE_DIR]) if environment.get(CACHE_DIR) else cache_folder()
    if named and not named.is_dir():
        raise UserError(
            f"the data folder {named} {'is no folder' if named.exists() else 'does not exist'}; name another"
        )
    return (named, cache) if named else (cache,)


def cache_folder() -> Path:
    """Return the folder that keeps files between runs: in the user's cache or, for a user without a home, in /tmp.

    Containers are often run by a number that has no entry in passwd, without HOME. Raises `UserError` if the folder in
    /tmp could hold files that somebody else has planted.
    """
    import platformdirs

    try:
        return Path(platformdirs.user_cache_dir("levelfield"))
    except RuntimeError:  # there is no home folder
        return _private(Path(tempfile.gettempdir()) / f"levelfield-{os.getuid()}")


def _private(folder: Path) -> Path:
    """Make a folder that only this user can write to; the folder around it is everybody's."""
    with suppress(OSError):  # it is there already, or cannot be made: then it is empty for those who look into it
        folder.mkdir(mode=0o700)
    with suppress(FileNotFoundError):
        found = folder.lstat()
        if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o022:
            raise UserError(f"{folder} is not a folder that only you can write to; set HOME or XDG_CACHE_HOME")
    return folder
