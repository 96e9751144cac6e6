"""What the process of a Dask worker does for this suite: it starts a unit in a process of its own, and tells its news.

Dask finds these functions by their names in the levelfield that is installed on the host. They take and return texts.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bench.fleet import at_unit
from bench.fleet.facts import PROCESS, facts_of_this_host, of_engine, without_engine
from bench.fleet.news import Doing, News, Outcome
from bench.fleet.units import Order, encoded
from bench.harness.output import last_lines, telling_line
from bench.scratch import scratch_folder

SILENCE_S = 300.0  # after which a unit ends that no client has asked for: the client is gone, or cannot be reached
ENDING_S = 60.0  # that a unit may take to end in order
TOLD_BYTES = 2**22  # of a run file at once
LOOK_S = 0.5


@dataclass
class Held:
    """A unit on this host: its folder, and when a client has asked for it last."""

    folder: Path
    asked_s: float = field(default_factory=time.monotonic)
    stopped: bool = False  # whether its process shall end
    wanted: bool = True  # whether a client may still ask for its last news
    outcome: Outcome | None = None

    @property
    def waits(self) -> bool:
        """Whether a client may still ask for it."""
        return self.wanted and time.monotonic() - self.asked_s < SILENCE_S


UNITS: dict[str, Held] = {}  # by key, of this process; the functions below run in several of its threads
LOCK = threading.Lock()


def facts() -> str:
    """Return what this host says of itself."""
    with LOCK:
        running = tuple(key for key, held in UNITS.items() if held.waits)
    return encoded(facts_of_this_host(running))


def carry_out(text: str) -> str:
    """Measure a unit, and wait until a client knows what came of it; return that.

    So Dask sees this host busy for as long, and does not take it away.
    """
    order = msgspec.json.decode(text, type=Order)
    with scratch_folder() as folder:
        held = Held(folder)
        with LOCK:
            UNITS[order.key] = held
        try:
            held.outcome = _outcome(held, text)
            while held.waits:
                time.sleep(LOOK_S)
            return encoded(held.outcome)
        finally:
            with LOCK:
                if UNITS.get(order.key) is held:
                    del UNITS[order.key]


def _outcome(held: Held, text: str) -> Outcome:
    """Let a process measure a unit, until it has ended or nobody wants it any more."""
    printed = held.folder / at_unit.PRINTED
    with printed.open("wb+") as output:
        process = _start(held.folder, text, output.fileno())
        while process.poll() is None and held.waits and not held.stopped:
            time.sleep(LOOK_S)
        _end(process)
        found = held.folder / at_unit.OUTCOME
        if found.exists():
            return msgspec.json.decode(found.read_bytes(), type=Outcome)
        words = telling_line(last_lines(output))
    return Outcome(ended="crashed", reason=f"its process ended with {process.returncode}{words and f': {words}'}")


def _start(folder: Path, text: str, output: int) -> subprocess.Popen[bytes]:
    """Start the process of a unit with the environment that the user has given this host."""
    own = str(Path(__file__).resolve().parents[2])
    environment = without_engine(os.environ, of_engine())
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (own, environment.get("PYTHONPATH"))))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", at_unit.__name__, str(folder)],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        env=environment,
        start_new_session=True,  # a Ctrl-C in the terminal of the host is not for the run
    )
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    with contextlib.suppress(BrokenPipeError):  # it has ended already: the outcome says so
        process.stdin.write(text.encode() + b"\n")
        process.stdin.flush()
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let the process of a unit end in order; kill it if it does not."""
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(ENDING_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def news(key: str, offset: int) -> str:
    """Return what is new of a unit; the client has the first `offset` bytes of its run file."""
    with LOCK:
        held = UNITS.get(key)
    if held is None:
        return encoded(News(process=PROCESS, known=False))
    held.asked_s = time.monotonic()
    outcome = held.outcome  # before the lines: all of them are there when it is
    lines, more = _lines(held.folder / at_unit.RUN_FILE, offset)
    if more or outcome is None:
        return encoded(News(process=PROCESS, lines=lines, doing=_doing(held.folder)))
    return encoded(News(process=PROCESS, lines=lines, outcome=outcome))


def stop(key: str) -> None:
    """Let the process of a unit end in order; its last lines and its outcome are kept for the client."""
    with LOCK:
        held = UNITS.get(key)
    if held is not None:
        held.stopped = True


def end(key: str) -> None:
    """End a unit that is not wanted any more, or whose outcome is known."""
    with LOCK:
        held = UNITS.get(key)
    if held is not None:
        held.wanted = False


def _lines(path: Path, offset: int) -> tuple[str, bool]:
    """Return the whole lines of a run file from a place on, some MB of them, and whether there are more."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read(TOLD_BYTES)
            if b"\n" not in content and len(content) == TOLD_BYTES:
                content += file.readline()  # a line that is longer than all that
            return content[: content.rfind(b"\n") + 1].decode(), bool(file.read(1))
    except OSError:  # it has not begun
        return "", False


def _doing(folder: Path) -> Doing:
    try:
        return msgspec.json.decode((folder / at_unit.DOING).read_bytes(), type=Doing)
    except (OSError, msgspec.DecodeError):  # it has just begun
        return Doing()


def has(key: str, offset: int, digest: str) -> bool:
    """Return whether the first `offset` bytes of the run file of a unit have this SHA-256: then a client can go on."""
    with LOCK:
        held = UNITS.get(key)
    try:
        content = b"" if held is None else (held.folder / at_unit.RUN_FILE).read_bytes()[:offset]
    except OSError:
        content = b""
    return held is not None and len(content) == offset and hashlib.sha256(content).hexdigest() == digest
