"""How the process of a command ends: by which signals, and what it leaves alone."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import ROOT, as_in_a_new_shell

from bench.cli.interrupts import SIGNALS, Interrupts


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Put the handlers back."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("ignored", SIGNALS)
def test_a_signal_that_was_ignored_stays_ignored_as_nohup_wants_it(ignored: signal.Signals) -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN if number is ignored else signal.SIG_DFL)
    interrupts = Interrupts()
    interrupts.install()
    assert signal.getsignal(ignored) == signal.SIG_IGN
    assert {signal.getsignal(number) for number in SIGNALS if number is not ignored} == {interrupts.handle}


def test_an_interrupt_ends_a_command_with_what_is_kept_at_that_time(capsys: pytest.CaptureFixture[str]) -> None:
    interrupts, kept = Interrupts(), "nothing"

    def work() -> None:
        nonlocal kept
        with interrupts.keeping(lambda: kept):
            kept = "two samples"
            interrupts.handle(signal.SIGINT, None)

    with pytest.raises(SystemExit) as ended:
        work()
    assert ended.value.code == 130
    assert capsys.readouterr().out == "interrupted; two samples\n"
    assert interrupts.told("interrupted") == "interrupted"  # outside the block nothing is kept


def test_a_second_interrupt_says_so_too_and_ends_the_process_at_once(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def end(code: int) -> None:
        raise ProcessLookupError(code)  # an exception that the code under test does not catch

    killed = []
    monkeypatch.setattr("os._exit", end)
    monkeypatch.setattr("bench.cli.interrupts.kill_children", lambda: killed.append("all"))
    interrupts = Interrupts()

    def work() -> None:
        with interrupts.keeping(lambda: "one sample"):
            try:
                interrupts.handle(signal.SIGINT, None)
            finally:
                interrupts.handle(signal.SIGTERM, None)

    with pytest.raises(ProcessLookupError, match="130"):
        work()
    assert killed == ["all"]
    assert capfd.readouterr().err == "\ninterrupted; one sample\n"


INTERRUPTED_WHILE_TEXT_IS_EXECUTED = """
from bench.cli import INTERRUPTS, app, main
WORK = "import os, signal; os.kill(os.getpid(), signal.SIGINT); [None for _ in range(10**9)]"
def command():
    with INTERRUPTS.keeping(lambda: "one sample"):
        exec(WORK)
app.app = command
main()
"""


def test_an_interrupt_while_a_module_makes_dataclasses_gives_the_same_exit_code(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(INTERRUPTED_WHILE_TEXT_IS_EXECUTED)
    environment = as_in_a_new_shell(PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    command = [sys.executable, "-m", "program"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (result.stdout, result.returncode) == ("interrupted; one sample\n", 130)


def test_a_name_of_a_file_with_control_characters_is_shown_and_not_sent_to_the_terminal() -> None:
    interrupts = Interrupts()
    with interrupts.keeping(lambda: "kept in evil\x1b[31m.jsonl"):
        assert interrupts.told("interrupted") == "interrupted; kept in evil\\x1b[31m.jsonl"


def test_what_a_command_has_kept_is_known_after_its_end() -> None:
    interrupts = Interrupts()
    with interrupts.keeping(str):
        with interrupts.keeping(lambda: "two samples"):
            pass
        assert interrupts.told("interrupted") == "interrupted"
    assert interrupts.left == "two samples"


def test_an_error_of_the_system_is_not_caught(tmp_path: Path) -> None:
    def work() -> None:
        with Interrupts().keeping(str):
            raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path))

    with pytest.raises(OSError, match="No space left"):
        work()
