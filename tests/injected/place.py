"""A place of its own for one fault: its folders, its processes, and what is left of both."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.harness.scratch import pytorch_folder

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
MARK = "INJECTED_PLACE"
GRACE_S = 2.0  # in which whatever a dead command has started must have ended
TIME_LIMIT_S = 300.0


@dataclass
class Place:
    """Folders of one fault, and the mark of all processes that are started for it."""

    folder: Path
    cache: Path  # shared, so that envelopes are computed once
    mark: str = field(default_factory=lambda: secrets.token_hex(8))

    def __post_init__(self) -> None:
        for path in (self.folder, self.cache, self.temporary):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def temporary(self) -> Path:
        """The folder for temporary files."""
        return self.folder / "tmp"

    @property
    def run_file(self) -> Path:
        """Where a run is written."""
        return self.folder / "results" / "run.jsonl"

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a command."""
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, HERE / "plugin"))),
            "XDG_CACHE_HOME": str(self.cache),
            "BENCH_LOCK": str(self.folder),
            "TMPDIR": str(self.temporary),
            "COLUMNS": "200",
            MARK: self.mark,
            **more,
        }

    def start(self, *arguments: str, **environment: str) -> Command:
        """Start a command."""
        return Command(self, arguments, environment)

    def run(self, *arguments: str, **environment: str) -> Command:
        """Run a command to its end."""
        command = self.start(*arguments, **environment)
        command.wait()
        return command

    def processes(self) -> list[psutil.Process]:
        """Return the living processes that were started for this fault."""
        found = []
        for number in psutil.pids():
            with suppress(psutil.Error):
                process = psutil.Process(number)
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def left_running(self) -> tuple[str, ...]:
        """Return the processes that live on after the time of grace, and end them."""
        deadline = time.monotonic() + GRACE_S
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        return tuple(f"left running: {process.name()}" for process in left)

    def left_lying(self) -> tuple[str, ...]:
        """Return what lies in the temporary folder, but for the folder in which PyTorch keeps headers on purpose."""
        return tuple(f"left: {path.name}" for path in self.temporary.iterdir() if path.name != pytorch_folder())


class Command:
    """A command that runs, and what it has printed so far."""

    def __init__(self, place: Place, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self.place = place
        self.printed: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench", *arguments],
            cwd=place.folder,
            env=place.environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.printed.append(line.rstrip("\n"))

    @property
    def text(self) -> str:
        """All that it printed."""
        return "\n".join(self.printed)

    def wait(self) -> int:
        """Wait for its end; return its exit code. One that does not end in time is killed, and that is an error."""
        try:
            code = self.process.wait(TIME_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.reader.join(5)
        return code

    def wait_for(self, *words: str, path: Path | None = None) -> bool:
        """Wait until one of the words was printed, or stands in a file; return False if it has ended before."""
        while self.process.poll() is None:
            text = path.read_text(errors="replace") if path and path.exists() else "" if path else self.text
            if any(word in text for word in words):
                return True
            time.sleep(0.02)
        return False

    def said(self, *words: str) -> str:
        """Return the first line that it printed with one of these words; empty if there is none."""
        return next((line for line in self.printed if any(word in line for word in words)), "")
