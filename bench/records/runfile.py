"""Read and write run files in the format JSON Lines.

The first line is the header. Each further line is a record, the state of the machine in a round, or a parity result.
The lines of a round are on the disk before the next one starts.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

import msgspec
from msgspec.structs import force_setattr

from bench.errors import UserError, shown
from bench.records.schema import LINES, Block, Header, Line, ParityResult, Record, Row
from bench.records.sense import Known, fault

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

    @cached_property
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
    import fcntl  # which Windows, where run files are only read, has not

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
    lines = _Lines(path)
    header, kind = _header(lines)
    body = _Body(header, kind, path)
    with _without_collector():
        for number, text in lines:
            body.add(number, text)
        _restore(body.records)
    return Run(
        path=path,
        header=header,
        records=tuple(body.records),
        blocks=tuple(body.blocks),
        parity_results=tuple(body.parity_results),
        remarks=(*body.remarks, *lines.remarks),
        whole=lines.whole,
    )


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the collector of cycles from looking through what is read, again and again: it has none."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Lines(Iterator[tuple[int, bytes]]):
    """The whole lines of a file and their numbers, without blank ones; only one of them is in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.whole = 0  # bytes up to the end of the last whole line so far
        self.remarks: list[str] = []
        self.found = self._read()

    def __next__(self) -> tuple[int, bytes]:
        return next(self.found)

    def _read(self) -> Iterator[tuple[int, bytes]]:
        try:
            with self.path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    if line[-1:] != b"\n" and line.strip() and not _is_whole(line):
                        self.remarks.append(
                            f"{self.path}: line {number} was cut off while it was written; it is left out"
                        )
                        return
                    self.whole += len(line)
                    if text := line.removesuffix(b"\n").strip(WHITE):
                        yield number, text
        except OSError as error:
            raise NotARunFile(f"cannot read {self.path}: {error.strerror}") from error


def _header(lines: _Lines) -> tuple[Header, type[Line]]:
    """Return the header, and the type of the lines that follow it, which is that of its schema."""
    path = lines.path
    number, text = next(lines, (0, b""))
    if not text:
        raise NotARunFile(f"{path} is not a run file: it has no complete line")
    text = text.removeprefix(BYTE_ORDER_MARK)
    kind = _kind_of_lines(text, path, number)
    header = _parse(text, kind, path, number)
    if not isinstance(header, Header):
        raise NotARunFile(f"{path} is not a run file: its first line is not a header")
    return header, kind


class _Body:
    """The lines after the header, by kind, and remarks on those that are left out."""

    def __init__(self, header: Header, kind: type[Line], path: Path) -> None:
        self.path = path
        self.kind = kind
        self.known = Known.of(header)
        self.seen: dict[int, tuple[int, Record]] = {}  # number of the line of each good record, by a hash of the line
        self.records: list[Record] = []
        self.blocks: list[Block] = []
        self.parity_results: list[ParityResult] = []
        self.remarks: list[str] = []

    def add(self, number: int, text: bytes) -> None:
        """Add a line. Raises `NotARunFile` if it makes no sense."""
        line = _parse(text, self.kind, self.path, number)
        if wrong := fault(line, self.known):
            raise NotARunFile(f"{self.path}: line {number} is {shown(wrong)}")
        match line:
            case Record():
                self._add_record(number, text, line)
            case Block():
                self.blocks.append(line)
            case ParityResult():
                self.parity_results.append(line)

    def _add_record(self, number: int, text: bytes, record: Record) -> None:
        force_setattr(record.job, "row", self.known.rows[record.job.row])
        if record.status == "ok":  # its times cannot come twice
            earlier, same = self.seen.setdefault(hash(text), (number, record))
            if earlier != number and same == record:
                self.remarks.append(f"{self.path}: line {number} repeats line {earlier}; it is left out")
                return
        self.records.append(record)


def _is_whole(line: bytes) -> bool:
    """Return whether the last line, which has no line break, is complete: an editor may have left the break out."""
    try:
        msgspec.json.decode(line.removeprefix(BYTE_ORDER_MARK))
    except UNREADABLE:
        return False
    return True


def first_losses(records: Iterable[Record]) -> dict[Row, Losses]:
    """Return, for each row, the losses of its first record that has any."""
    first: dict[Row, Losses] = {}
    for record in records:
        if record.quality is not None and record.quality.losses:
            first.setdefault(record.job.row, record.quality.losses)
    return first


def _restore(records: Iterable[Record]) -> None:
    """Give records that have just been read the losses that were left out, those of the first record of their row."""
    first = first_losses(records)
    for record in records:
        if record.quality is not None and not record.quality.losses:
            force_setattr(record.quality, "losses", first.get(record.job.row, ()))


def _with_losses(record: Record, losses: Losses) -> Record:
    assert record.quality is not None  # noqa: S101 - callers pass only records that have a quality
    return msgspec.structs.replace(record, quality=msgspec.structs.replace(record.quality, losses=losses))


def read_runs(paths: Iterable[Path]) -> tuple[Run, ...]:
    """Read several run files. Raises `NotARunFile`."""
    return tuple(read_run(path) for path in paths)


class _AnyHeader(msgspec.Struct):
    """The part of a header that all schema versions have in common."""

    schema: int


def _kind_of_lines(header: bytes, path: Path, number: int) -> type[Line]:
    """Return the type of the lines of a file with this header, by its schema."""
    try:
        schema = msgspec.json.decode(header, type=_AnyHeader).schema
    except UNREADABLE as error:
        raise NotARunFile(f"{path} is not a run file: line {number}: {shown(str(error))}") from error
    if schema not in LINES:
        known = " and ".join(map(str, LINES))
        raise NotARunFile(f"{path} has schema {shown(str(schema))}; this version reads schemas {known}")
    kind: type[Line] = LINES[schema]
    return kind


def _parse(line: bytes, kind: type[Line], path: Path, number: int) -> Line:
    try:
        return msgspec.json.decode(line, type=kind)
    except UNREADABLE as error:
        raise NotARunFile(f"{path} is not a run file: line {number}: {shown(str(error))}") from error
