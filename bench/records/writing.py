"""Write run files, line by line. The lines of a round are on the disk before the next one starts."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

import msgspec

from bench.errors import UserError
from bench.records.runfile import Losses, Run
from bench.records.schema import Header, Line, Record, Row

NO_LOSSES: Mapping[Row, Losses] = MappingProxyType({})


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
        run_file = cls(run.path, run.records.first_losses())
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


def lock(file: int, path: Path, who: str = "run") -> None:
    """Lock an open file until it is closed. Raises `UserError` if another process has done so: `who` says for what."""
    import fcntl  # which Windows, where run files are only read, has not

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UserError(f"another {who} is writing {path}; wait until it has ended, or stop it") from error
    except OSError:  # a file system without locks
        return


def _with_losses(record: Record, losses: Losses) -> Record:
    assert record.quality is not None  # noqa: S101 - callers pass only records that have a quality
    return msgspec.structs.replace(record, quality=msgspec.structs.replace(record.quality, losses=losses))
