"""Prints code on the terminal: backends side by side where there is room, otherwise one below the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from bench.report.code.excerpts import Column, Excerpt

LEAST_WIDTH = 48  # of a column of code, so that 120 characters have room for two and 200 for four
GAP = 2  # characters between two columns
THEME = "ansi_dark"  # the terminal's own colors, which its user can read on its background
TASK_FILES = "the task"


def print_code(console: Console, task: Sequence[Excerpt], columns: Sequence[Column]) -> None:
    """Print the definition of a task, and what trains it; as plain text if the output is no terminal."""
    if not console.is_terminal:
        print_plain(console, task, columns)
        return
    _print_title(console, TASK_FILES)
    for excerpt in task:
        console.print(_highlighted(excerpt))
    console.print()
    at_once = max(1, (console.width + GAP) // (LEAST_WIDTH + GAP))
    for first in range(0, len(columns), at_once):
        _print_beside(console, columns[first : first + at_once])


def print_plain(console: Console, task: Sequence[Excerpt], columns: Sequence[Column]) -> None:
    """Print everything one below the other, each excerpt behind a comment with its file and line."""
    for title, excerpts in ((TASK_FILES, task), *((f"{each.backend} {each.mode}", each.excerpts) for each in columns)):
        console.print(f"## {title}\n", markup=False, highlight=False)
        for excerpt in excerpts:
            text = f"# {excerpt.part}: {excerpt.file}:{excerpt.line}\n{excerpt.code}\n"
            console.print(text, markup=False, highlight=False, soft_wrap=True)


def _print_beside(console: Console, columns: Sequence[Column]) -> None:
    """Print columns side by side, part by part, so that the same part of each stands in the same place."""
    grid = Table(box=None, expand=True, pad_edge=False, padding=(0, GAP, 0, 0), show_header=len(columns) > 1)
    for column in columns:
        grid.add_column(Text(f"{column.backend} {column.mode}"), ratio=1, header_style="bold reverse")
    if len(columns) == 1:
        _print_title(console, f"{columns[0].backend} {columns[0].mode}")
    for part in parts(columns):
        grid.add_row(*(_cell(part, column.excerpts) for column in columns))
    console.print(grid)


def parts(columns: Iterable[Column]) -> list[str]:
    """Return the titles of the parts of all columns, in the order of those that have most of them."""
    longest_first = sorted(columns, key=lambda column: -len({each.part for each in column.excerpts}))
    return list(dict.fromkeys(excerpt.part for column in longest_first for excerpt in column.excerpts))


def _cell(part: str, excerpts: Iterable[Excerpt]) -> RenderableType:
    """Return the excerpts of one part, or nothing if there are none."""
    found = [excerpt for excerpt in excerpts if excerpt.part == part]
    return Group(Text(part, style="bold cyan"), *map(_highlighted, found), "") if found else Text("")


def _highlighted(excerpt: Excerpt) -> RenderableType:
    """Return an excerpt with its file and its line numbers. Long lines go on below, indented as they are."""
    lines = Syntax(excerpt.code, "python", theme=THEME, background_color="default").highlight(excerpt.code)
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(justify="right", style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for number, line in enumerate(lines.split("\n", allow_blank=False), start=excerpt.line):
        depth = len(line.plain) - len(line.plain.lstrip(" "))
        grid.add_row(str(number), Padding(line[depth:], (0, 0, 0, depth)))
    return Group(Text(f"{excerpt.file}:{excerpt.line}", style="dim", overflow="fold"), grid)


def _print_title(console: Console, title: str) -> None:
    console.print(Text(title, style="bold reverse"))
