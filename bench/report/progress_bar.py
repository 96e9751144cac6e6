"""Progress on the terminal: a live bar, or a line per finished job if the output is no terminal or a dumb one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench.events import Bar


class QuietBar:
    """A bar that shows nothing."""

    total = 0

    def update(self, count: int) -> None:
        """Ignore the count."""

    def reset(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


class DownloadBar:
    """A bar of the live display, with the interface that pooch expects."""

    def __init__(self, progress: Progress, label: str) -> None:
        self.progress = progress
        self.task = progress.add_task(escape(label), total=None)
        self._total = 0

    @property
    def total(self) -> int:
        """Length of the download in bytes."""
        return self._total

    @total.setter
    def total(self, total: int) -> None:
        self._total = total
        self.progress.update(self.task, total=total)

    def update(self, count: int) -> None:
        """Add `count` bytes to the number of bytes done."""
        self.progress.update(self.task, advance=count)

    def reset(self) -> None:
        """Count from zero again."""
        self.progress.reset(self.task)

    def close(self) -> None:
        """Nothing to do: the bar is removed at the end of the download."""


class TerminalProgress:
    """Shows the progress of a run; a context manager, so that the live display is always removed."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = console.is_terminal and not console.is_dumb_terminal  # which cannot move its cursor
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self.progress = Progress(
            *columns,
            TimeElapsedColumn(),
            console=console,
            transient=True,
            refresh_per_second=1,  # low, because the timed processes run on the same cores
        )
        self.label, self.total, self.done = "", 0, 0
        self.began: dict[str, float] = {}  # start times of the running jobs
        self.task = self.progress.add_task("", total=None, visible=False)

    def __enter__(self) -> TerminalProgress:
        if self.live:
            self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.progress.stop()

    def stage(self, label: str, total: int) -> None:
        """Show the start of a stage of `total` jobs."""
        self.label, self.total, self.done = label, total, 0
        self.progress.reset(self.task, description=escape(label), total=total, visible=True)

    def begins(self, label: str) -> None:
        """Show that a job of the stage has started."""
        self.began[label] = time.monotonic()
        self._describe()

    def ended(self, label: str, outcome: str) -> None:
        """Show that the job has ended."""
        self.done += 1
        took_s = time.monotonic() - self.began.pop(label)
        self.progress.update(self.task, completed=self.done)
        self._describe()
        if not self.live or outcome != "ok":
            line = f"[{self.label} {self.done}/{self.total}] {label}: {outcome}, {took_s:.1f} s"
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _describe(self) -> None:
        self.progress.update(self.task, description=f"{escape(self.label)}: {escape(' and '.join(self.began))}")

    @contextmanager
    def bar(self, label: str) -> Iterator[Bar]:
        """Show a bar during a download."""
        if not self.live:
            self.console.print(f"fetching {label}", markup=False, highlight=False, soft_wrap=True)
            yield QuietBar()
            return
        bar = DownloadBar(self.progress, label)
        try:
            yield bar
        finally:
            self.progress.remove_task(bar.task)
