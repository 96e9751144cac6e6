"""One run at a time on one machine: two that measure at once take each other's cores.

The lock is a socket in Linux's abstract namespace (unix(7)): a name that one process of the machine can hold, whoever
started it. It needs no folder that all users may write to, and the system frees it when the process ends, however that
happens. Containers with a network of their own have names of their own. Other systems have no such names: there,
nothing is locked.
"""

from __future__ import annotations

import errno
import os
import shlex
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psutil

from bench.errors import UserError

LOCK = "BENCH_LOCK"  # runs with different names may go on side by side, such as two on cores of their own
WAITING = 128  # refused runs that the holder is asked about by later ones
CREDENTIALS = struct.Struct("3i")  # pid, uid and gid of a peer, as getsockopt(2) gives them


class AnotherRun(UserError):
    """Raised while another run measures on this machine; the message says which."""


def lock_name(environment: Mapping[str, str]) -> str:
    """Return the name that a run holds while it measures."""
    return environment.get(LOCK) or "levelfield"


@contextmanager
def alone(name: str | None = None) -> Iterator[None]:
    """Keep other runs on this machine from starting. Raises `AnotherRun` if one is under way.

    `name` is for tests. Where the system gives no such lock, nothing is locked.
    """
    if sys.platform != "linux":
        yield
        return
    address = f"\0levelfield/{name or lock_name(os.environ)}"
    with socket.socket(socket.AF_UNIX) as lock:
        try:
            lock.bind(address)
            lock.listen(WAITING)  # from now on others can ask who holds it
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise AnotherRun(
                    f"another run is under way on this machine ({_holder(address)}); two at once would disturb each "
                    f"other: wait until it has ended, or stop it. If they use other cores, set {LOCK} to another name"
                ) from error
        yield


def require_alone(name: str | None = None) -> None:
    """Raise `AnotherRun` if another run is under way: before there is a run file."""
    with alone(name):
        pass


def _holder(address: str) -> str:
    """Return who holds the lock: the process, its user and its command, as far as the system tells."""
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.setblocking(False)
            asking.connect(address)
            pid, user, _ = CREDENTIALS.unpack(
                asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
            )
        command = psutil.Process(pid).cmdline()
    except (OSError, ValueError, psutil.Error):  # it has ended, belongs to another container, or may not be looked at
        return "of a process that the system does not tell of"
    return f"process {pid} of user {user}: {shlex.join(command)}"
