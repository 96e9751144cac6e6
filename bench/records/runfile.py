"""Read and write run files in the format JSON Lines.

The first line is the header. Each further line is a record, the state of the machine in a round, or a parity result.
The lines of a round are on the disk before the next one starts.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

import msgspec

from bench.errors import UserError
from bench.records.schema import READABLE, Block, Header, Line, ParityResult, Record, Row
from bench.records.sense import fault

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
WHITE = b" \t\r"  # around a line: JSON allows it, and systems that end lines with CR and LF leave it
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # what msgspec raises for a bad line
Losses = tuple[float | None, ...]
NO_LOSSES: Mapping[Row, Losses] = MappingProxyType({})


class NotARunFile(UserError):
    """Raised for a file that is not a run file; the message says why."""


@dataclass(frozen=True)
class Run:
    """The content of a run file."""

    path: Path
    header: Header
    records: tuple[Record, ...]
    blocks: tuple[Block, ...]
    parity_results: tuple[ParityResult, ...]  # in file order
    remarks: tuple[str, ...] = ()  # for people: lines that are left out
    whole: int = 0  # bytes of the file up to the end of its last whole line

    @property
    def last_records(self) -> tuple[Record, ...]:
        """The last record of each job. When a job was repeated, its earlier records do not count."""
        return tuple({(record.job.row, record.job.block): record for record in self.records}.values())

    @property
    def parity(self) -> dict[Row, ParityResult]:
        """The last parity result of each row. Earlier results do not count."""
        return {result.row: result for result in self.parity_results}


class RunFile:
    """A run file that is open for writing, by this process alone.

    Raises `UserError` if another process has it open for writing.
    """

    def __init__(self, path: Path, losses: Mapping[Row, Losses] = NO_LOSSES) -> None:
        self.path = path
        self.losses = dict(losses)  # losses of the first record of each row that has any
        self.file = os.open(path, os.O_RDWR | os.O_APPEND)
        try:
            lock(self.file, path)
            self.content = bytearray(path.read_bytes())  # all lines so far: files are removed and cut by mistake
            self.sure_bytes = len(self.content)  # less while the last line is being written: an interrupt may come then
        except BaseException:
            os.close(self.file)
            raise

    @classmethod
    def create(cls, path: Path, header: Header) -> Self:
        """Create a new file with this header. Raises FileExistsError if it exists, OSError if it cannot be written."""
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        run_file = cls(path)
        try:
            run_file.append(header)
        except UserError:  # nothing was lost, and the same command shall work when there is room
            path.unlink(missing_ok=True)
            os.close(run_file.file)
            raise
        return run_file

    @classmethod
    def resume(cls, run: Run) -> Self:
        """Open an existing file to append to it. What follows its last whole line is removed first.

        Raises `UserError` if it is not the file any more that was read.
        """
        run_file = cls(run.path, first_losses(run.records))
        if len(run_file.content) < run.whole or b"\n" in run_file.content[run.whole :]:
            os.close(run_file.file)
            raise UserError(f"{run.path} was changed by another program a moment ago; try again")
        os.truncate(run_file.file, run.whole)
        del run_file.content[run.whole :]
        run_file.sure_bytes = run.whole
        if not run_file.content.endswith(b"\n"):  # an editor may leave out the last line break
            run_file._write(b"\n")
        return run_file

    def append(self, line: Line) -> None:
        """Append a line in a single write and wait until it is on the disk. Raises `UserError` if writing fails."""
        if isinstance(line, Record):
            line = self._without_repetition(line)
        self._write(msgspec.json.encode(line) + b"\n")

    def _write(self, whole: bytes) -> None:
        wrong = self._damage()
        self.content += whole
        if wrong:
            raise self._damaged(wrong)
        try:
            written = os.write(self.file, whole)
            os.fsync(self.file)
        except OSError as error:
            raise self._unwritable(str(error.strerror)) from error
        if written < len(whole):
            raise self._unwritable("only a part of the line was written; the disk is probably full")
        self.sure_bytes = len(self.content)

    def _unwritable(self, reason: str) -> UserError:
        told = f"cannot write {self.path}: {reason}"
        if not self.sure_bytes:
            return UserError(told)
        way_on = f"when it can be written again, continue with --resume {self.path}"
        return UserError(f"{told}. What was written before is kept; {way_on}")

    def _damaged(self, wrong: str) -> UserError:
        """Save all lines; return the error that tells where."""
        return UserError(f"{self.path} {wrong} while the run was writing it; {self._saved()}")

    def _damage(self) -> str:
        """Return what another program has done to the file; empty if nothing."""
        own = os.fstat(self.file)
        try:
            there = self.path.stat()
        except OSError:
            return "was removed"
        if (there.st_dev, there.st_ino) != (own.st_dev, own.st_ino):
            return "was replaced by another file"
        return "" if own.st_size in (self.sure_bytes, len(self.content)) else "was changed by another program"

    def _saved(self) -> str:
        """Write all lines of the run to a new file; return, for people, where they are."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            path = self._saved_in()
        except OSError as error:
            return f"its samples could not be saved beside it: {error.strerror}"
        return f"all its samples were saved in {path}. Continue with --resume {path}"

    def _saved_in(self) -> Path:
        """Write all lines of the run to its own path if that is free, else beside it. Raises OSError."""
        numbers = ("", *range(2, 100))
        for name in (self.path.name, *(f"{self.path.stem}-saved{number}.jsonl" for number in numbers)):
            with contextlib.suppress(FileExistsError), self.path.with_name(name).open("xb") as file:
                file.write(self.content)
                return self.path.with_name(name)
        raise FileExistsError(errno.EEXIST, "too many such files are there")

    def _without_repetition(self, record: Record) -> Record:
        """Return the record, without its losses if they are exactly those of the row's first record."""
        if record.quality is None or not record.quality.losses:
            return record
        if self.losses.setdefault(record.job.row, record.quality.losses) is record.quality.losses:
            return record
        return _with_losses(record, ()) if self.losses[record.job.row] == record.quality.losses else record

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and (wrong := self._damage()):
                raise self._damaged(wrong)
        finally:
            os.close(self.file)


