"""Progress of a run on a cluster: a line for each host on a terminal, else a line for each thing that happens."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.events import HostSoFar
from bench.report.live_display import LiveDisplay
from bench.report.names import counted
from bench.report.text import visible
from bench.report.units import minutes

OTHER_LINES = 3  # names of columns, and how many hosts and units there are


class QuietFleet:
    """Shows nothing of a run on a cluster but what costs it hosts."""

    def say(self, line: str) -> None:
        """Ignore it."""

    def hosts(self, found: Sequence[HostSoFar], whole: int, units: int) -> None:
        """Ignore them."""

    def __enter__(self) -> QuietFleet:
        return self

    def __exit__(self, *_: object) -> None:
        return


class TerminalFleet(LiveDisplay):
    """Shows the progress of a run on a cluster."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, auto_refresh=False)

    def say(self, line: str) -> None:
        """Print a sentence above the hosts."""
        self.console.print(visible(line), markup=False, highlight=False, soft_wrap=True)

    def hosts(self, found: Sequence[HostSoFar], whole: int, units: int) -> None:
        """Show what every host does."""
        if self.live:
            self.screen.update(view(found, whole, units, self.console.height - OTHER_LINES), refresh=True)


def view(found: Sequence[HostSoFar], whole: int, units: int, height: int) -> RenderableType:
    """Return the hosts, those that measure first, as many as there is room for, and how many units are whole. Pure."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("host", "unit", "stage", "jobs", "at most", "now"):
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    order = sorted(found, key=lambda each: not each.unit)
    for each in order[: max(1, height)]:
        table.add_row(*map(_cell, cells(each)))
    measuring = sum(1 for each in found if each.unit)
    hidden = len(order) - max(1, height)
    more = f", {hidden} of them not shown" if hidden > 0 else ""
    hosts = f"{counted(len(found), 'host')}, {measuring} measuring{more}"
    return Group(table, Text(f"{hosts}; {whole} of {units} units whole", no_wrap=True, overflow="ellipsis"))


def cells(each: HostSoFar) -> tuple[str, ...]:
    """Return what is shown of a host."""
    if not each.unit:
        return each.host, "", "waits", "", "", ""
    jobs = f"{each.done}/{each.total}" if each.total else ""
    left = "" if each.left_s is None else minutes(each.left_s)
    return each.host, each.unit, each.stage or "begins", jobs, left, each.job


def _cell(text: str) -> Text:
    return Text(visible(text).replace("\n", " "))
