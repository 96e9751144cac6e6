"""Where things stand in a store.

    levelfield-store.json                           marks the folder as a store
    runs/000000.parquet                             a line for each run: facts, header, what was computed of it
    rows/000000.parquet                             a line for each row of these runs: its times, ratio and verdict
    ratios/000000.parquet                           a line for each ratio of two rows of these runs, with its error
    records/machine=KEY/task=TASK/RUN.parquet       the records of a run and task: numbers as columns, whole lines
    lines/machine=KEY/RUN.parquet                   the other lines of the run file

A run is in the store if `runs/` has a line for it: that is written last, by renaming a whole file, and the other files
of a run change nothing before.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import msgspec

from bench.errors import UserError, in_utf8, shown
from bench.records.lines import NotARunFile

MARKER = "levelfield-store.json"
FORMAT = 1
NAME = re.compile(r"[A-Za-z0-9._-]{1,80}")
KEY = re.compile(r"[0-9a-f]{12}")
LONGEST_TASK = 150  # characters of the name of a folder; systems allow 255
TABLES = ("rows", "ratios", "runs")  # in the order in which they are written


class Damaged(NotARunFile):
    """Raised for a store whose files are not what they should be."""


class NeedsPackage(UserError):
    """Raised where the package that reads and writes stores is missing."""


@dataclass(frozen=True)
class Store:
    """The folder of a store."""

    folder: Path

    @property
    def marker(self) -> Path:
        """The file that marks the folder as a store."""
        return self.folder / MARKER

    def segments(self, table: str) -> list[Path]:
        """Return the files of a table, in the order in which they were begun."""
        return sorted((self.folder / table).glob("[0-9]*.parquet"))

    def segment(self, table: str, number: int) -> Path:
        """Return the path of a file of a table."""
        return self.folder / table / f"{number:06d}.parquet"

    def records(self, machine: str, task: str, name: str) -> Path:
        """Return the path of the records of a run and task."""
        return self.folder / "records" / f"machine={machine}" / f"task={folder_name(task)}" / f"{name}.parquet"

    def lines(self, machine: str, name: str) -> Path:
        """Return the path of the lines of a run that are no records."""
        return self.folder / "lines" / f"machine={machine}" / f"{name}.parquet"


def folder_name(task: str) -> str:
    """Return a task as a part of a path, as Hive writes it: what is no letter, digit, `_`, `.`, `-` or `~` as %XX.

    A long one is cut, and told apart by its SHA-256.
    """
    whole = quote(task, safe="")
    if len(whole) <= LONGEST_TASK:
        return whole
    return f"{whole[:LONGEST_TASK]}~{hashlib.sha256(task.encode()).hexdigest()[:12]}"


def store_at(path: Path) -> Store | None:
    """Return the store in a folder; None if it is no store. Raises `NotARunFile` for a format that is not known."""
    marker = path / MARKER
    try:
        content = marker.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # nothing can be there
            return None
        raise NotARunFile(f"cannot read {marker}: {error.strerror}") from error
    try:
        known = json.loads(content)["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Damaged(f"{path} is no store: {MARKER} is damaged") from error
    if known != FORMAT:
        raise NotARunFile(f"{path} is a store of format {shown(str(known))}; this version reads format {FORMAT}")
    require_utf8(path)
    return Store(path)


def require_utf8(path: Path) -> None:
    """Raise `NotARunFile` for a path with bytes that are no UTF-8: PyArrow opens no file there."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise NotARunFile(f"{in_utf8(str(path))} cannot be a store: its path must be UTF-8; choose another") from error


def store_around(path: Path) -> Store | None:
    """Return the store that a path is in, or that it is; None if it is in none. Raises `NotARunFile`."""
    whole = path.absolute()
    return next((store for folder in (whole, *whole.parents) if (store := store_at(folder))), None)


def marker_content() -> bytes:
    """Return what stands in the file that marks a store."""
    about = "a store of levelfield, written by `bench merge`; every command reads this folder as it reads a run file"
    return json.dumps({"format": FORMAT, "about": about}).encode() + b"\n"


def require_arrow() -> None:
    """Raise `NeedsPackage` if pyarrow is missing."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise NeedsPackage("a store needs a package that is missing: pip install 'levelfield[store]'") from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what reading a file of a store raises into `Damaged`, which names the file."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, KeyError, IndexError, ValueError, TypeError, msgspec.MsgspecError) as error:
        raise Damaged(f"the store is damaged: {path}: {shown(str(error))}") from error
