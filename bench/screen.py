"""What the commands print for people: tables for a terminal, from records and frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from backends.registry import BACKENDS
from bench.records import Verdict
from bench.tasks import HEADLINE, TASKS

if TYPE_CHECKING:
    import pandas as pd

RIGHT = ("pass", "range", "× fastest", "first call", "import", "samples/s", "memory")


def print_list(console: Console, gpus: tuple[str, ...]) -> None:
    """Print tasks, backends and devices."""
    tasks = _table("task", "what it is", "data", "steps")
    for name, task in TASKS.items():
        label = f"{name} *" if name in HEADLINE else name
        files = task.data.collection.name if task.data.collection else "none to fetch"
        size = "all rows" if task.batch_size == "all" else f"{task.batch_size} rows"
        tasks.add_row(label, task.summary, files, f"{task.epochs} epochs, {size} a step")
    console.print(tasks)
    console.print("* headline task: what bench run trains when no task is named\n")
    backends = _table("backend", "modes", "framework")
    for name, entry in BACKENDS.items():
        version = entry.version()
        state = entry.fault or (f"{entry.framework} {version}" if version else f"missing: {entry.install}")
        backends.add_row(
            name, ", ".join(entry.modes), Text(state, style="" if version and not entry.fault else "yellow")
        )
    console.print(backends)
    console.print(f"devices: cpu{''.join(f', gpu ({name})' for name in gpus) or ' (no NVIDIA GPU found)'}")


def print_summary(console: Console, readable: pd.DataFrame) -> None:
    """Print the result table, a part for each task."""
    for task, lines in readable.groupby("task", sort=False):
        shown = lines.drop(columns="task")
        shown = shown[[column for column in shown if shown[column].any()]]
        console.print(Text(f"{task}: {TASKS[str(task)].summary}", style="bold"))
        table = _table(*shown.columns)
        for _, line in shown.iterrows():
            table.add_row(*(Text(cell, style=_style(name, cell)) for name, cell in line.items()))
        console.print(table)
        console.print()


def print_verdicts(console: Console, verdicts: Iterable[Verdict]) -> None:
    """Print what parity found, a line a row."""
    table = _table("task", "backend", "mode", "device", "gradient", "losses", "parameters", "agrees", "note")
    for verdict in verdicts:
        row = verdict.row
        agrees = {True: "yes", False: "NO", None: ""}[verdict.agrees]
        note = verdict.reason if verdict.status == "ok" else f"{verdict.status}: {verdict.reason}"
        sizes = (verdict.gradient, verdict.losses, verdict.parameters)
        departures = ("" if size is None else f"{size:.0e}" for size in sizes)
        cells = (row.task, row.backend, row.mode, row.device, *departures)
        table.add_row(*cells, Text(agrees, style=_style("agrees", agrees)), Text(note))
    console.print(table)


def _table(*columns: Any) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in columns:
        table.add_column(str(column), justify="right" if column in RIGHT else "left", overflow="fold")
    return table


def _style(column: Any, cell: str) -> str:
    styles: Mapping[tuple[Any, str], str] = {("agrees", "NO"): "bold red", ("agrees", "yes"): "green"}
    return styles.get((column, cell), "")
