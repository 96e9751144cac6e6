"""`bench show`: the code that trains a task, one framework beside the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from backends.registry import BACKENDS, FRAMEWORKS, Entry
from bench.cli import console
from bench.cli.options import Backends, Modes
from bench.errors import BadChoice, require_name
from bench.report import terminal
from bench.tasks.names import TaskRef


def show(
    task: Annotated[str, typer.Argument(metavar="TASK", help="Task by name.")],
    backend: Backends = None,
    mode: Modes = None,
) -> None:
    """Show how each framework trains a task: its code, side by side, cut from the files that bench run carries out.

    Of layers, losses and optimizers, only those that the task uses are shown. Default: the plain mode of each of the
    four frameworks.
    """
    from bench.report.code import side_by_side
    from bench.report.code.excerpts import column, definition

    reference = TaskRef.parse(task)
    chosen = reference.task()
    columns = [column(chosen, entry, each) for entry, each in _modes(backend or FRAMEWORKS, mode or ())]
    able = [each for each in columns if not each.missing]
    unable = [
        f"{each.backend} cannot train {task}: it has no {', '.join(each.missing)}" for each in columns if each.missing
    ]
    if not able:
        raise BadChoice("; ".join(unable))
    out = console.output()
    side_by_side.print_code(out, definition(reference.base), able)
    layers = f"layers of {task}: {', '.join(map(str, chosen.layers))}"
    for sentence in (f"{task}: {chosen.summary}", layers, *unable):
        terminal.print_sentence(out, sentence)


def _modes(backends: Sequence[str], modes: Sequence[str]) -> list[tuple[Entry, str]]:
    """Return the named modes of the named backends; if none is named, the plain mode of each. Raises `BadChoice`."""
    for name in backends:
        require_name(name, BACKENDS, "backend")
    entries = [BACKENDS[name] for name in dict.fromkeys(backends)]
    for name in modes:
        require_name(name, (each for entry in entries for each in entry.modes), "mode")
    return [
        (entry, each)
        for entry in entries
        for each in (entry.modes if modes else entry.modes[:1])
        if not modes or each in modes
    ]
