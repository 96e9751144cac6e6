"""Progress callbacks of a run: downloads, the current stage of work, running jobs, and what is known of each row."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol


class Bar(Protocol):
    """A progress bar with the interface that pooch expects."""

    total: int  # bytes to download

    def update(self, count: int) -> None:
        """Advance the bar by `count` bytes."""

    def reset(self) -> None:
        """Start again from zero."""

    def close(self) -> None:
        """Remove the bar."""


class DownloadListener(Protocol):
    """Receives the progress of downloads."""

    def bar(self, label: str) -> AbstractContextManager[Bar]:
        """Return a progress bar for one download. Its length is unknown until `total` is set."""


class JobListener(Protocol):
    """Receives the progress of jobs, which run in stages."""

    def stage(self, label: str, total: int, left_s: float | None = None) -> None:
        """Called when a stage of `total` jobs starts; the run takes about `left_s` more seconds at most, if known."""

    def begins(self, label: str) -> None:
        """Called when a job of the stage starts."""

    def ended(self, label: str, outcome: str) -> None:
        """Called when the job with this label has ended. `outcome` is its status."""


class Listener(DownloadListener, JobListener, Protocol):
    """Receives the progress of downloads and of jobs."""


State = Literal["waiting", "goes on", "done", "not ranked", "failed"]


@dataclass(frozen=True, kw_only=True)
class RowSoFar:
    """What the rounds so far tell of a row; `low` and `high` are the ends of the ratio's 95 % interval."""

    task: str
    name: str  # backend and mode, and the device if it is not the CPU
    state: State  # goes on: it runs in the next round of its task, if there is time for one
    rounds: int = 0
    pass_s: float | None = None
    ratio: float | None = None  # to the fastest row of the task; 1 for that row, None for one that is not ranked
    low: float | None = None
    high: float | None = None
    reason: str = ""  # why it is not ranked


class RunListener(Listener, Protocol):
    """Receives the progress of a run, and what it tells so far."""

    def rows(self, found: Sequence[RowSoFar]) -> None:
        """Called with all rows of a task before its first round and after each, while nothing is timed."""


@dataclass(frozen=True, kw_only=True)
class HostSoFar:
    """What a host of a cluster does at the moment."""

    host: str
    unit: str = ""  # of work; empty if it has none
    stage: str = ""
    job: str = ""
    done: int = 0  # jobs of the stage
    total: int = 0
    left_s: float | None = None  # at most, if known


class FleetListener(Protocol):
    """Receives the progress of a run on a cluster."""

    def say(self, line: str) -> None:
        """Called with what has happened, in a sentence."""

    def hosts(self, found: Sequence[HostSoFar], whole: int, units: int) -> None:
        """Called again and again with what every host does, and how many of all units are whole."""


class SilentListener:
    """Ignores the progress of jobs."""

    def stage(self, label: str, total: int, left_s: float | None = None) -> None:
        """Ignore it."""

    def begins(self, label: str) -> None:
        """Ignore it."""

    def ended(self, label: str, outcome: str) -> None:
        """Ignore it."""
