"""Ctrl-C and other signals that end a command: the first one ends it in order, a second one at once.

Either way the command says what is kept and how to go on. This module imports little, so that signals are handled while
the rest is still being imported.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from bench.report.text import visible

INTERRUPTED = 130  # 128 + SIGINT, as in shells
# Windows has no SIGHUP.
SIGNALS = tuple(each for each in signal.Signals if each.name in ("SIGINT", "SIGTERM", "SIGHUP"))
SHOW_CURSOR = "\x1b[?25h"  # a live display hides it


class Interrupts:
    """How often the user has interrupted this command, and what it has to say about it."""

    def __init__(self) -> None:
        self.count = 0
        self.kept: Callable[[], str] = str  # the sentence on what is kept; empty if nothing is
        self.left = ""  # that sentence at the end of the last block that kept something

    def install(self) -> None:
        """Handle the signals that end a command, except those that the user has ignored."""
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores SIGHUP, so that a run outlives its terminal
                signal.signal(number, self.handle)

    def ignore(self) -> None:
        """Let the process end undisturbed: all has been said."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def end(self, code: int | str | None) -> NoReturn:
        """End the process with this exit code, undisturbed.

        After an interrupt it ends at once. Python would end it by SIGINT, whatever the code, if the KeyboardInterrupt
        had come while text was executed, as dataclasses do when a module is imported, although it was caught.
        """
        self.ignore()
        if not self.count:
            sys.exit(code)
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # nobody reads it any more
                stream.flush()
        os._exit(code if isinstance(code, int) else INTERRUPTED)

    def handle(self, number: int, frame: FrameType | None) -> NoReturn:
        """Interrupt the command, so that it ends in order; a second time, end the process at once.

        What it has started ends with it, and the next command removes its temporary folders.
        """
        self.count += 1
        if self.count > 1:
            clean = SHOW_CURSOR if sys.stderr.isatty() else ""
            told = f"{clean}\n{self.told('interrupted')}\n"
            os.write(2, told.encode(errors="replace"))  # a print may be under way, and not allow another
            kill_children()
            os._exit(INTERRUPTED)
        raise KeyboardInterrupt

    def told(self, what: str) -> str:
        """Return what has happened, and what is kept, in a sentence."""
        return visible("; ".join(filter(None, (what, self.kept()))))  # which may name a file

    @contextmanager
    def keeping(self, kept: Callable[[], str]) -> Iterator[None]:
        """Say what is kept if the block is interrupted, and end the command then. `kept` returns the sentence."""
        before, self.kept = self.kept, kept
        try:
            yield
        except KeyboardInterrupt:
            self.count = max(1, self.count)
            print(self.told("interrupted"), flush=True)
            sys.exit(INTERRUPTED)
        finally:
            self.left = kept() or self.left
            self.kept = before


def kill_children() -> None:
    """Kill what this process has started: workers, and programs that fetch data."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has ended
            child.kill()


INTERRUPTS = Interrupts()
