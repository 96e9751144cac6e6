"""Who is told of what a run does, as it does it."""

from __future__ import annotations

from typing import Protocol


class JobListener(Protocol):
    """Is told what goes on."""

    def stage(self, label: str, total: int) -> None:
        """A stage of so many jobs begins."""

    def begins(self, label: str) -> None:
        """A job of the stage begins."""

    def ended(self, label: str, outcome: str) -> None:
        """That job ended."""
