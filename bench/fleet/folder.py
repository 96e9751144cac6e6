"""The folder of a run on a cluster: its plan, and a run file of each unit. Names say how far a unit is.

`NAME.jsonl` is whole. `NAME.jsonl.part` grows while a host measures the unit, and is what a run that is continued goes
on with. `NAME.jsonl.lost`, and with numbers if there are several, is what a host had sent before it was lost. So a
command that is given the folder reads whole units only, and nothing that was measured is ever removed.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import UserError
from bench.fleet.units import FleetPlan, Unit, encoded, plan_from
from bench.records.lines import NotARunFile
from bench.records.runfile import read_run
from bench.records.schema import Header
from bench.records.writing import lock

PLAN = "plan.json"
WHOLE, PART, LOST = ".jsonl", ".jsonl.part", ".jsonl.lost"


class Folder:
    """The folder of a run. Raises `UserError` where it cannot be written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def require_new(self) -> None:
        """Raise `UserError` if there is anything at the path of a folder for a new run."""
        path = self.path
        with self._told():
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                way_on = f", or continue it with --resume {path}" if (path / PLAN).is_file() else ""
                raise UserError(f"{path} exists already; name another folder{way_on}")

    def create(self, plan: FleetPlan) -> None:
        """Make the folder of a new run. Raises `UserError` if there is anything at its path already."""
        self.require_new()
        fresh = self.path / f"{PLAN}.new"
        with self._told():
            self.path.mkdir(parents=True, exist_ok=True)
            _write(fresh, encoded(plan).encode(), fresh=True)
            fresh.replace(self.path / PLAN)

    def plan(self) -> FleetPlan:
        """Return the plan of the run. Raises `UserError` if this is not the folder of one."""
        path = self.path / PLAN
        try:
            return plan_from(path.read_bytes(), path)
        except OSError as error:
            raise UserError(f"{self.path} is not the folder of a run on a cluster: it has no {PLAN}") from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing to this folder during the block. Raises `UserError` if one does."""
        with self._told(), (self.path / PLAN).open("rb") as file:
            lock(file.fileno(), self.path)
            yield

    def whole(self, unit: Unit) -> Path:
        """Return the path that the run file of a unit has when it is whole."""
        return self.path / f"{unit.name}{WHOLE}"

    def part(self, unit: Unit) -> Path:
        """Return the path that it has before."""
        return self.path / f"{unit.name}{PART}"

    def size(self, unit: Unit) -> int:
        """Return how many bytes of an unfinished run file are here; what follows the last whole line is cut off."""
        try:
            content = self.part(unit).read_bytes()
        except FileNotFoundError:
            return 0
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with self._told():
                os.truncate(self.part(unit), whole)
        return whole

    def append(self, unit: Unit, lines: str) -> None:
        """Write whole lines that a host has sent, and wait until they are on the disk."""
        with self._told():
            _write(self.part(unit), lines.encode())

    def text(self, unit: Unit) -> str:
        """Return the unfinished run file of a unit; empty if there is none."""
        with self._told():
            return self.part(unit).read_text() if self.size(unit) else ""

    def begun(self, unit: Unit) -> Header | None:
        """Return the header of an unfinished run file; None if there is none that can be gone on with."""
        try:
            return read_run(self.part(unit)).header if self.size(unit) else None
        except NotARunFile:
            return None

    def set_aside(self, unit: Unit) -> Path | None:
        """Keep an unfinished run file under another name; return that, or None if nothing had come yet."""
        if not self.part(unit).exists():
            return None
        names = itertools.chain([""], (f".{number}" for number in itertools.count(2)))
        paths = (self.path / f"{unit.name}{number}{LOST}" for number in names)
        with self._told():
            path = next(path for path in paths if not path.exists())
            self.part(unit).replace(path)
        return path

    def finish(self, unit: Unit) -> None:
        """Give a run file, which has been read without a fault, the name of a whole one."""
        with self._told():
            self.part(unit).replace(self.whole(unit))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(f"cannot write to {self.path}: {error.strerror or error}") from error


def _write(path: Path, content: bytes, *, fresh: bool = False) -> None:
    """Append content to a file, which is new if `fresh`, and wait until it is on the disk."""
    with path.open("wb" if fresh else "ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