def lock(file: int, path: Path) -> None:
    """Lock an open file until it is closed. Raises `UserError` if another process has done so."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UserError(f"another run is writing {path}; wait until it has ended, or stop it") from error
    except OSError:  # a file system without locks
        return


def read_run(path: Path) -> Run:
    """Read a run file. Raises `NotARunFile`, also if the file cannot be read or holds a line that makes no sense.

    Blank lines count as nothing, and so does a byte order mark before the first line. A last line that was cut off and
    a sample that stands there twice are left out, and a remark says so.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NotARunFile(f"cannot read {path}: {error.strerror}") from error
    *ended, rest = content.split(b"\n")
    torn = bool(rest.strip()) and not _is_whole(rest, path)
    lines = [*ended, *([] if torn else [rest])]
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip(WHITE)]
    if not numbered:
        raise NotARunFile(f"{path} is not a run file: it has no complete line")
    (first, head), *others = numbered
    _check_schema(head.removeprefix(BYTE_ORDER_MARK), path, first)
    header = _parse(head.removeprefix(BYTE_ORDER_MARK), path, first)
    if not isinstance(header, Header):
        raise NotARunFile(f"{path} is not a run file: its first line is not a header")
    parsed, remarks = _body(others, header, path)
    if torn:
        remarks.append(f"{path}: line {len(lines) + 1} was cut off while it was written; it is left out")
    return Run(
        path=path,
        header=header,
        records=restored(tuple(line for line in parsed if isinstance(line, Record))),
        blocks=tuple(line for line in parsed if isinstance(line, Block)),
        parity_results=tuple(line for line in parsed if isinstance(line, ParityResult)),
        remarks=tuple(remarks),
        whole=len(content) - (len(rest) if torn else 0),
    )


def _body(numbered: Iterable[tuple[int, bytes]], header: Header, path: Path) -> tuple[list[Line], list[str]]:
    """Return the lines after the header, and remarks on those that are left out."""
    parsed, remarks, seen = [], [], dict[bytes, int]()
    for number, text in numbered:
        line = _parse(text, path, number)
        if wrong := fault(line, header):
            raise NotARunFile(f"{path}: line {number} is {wrong}")
        earlier = seen.setdefault(text.strip(WHITE), number)
        if earlier != number and isinstance(line, Record) and line.status == "ok":  # its times cannot come twice
            remarks.append(f"{path}: line {number} repeats line {earlier}; it is left out")
        else:
            parsed.append(line)
    return parsed, remarks


def _is_whole(line: bytes, path: Path) -> bool:
    """Return whether the last line, which has no line break, is complete: an editor may have left the break out."""
    try:
        _parse(line, path, 0)
    except NotARunFile:
        return False
    return True


def first_losses(records: Iterable[Record]) -> dict[Row, Losses]:
    """Return, for each row, the losses of its first record that has any."""
    first: dict[Row, Losses] = {}
    for record in records:
        if record.quality is not None and record.quality.losses:
            first.setdefault(record.job.row, record.quality.losses)
    return first


def restored(records: tuple[Record, ...]) -> tuple[Record, ...]:
    """Return the records, with losses that were left out copied from the first record of their row."""
    first = first_losses(records)
    return tuple(
        _with_losses(record, first.get(record.job.row, ())) if record.quality and not record.quality.losses else record
        for record in records
    )


def _with_losses(record: Record, losses: Losses) -> Record:
    assert record.quality is not None  # noqa: S101 - callers pass only records that have a quality
    return msgspec.structs.replace(record, quality=msgspec.structs.replace(record.quality, losses=losses))


def read_runs(paths: Iterable[Path]) -> tuple[Run, ...]:
    """Read several run files. Raises `NotARunFile`."""
    return tuple(read_run(path) for path in paths)


class _AnyHeader(msgspec.Struct):
    """The part of a header that all schema versions have in common."""

    schema: int


def _check_schema(line: bytes, path: Path, number: int) -> None:
    try:
        schema = msgspec.json.decode(line, type=_AnyHeader).schema
    except UNREADABLE as error:
        raise NotARunFile(f"{path} is not a run file: line {number}: {error}") from error
    if schema not in READABLE:
        raise NotARunFile(f"{path} has schema {schema}; this version reads schemas {' and '.join(map(str, READABLE))}")


def _parse(line: bytes, path: Path, number: int) -> Line:
    try:
        parsed: Line = msgspec.json.decode(line, type=Line)
    except UNREADABLE as error:
        raise NotARunFile(f"{path} is not a run file: line {number}: {error}") from error
    return parsed
