"""Scratch folders of workers: where their temporary files and the programs that they compile lie."""

from __future__ import annotations

import contextlib
import getpass
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.errors import UserError
from bench.scratch import scratch_folder

COMPILED = "TORCHINDUCTOR_CACHE_DIR"  # set where programs in the temporary folder cannot run


@contextlib.contextmanager
def worker_scratch(environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield a new folder for the temporary files and compiled programs of workers; remove it at the end.

    It lies in the temporary folder or, if the user names a folder for compiled programs, in that one. Raises
    `UserError` if it cannot be made.
    """
    parent = Path(environment.get(COMPILED) or tempfile.gettempdir()).absolute()
    with contextlib.ExitStack() as stack:
        try:
            parent.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(scratch_folder(parent))
        except OSError as error:
            raise UserError(f"cannot make a folder in {parent}: {error.strerror}") from error
        link_precompiled_headers(folder, Path(tempfile.gettempdir()))
        yield folder


def link_precompiled_headers(scratch: Path, temporary: Path) -> None:
    """Let PyTorch find in a scratch folder the headers that it has compiled in the common temporary folder.

    It compiles them once per boot, for every model and process of a user (`default_cache_dir` in
    torch/_inductor/runtime/cache_dir_utils.py). Without the link, every worker would do it again.
    """
    headers = Path(pytorch_folder(), "precompiled_headers")
    with contextlib.suppress(OSError):  # the temporary folder cannot be written: then workers compile them
        (temporary / headers).mkdir(parents=True, exist_ok=True, mode=0o700)
        (scratch / headers.parent).mkdir(mode=0o700)
        (scratch / headers).symlink_to(temporary / headers)


def pytorch_folder() -> str:
    """Return the name of the folder in which PyTorch keeps what it compiles for this user, in the temporary folder."""
    try:
        return f"torchinductor_{getpass.getuser()}"
    except (ImportError, KeyError, OSError):  # the user has no entry in the list of users
        return f"torchinductor_uid_{os.getuid()}"
