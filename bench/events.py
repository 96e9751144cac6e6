"""Progress callbacks of a run: what is fetched, which stage of work it is in, and which jobs are running."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Bar(Protocol):
    """A progress bar as pooch drives it."""

    total: int

    def update(self, count: int) -> None:
        """Add `count` to what is done."""

    def reset(self) -> None:
        """Count from zero again."""

    def close(self) -> None:
        """Remove the bar."""


class DownloadListener(Protocol):
    """Receives the progress of downloads."""

    def bar(self, label: str) -> AbstractContextManager[Bar]:
        """Return a bar for one download; its length is unknown until `total` is set."""


class JobListener(Protocol):
    """Receives the progress of jobs, which run in stages."""

    def stage(self, label: str, total: int) -> None:
        """A stage of `total` jobs begins."""

    def begins(self, label: str) -> None:
        """A job of the stage begins."""

    def ended(self, label: str, outcome: str) -> None:
        """That job ended; `outcome` is its status."""


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
