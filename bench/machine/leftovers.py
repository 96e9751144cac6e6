"""What a worker process has left running when it has ended: its children, and daemons in sessions of their own."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from bench.machine.usage import PROCESSES, process_of

MARK = "LEVELFIELD_WORKER"  # a variable that every process below a worker inherits; its value is the worker's own
GRACE_S = 2.0  # for what ends by itself when the worker has: PyTorch's compilers look for it once a second
LOOK_S = 0.02
ROUNDS = 50
SHOWN = 5  # commands
SHOWN_CHARACTERS = 80


class Leftover(NamedTuple):
    """A process that outlives the worker which has started it."""

    pid: int
    command: str


def leftovers(session: int, mark: str) -> tuple[Leftover, ...]:
    """Return the living processes of a session, and those with a mark in their environment; none but on Linux.

    The mark finds a daemon that has begun a session of its own, unless it has also cleared its environment.
    """
    wanted = f"{MARK}={mark}".encode()
    found = []
    for folder in PROCESSES.iterdir() if PROCESSES.is_dir() else ():
        with suppress(OSError):  # it has ended, or belongs to another user
            if folder.name.isdigit() and _belongs(folder, session, wanted):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                found.append(Leftover(int(folder.name), command[:SHOWN_CHARACTERS]))
    return tuple(found)


def _belongs(folder: Path, session: int, wanted: bytes) -> bool:
    process = process_of((folder / "stat").read_text())
    if process.ended:
        return False
    return process.session == session or wanted in (folder / "environ").read_bytes().split(b"\0")


def end_leftovers(
    look: Callable[[], tuple[Leftover, ...]], clock: Callable[[], float], sleep: Callable[[float], None] = time.sleep
) -> tuple[Leftover, ...]:
    """Give what `look` finds some time to end by itself; kill what does not, and return it."""
    end_s = clock() + GRACE_S
    while (found := look()) and clock() < end_s:
        sleep(LOOK_S)
    killed: dict[int, Leftover] = {}  # as first seen: one that is about to end has no command any more
    for _ in range(ROUNDS):  # until they are gone; they may start others while they are being ended
        if not found:
            break
        for each in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(each.pid, signal.SIGKILL)
            killed.setdefault(each.pid, each)
        sleep(LOOK_S)
        found = look()
    return tuple(killed.values())


def commands(left: Iterable[Leftover]) -> tuple[str, ...]:
    """Return the commands for people, each once with how often it ran, the most frequent first; of many, some."""
    counts = Counter(each.command for each in left)
    shown = [command if times == 1 else f"{command} ({times} times)" for command, times in counts.most_common(SHOWN)]
    return (*shown, f"{len(counts) - SHOWN} others") if len(counts) > SHOWN else tuple(shown)
