"""Standard streams that are closed, full, narrow or not read: a command does its work and says what went wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from support import ROOT

from bench.cli.streams import Output, plainly
from bench.report.progress_bar import TerminalProgress

SAFE = "import os, sys\nfrom bench.cli import streams\noutput = streams.make_safe()\n"


def in_shell(code: str, redirections: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python code with the redirections of a shell."""
    command = f'exec "$0" -c "$1" {redirections}'
    return subprocess.run(
        ["/bin/sh", "-c", command, sys.executable, code, *arguments],
        cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def bench(*words: str, redirections: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with the redirections of a shell."""
    return in_shell(f"import sys\nsys.argv = ['bench', *{words!r}]\nimport bench.__main__", redirections)


def test_numbers_of_closed_streams_are_not_given_to_other_files(tmp_path: Path) -> None:
    told = tmp_path / "told"
    code = f"print('lost', file=sys.stderr)\nprint('lost')\nopen({str(told)!r}, 'w').write(str(min(os.pipe())))"
    assert in_shell(SAFE + code, "<&- >&- 2>&-").returncode == 0
    assert int(told.read_text()) > 2


def test_a_command_whose_streams_are_closed_runs() -> None:
    result = bench("list", redirections="<&- >&- 2>&-")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_device_is_told_in_a_sentence_and_the_exit_code() -> None:
    result = bench("list", redirections=">/dev/full")
    assert result.returncode == 1
    assert result.stderr == "error: cannot write to standard output: No space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_messages_that_cannot_be_written_stop_nothing_and_change_no_exit_code() -> None:
    code = "print('x' * 100_000, file=sys.stderr)\nprint('done')\nsys.exit(bool(streams.failure(output)))"
    result = in_shell(SAFE + code, "2>/dev/full")
    assert (result.returncode, result.stdout) == (0, "done\n")


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    output = Output(writing)
    assert output.write(b"nobody reads this") == 17
    assert isinstance(output.failure, BrokenPipeError)
    os.close(writing)
    code = "[print('x' * 1000) for _ in range(1000)]\nsys.exit(streams.failure(output) or 7)"
    result = in_shell(SAFE + code, "| head -1")
    assert (result.stdout, result.stderr) == ("x" * 1000 + "\n", "")


def test_what_an_encoding_lacks_is_written_with_as_many_characters_of_ascii() -> None:
    result = in_shell(SAFE + "print('1.5 µs × 2.0 – 日本 \\udcff')", "", PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stdout) == (0, "1.5 us x 2.0 - ?? ?\n")


def test_only_an_encoding_is_mended_and_no_decoding() -> None:
    with pytest.raises(UnicodeDecodeError):
        plainly(UnicodeDecodeError("ascii", b"\xff", 0, 1, "no"))


def test_labels_on_a_live_display_are_text_and_no_markup(tmp_path: Path) -> None:
    with (tmp_path / "screen").open("w+") as screen:
        console = Console(file=screen, force_terminal=True, width=120, _environ={"TERM": "xterm"})
        with TerminalProgress(console) as progress:
            progress.stage("round [/x] 1", 1)
            progress.begins("a row [/y]")
            progress.screen.refresh()
            progress.ended("a row [/y]", "failed")
        screen.seek(0)
        assert "round [/x] 1: a row [/y]" in screen.read()


@pytest.mark.parametrize("terminal", ["dumb", "unknown"])
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(terminal: str, tmp_path: Path) -> None:
    with (tmp_path / "screen").open("w+") as screen:
        console = Console(file=screen, force_terminal=True, width=80, _environ={"TERM": terminal})
        with TerminalProgress(console) as progress:
            progress.stage("round [/x] 1", 1)
            progress.begins("a row [/y]")
            progress.ended("a row [/y]", "ok")
        screen.seek(0)
        assert screen.read().startswith("[round [/x] 1 1/1] a row [/y]: ok, ")
