"""Progress on the terminal: a live view, or a line per finished job if the output is no terminal or a dumb one."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.segment import Segments
from rich.text import Text

from bench.events import Bar, RowSoFar, SilentListener
from bench.report import live_view
from bench.report.live_display import LiveDisplay
from bench.report.text import visible
from bench.report.units import minutes

# A refresh takes 1.5 to 5 ms of CPU time, with the rows of three tasks on a terminal of 200 columns: a thousandth of a
# core. That is all this process does during a turn. The rows are drawn anew only between rounds.
REFRESH_S = 4.0
OTHER_LINES = 4  # below the rows: how many there are, the bar, and room for a reason that is printed above


class QuietBar:
    """A bar that shows nothing."""

    total = 0

    def update(self, count: int) -> None:
        """Ignore the count."""

    def reset(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


class Quiet(SilentListener):
    """Shows nothing of a run."""

    def rows(self, found: Sequence[RowSoFar]) -> None:
        """Ignore them."""

    @contextmanager
    def bar(self, label: str) -> Iterator[Bar]:
        """Return a bar that shows nothing."""
        yield QuietBar()


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


@dataclass(frozen=True)
class Drawn:
    """The rows as they are on the terminal, until more is known of them or its size changes."""

    tasks: Mapping[str, Sequence[RowSoFar]]
    size: live_view.Size
    segments: Segments


class TerminalProgress(LiveDisplay):
    """Shows the progress of a run."""

    def __init__(self, console: Console) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self.progress = Progress(*columns, TimeElapsedColumn(), console=console)
        self.label, self.total, self.done = "", 0, 0
        self.ends_s: float | None = None  # when the run ends at the latest
        self.began: dict[str, float] = {}  # start times of the running jobs
        self.tasks: Mapping[str, Sequence[RowSoFar]] = {}  # in the order in which they were told
        self.drawn: Drawn | None = None
        self.task = self.progress.add_task("", total=None, visible=False)
        # Last, because it asks at once for what is drawn.
        super().__init__(console, get_renderable=self._screen, refresh_per_second=1 / REFRESH_S)

    def stage(self, label: str, total: int, left_s: float | None = None) -> None:
        """Show the start of a stage of `total` jobs."""
        self.label, self.total, self.done = label, total, 0
        self.ends_s = None if left_s is None else time.monotonic() + left_s
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
            self._say(f"[{self.label} {self.done}/{self.total}] {label}: {outcome}, {took_s:.1f} s")

    def rows(self, found: Sequence[RowSoFar]) -> None:
        """Show what is known of the rows of a task."""
        task = found[0].task
        before = self.tasks.get(task, ())
        # A new dictionary, because the thread that refreshes the screen may be reading the old one.
        self.tasks = {**{each: rows for each, rows in self.tasks.items() if each != task}, task: found}
        self._refresh()
        if not self.live:
            for line in live_view.lines(found, before):
                self._say(line)

    def _describe(self) -> None:
        parts = filter(None, (self.label, " and ".join(self.began)))
        self.progress.update(self.task, description=escape(": ".join(parts)))
        self._refresh()

    def _refresh(self) -> None:
        """Show at once what is new: when a job begins or ends, nothing is timed."""
        if self.screen.is_started:
            self.screen.refresh()

    def _say(self, line: str) -> None:
        self.console.print(visible(line), markup=False, highlight=False, soft_wrap=True)

    def _screen(self) -> RenderableType:
        """Return what the terminal shows now. The rows are drawn only when something new is known of them."""
        tasks, size = self.tasks, live_view.Size(self.console.width, self.console.height - OTHER_LINES)
        if not tasks:
            return self.progress
        if self.drawn is None or self.drawn.tasks is not tasks or self.drawn.size != size:
            lines = self.console.render_lines(live_view.view(tasks, size), pad=False, new_lines=True)
            self.drawn = Drawn(tasks, size, Segments(itertools.chain.from_iterable(lines)))
        left = "" if self.ends_s is None else f"at most {minutes(max(0.0, self.ends_s - time.monotonic()))} left"
        told = "; ".join(filter(None, (live_view.counts(row for each in tasks.values() for row in each), left)))
        return Group(self.drawn.segments, Text(told, no_wrap=True, overflow="ellipsis"), self.progress)

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
