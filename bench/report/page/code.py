"""The code that trains the tasks of a run, side by side, with its syntax highlighted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from backends.registry import BUILT_IN, FRAMEWORKS
from bench.records.schema import Row
from bench.report.code.excerpts import Excerpt, column, definition
from bench.tasks import TASKS
from bench.tasks.names import TaskRef


@dataclass(frozen=True)
class Piece:
    """Lines of a file."""

    part: str
    place: str  # file and line
    html: str  # the lines as markup, in which all text is escaped


@dataclass(frozen=True)
class Side:
    """The code of one mode of a framework."""

    name: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class TaskCode:
    """The definition of a task, and what trains it."""

    task: str
    definition: tuple[Piece, ...]
    sides: tuple[Side, ...]


def code_of(rows: Iterable[Row]) -> tuple[TaskCode, ...]:
    """Return the code for each task of the catalog among the rows: of each framework, its first mode among them.

    It is cut from the files that are installed here, which may be newer than the run.
    """
    modes: dict[str, dict[str, str]] = {}
    for row in rows:
        task = TaskRef.parse(row.task).base
        if task in TASKS and row.backend in FRAMEWORKS and row.mode in BUILT_IN[row.backend].modes:
            modes.setdefault(task, {}).setdefault(row.backend, row.mode)
    return tuple(_of_task(task, chosen) for task, chosen in modes.items())


def _of_task(task: str, chosen: dict[str, str]) -> TaskCode:
    sides = ((name, column(TASKS[task], BUILT_IN[name], chosen[name])) for name in FRAMEWORKS if name in chosen)
    return TaskCode(
        task=task,
        definition=tuple(map(_piece, definition(task))),
        sides=tuple(
            Side(f"{name} {found.mode}", tuple(map(_piece, found.excerpts)))
            for name, found in sides
            if not found.missing
        ),
    )


def _piece(excerpt: Excerpt) -> Piece:
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    html = highlight(excerpt.code, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True))
    return Piece(excerpt.part, f"{excerpt.file}:{excerpt.line}", html.rstrip("\n"))
