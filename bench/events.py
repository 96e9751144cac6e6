"""Progress callbacks of a run: downloads, the current stage of work, and running jobs."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


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

    def stage(self, label: str, total: int) -> None:
        """Called when a stage of `total` jobs starts."""

    def begins(self, label: str) -> None:
        """Called when a job of the stage starts."""

    def ended(self, label: str, outcome: str) -> None:
        """Called when the job with this label has ended. `outcome` is its status."""


class Listener(DownloadListener, JobListener, Protocol):
    """Receives the progress of downloads and of jobs."""


class SilentListener:
    """Ignores the progress of jobs."""

    def stage(self, label: str, total: int) -> None:
        """Ignore it."""

    def begins(self, label: str) -> None:
        """Ignore it."""

    def ended(self, label: str, outcome: str) -> None:
        """Ignore it."""
