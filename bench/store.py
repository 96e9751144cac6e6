"""Run files: JSON Lines, the header first, a record or verdict a line, each on the disk before the next job starts."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from bench.errors import UserError
from bench.records import SCHEMA, Header, Line, Record, Row, Verdict


class NotARunFile(UserError):
    """Raised for a file that is none; the message says why."""


@dataclass(frozen=True)
class Run:
    """What a run file holds."""

    path: Path
    header: Header
    records: tuple[Record, ...]
    verdicts: tuple[Verdict, ...]
    torn: str = ""  # a sentence, where the last line was cut off while it was written

    @property
    def outcomes(self) -> tuple[Record, ...]:
        """The last record of each job: where a job was tried again, what was before it no longer counts."""
        return tuple({(record.job.row, record.job.block): record for record in self.records}.values())

    @property
    def rulings(self) -> dict[Row, Verdict]:
        """The last verdict on each row, which replaces those before it."""
        return {verdict.row: verdict for verdict in self.verdicts}


class RunFile:
    """A run file that is being written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    @classmethod
    def create(cls, path: Path, header: Header) -> Self:
        """Start a new file. Raises OSError where it cannot be written, FileExistsError where there is one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        run_file = cls(path)
        run_file.append(header)
        return run_file

    @classmethod
    def resume(cls, run: Run) -> Self:
        """Open a file to go on with it; a torn last line is cut off first."""
        if run.torn:
            whole = run.path.read_bytes()
            os.truncate(run.path, whole.rindex(b"\n") + 1)
        return cls(run.path)

    def append(self, line: Line) -> None:
        """Add a line by a single write, and wait until it is on the disk. Raises `UserError` where the disk is full."""
        whole = msgspec.json.encode(line) + b"\n"
        try:
            written = os.write(self.file, whole)
            os.fsync(self.file)
        except OSError as error:
            raise UserError(f"cannot write {self.path}: {error.strerror}") from error
        if written < len(whole):
            raise UserError(f"cannot write {self.path}: the disk took a part of the last line; it is probably full")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.file)


def read_run(path: Path) -> Run:
    """Read a run file. Raises `NotARunFile`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NotARunFile(f"cannot read {path}: {error.strerror}") from error
    *lines, rest = content.split(b"\n")
    if not lines:
        raise NotARunFile(f"{path} is not a run file: it has no whole line")
    _check_schema(lines[0], path)
    header = _parse(lines[0], path, 1)
    if not isinstance(header, Header):
        raise NotARunFile(f"{path} is not a run file: its first line is no header")
    parsed = [_parse(line, path, number) for number, line in enumerate(lines[1:], start=2)]
    return Run(
        path=path,
        header=header,
        records=tuple(line for line in parsed if isinstance(line, Record)),
        verdicts=tuple(line for line in parsed if isinstance(line, Verdict)),
        torn=f"{path}: line {len(lines) + 1} was cut off while it was written, and is left out" if rest else "",
    )


def read_runs(paths: Iterable[Path]) -> tuple[Run, ...]:
    """Read several run files. Raises `NotARunFile`."""
    return tuple(read_run(path) for path in paths)


class _AnyHeader(msgspec.Struct):
    """As much of a header as every schema has."""

    schema: int


def _check_schema(line: bytes, path: Path) -> None:
    try:
        schema = msgspec.json.decode(line, type=_AnyHeader).schema
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotARunFile(f"{path} is not a run file: line 1: {error}") from error
    if schema != SCHEMA:
        raise NotARunFile(f"{path} has schema {schema}; this version reads schema {SCHEMA}")


def _parse(line: bytes, path: Path, number: int) -> Line:
    try:
        parsed: Line = msgspec.json.decode(line, type=Line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotARunFile(f"{path} is not a run file: line {number}: {error}") from error
    return parsed
