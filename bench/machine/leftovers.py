"""What a worker process has left running when it has ended: its children, and daemons in sessions of their own."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import NamedTuple

from bench.machine.usage import PROCESSES, processes, with_all_below

MARK = "LEVELFIELD_WORKER"  # a variable that every process below a worker inherits; its value is the worker's own
GRACE_S = 2.0  # for what ends by itself when the worker has: PyTorch's compilers look for it once a second
LOOK_S = 0.02
ROUNDS = 50
SHOWN = 5  # commands
SHOWN_CHARACTERS = 80
PR_SET_CHILD_SUBREAPER = 36  # of linux/prctl.h
NOTHING_KNOWN: Mapping[int, int] = MappingProxyType({})


class Leftover(NamedTuple):
    """A process that outlives the worker which has started it."""

    pid: int
    command: str


def adopt_orphans() -> None:
    """Keep what is started below this process below it, also where the parent in between ends; on Linux alone.

    A daemon would otherwise come below the first process of the system. See PR_SET_CHILD_SUBREAPER in prctl(2).
    """
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def below(pid: int) -> dict[int, int]:
    """Return the numbers of the processes below a living one, and when each was started; none but on Linux."""
    found = processes()
    return {each: found[each].started for each in with_all_below({pid}, found) - {pid}}


def leftovers(session: int, mark: str, known: Mapping[int, int] = NOTHING_KNOWN) -> tuple[Leftover, ...]:
    """Return what is alive of a session, with a mark in its environment, or `known`; none but on Linux.

    The mark finds a daemon that has begun a session of its own. One that has also cleared its environment is known, if
    `below` found it while its worker was alive.
    """
    wanted = f"{MARK}={mark}".encode()
    everyone = processes()
    mine = with_all_below((pid for pid, each in everyone.items() if known.get(pid) == each.started), everyone)
    found = []
    for pid, each in everyone.items():
        with suppress(OSError):  # it has ended, or belongs to another user
            folder = PROCESSES / str(pid)
            own = pid in mine or each.session == session
            if not each.ended and (own or wanted in (folder / "environ").read_bytes().split(b"\0")):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                found.append(Leftover(pid, command[:SHOWN_CHARACTERS]))
    return tuple(found)


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
