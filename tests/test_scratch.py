"""Temporary folders: gone after use, and removed by a later process where one was killed."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

from bench import scratch
from bench.scratch import PREFIX, remove_abandoned, scratch_folder

HOLD = (
    "import sys, time; from pathlib import Path; from bench.scratch import scratch_folder\n"
    "with scratch_folder(Path(sys.argv[1])) as folder: print(folder, flush=True); time.sleep(60)"
)


def test_a_folder_is_empty_and_private_and_gone_after_an_error_too(tmp_path: Path) -> None:
    def fail() -> None:
        with scratch_folder(tmp_path) as folder:
            assert list(folder.iterdir()) == []
            assert folder.stat().st_mode & 0o777 == 0o700
            (folder / "deep").mkdir()
            (folder / "deep" / "file").write_text("")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_has_left_is_removed_and_what_is_in_use_stays(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout, scratch_folder(tmp_path) as own:
        other = Path(process.stdout.readline().strip())
        (other / "file").write_text("")
        remove_abandoned(tmp_path)
        assert other.is_dir()
        process.send_signal(signal.SIGKILL)
        process.wait()
        remove_abandoned(tmp_path)
        assert list(tmp_path.iterdir()) == [own]


def test_nothing_else_is_removed(tmp_path: Path) -> None:
    (tmp_path / "levelfield-of-somebody").mkdir()
    (tmp_path / f"{PREFIX}file").write_text("")
    (tmp_path / "target").mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "target")
    before = sorted(tmp_path.iterdir())
    with scratch_folder(tmp_path):
        pass
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_was_removed_before_it_was_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, tried = scratch._opened, []

    def opened(folder: Path) -> int:
        tried.append(folder)
        if len(tried) == 1:
            folder.rmdir()
        return real(folder)

    monkeypatch.setattr(scratch, "_opened", opened)
    with scratch_folder(tmp_path) as folder:
        assert [each.is_dir() for each in tried] == [False, True]
        assert folder == tried[1]


def test_what_another_user_left_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = tmp_path / f"{PREFIX}other"
    left.mkdir()
    monkeypatch.setattr(os, "getuid", lambda: left.stat().st_uid + 1)
    remove_abandoned(tmp_path)
    assert left.exists()
    monkeypatch.undo()
    remove_abandoned(tmp_path)
    assert not left.exists()


def test_in_a_file_system_without_locks_there_are_folders_and_none_is_taken_for_abandoned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with scratch_folder(tmp_path) as folder:
        remove_abandoned(tmp_path)
        assert list(tmp_path.iterdir()) == [folder]
    assert list(tmp_path.iterdir()) == []
