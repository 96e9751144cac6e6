"""A run file is watched while it is written: whatever others do to it is noticed at the next line, and nothing lost."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support import a_header, a_record, a_row

from bench.errors import UserError
from bench.records.runfile import read_run
from bench.records.writing import RunFile

ROW = a_row("linear_fit")
FIRST, SECOND, THIRD = (a_record(ROW, number) for number in range(3))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results" / "run.jsonl"


def remove(path: Path) -> None:
    path.unlink()


def remove_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    path.write_text("")


def append(path: Path) -> None:
    with path.open("a") as file:
        file.write("{}\n")


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def drop_last_line(path: Path) -> None:
    os.truncate(path, len(b"".join(path.read_bytes().splitlines(keepends=True)[:-1])))


DAMAGES = [
    (drop_last_line, "was changed by another program", "run-saved.jsonl"),
    (remove, "was removed", "run.jsonl"),
    (remove_folder, "was removed", "run.jsonl"),
    (cut, "was changed by another program", "run-saved.jsonl"),
    (empty, "was changed by another program", "run-saved.jsonl"),
    (append, "was changed by another program", "run-saved.jsonl"),
    (replace, "was replaced by another file", "run-saved.jsonl"),
]


@pytest.mark.parametrize(("damage", "what", "saved"), DAMAGES)
@pytest.mark.parametrize("resumed", [False, True])
def test_a_damage_is_noticed_at_the_next_line_and_all_samples_are_saved(
    damage: Callable[[Path], None], what: str, saved: str, resumed: bool, path: Path
) -> None:
    run_file = RunFile.create(path, a_header(ROW))
    run_file.append(FIRST)
    if resumed:
        with run_file:
            pass
        run_file = RunFile.resume(read_run(path))
    run_file.append(SECOND)
    damage(path)
    damaged = path.read_bytes() if path.exists() else None
    place = path.with_name(saved)
    with pytest.raises(UserError) as refused, run_file:
        run_file.append(THIRD)
    told = f"{path} {what} while the run was writing it; all its samples were saved in {place}. Continue with --resume"
    assert str(refused.value) == f"{told} {place}"
    assert read_run(place).records == (FIRST, SECOND, THIRD)
    if place != path:  # what somebody else has made of the file stays as it is
        assert path.read_bytes() == damaged
    with RunFile.resume(read_run(place)):
        pass


def test_a_damage_after_the_last_line_is_noticed_at_the_end(path: Path) -> None:
    run_file = RunFile.create(path, a_header(ROW))
    run_file.append(FIRST)
    path.unlink()
    with pytest.raises(UserError, match="was removed while the run was writing it"), run_file:
        pass
    assert read_run(path).records == (FIRST,)


def test_nobody_elses_file_is_written_over_when_samples_are_saved(path: Path) -> None:
    run_file = RunFile.create(path, a_header(ROW))
    others = [path.with_name(name) for name in ("run-saved.jsonl", "run-saved2.jsonl")]
    for other in others:
        other.write_text("mine")
    cut(path)
    with pytest.raises(UserError, match=r"saved in \S*run-saved3.jsonl"), run_file:
        run_file.append(FIRST)
    assert {other.read_text() for other in others} == {"mine"}


def test_samples_that_cannot_be_saved_are_told(path: Path) -> None:
    run_file = RunFile.create(path, a_header(ROW))
    shutil.rmtree(path.parent)
    path.parent.write_text("a file where the folder was")
    with (
        pytest.raises(UserError, match="its samples could not be saved beside it: File exists"),
        run_file,
    ):
        run_file.append(FIRST)


def test_two_cannot_write_one_file(path: Path) -> None:
    with RunFile.create(path, a_header(ROW)) as run_file:
        run_file.append(FIRST)
        with pytest.raises(UserError, match=r"another run is writing \S*run.jsonl; wait until it has"):
            RunFile.resume(read_run(path))
        run_file.append(SECOND)
    with RunFile.resume(read_run(path)) as again:
        again.append(THIRD)
    assert read_run(path).records == (FIRST, SECOND, THIRD)


def test_a_line_that_was_written_since_the_file_was_read_is_not_cut_off_on_resume(path: Path) -> None:
    with RunFile.create(path, a_header(ROW)) as run_file:
        before = read_run(path)
        run_file.append(FIRST)
    with pytest.raises(UserError, match="was changed by another program a moment ago; try again"):
        RunFile.resume(before)
    assert read_run(path).records == (FIRST,)


@pytest.mark.parametrize("moment", ["write", "fsync"])
def test_an_interrupt_while_a_line_is_written_is_no_damage(
    moment: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(os, moment)

    def interrupted(*arguments: object) -> None:
        real(*arguments)
        monkeypatch.undo()
        raise KeyboardInterrupt

    with RunFile.create(path, a_header(ROW)) as run_file:
        run_file.append(FIRST)
        monkeypatch.setattr(os, moment, interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_file.append(SECOND)
    assert read_run(path).records == (FIRST, SECOND)
    assert list(path.parent.iterdir()) == [path]


def test_a_file_whose_header_cannot_be_written_is_not_left_behind(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(UserError, match=r"^cannot write \S*run.jsonl: No space left on device$"):
        RunFile.create(path, a_header(ROW))
    assert not path.exists()
    monkeypatch.undo()
    with RunFile.create(path, a_header(ROW)) as run_file:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(UserError, match=r"No space left on device\. What was written before is kept; when"):
            run_file.append(FIRST)
