"""`bench plot`: pictures of a run, from its run file alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from bench.analysis.trained import chosen_rows
from bench.cli import console, reading
from bench.errors import UserError

Of = Literal["losses", "distance", "metric", "learned", "passes", "inference", "phases"]


def plot(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run file, or a folder with one.")],
    of: Annotated[
        Of,
        typer.Option(
            "--of",
            help="losses: by epoch, on a logarithmic axis; distance: of each loss from the reference, with what parity "
            "allows; metric: accuracy or error after each epoch; learned: as the lesson of a task draws it; passes and "
            "inference: times with intervals; phases: where the time of a process goes.",
        ),
    ],
    task: Annotated[
        list[str] | None,
        typer.Option("--task", help="Only this task; a name alone stands for all settings of it; repeatable."),
    ] = None,
    backend: Annotated[list[str] | None, typer.Option("--backend", help="Only this backend; repeatable.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write: .png, .svg or .pdf; default: RUN-OF.png beside the run file."),
    ] = None,
) -> None:
    """Draw a picture of a run: losses, distance from the reference, what was learned, times.

    Settings and backends of a task are laid over each other. Rows that are wrong are grey; only those that are ranked
    have a time.
    """
    from bench.report.pictures.kinds import KINDS
    from bench.report.pictures.style import drawing, require_ending, save

    if out is not None:
        require_ending(out)
    read = reading.read_one(run, "a picture shows one")
    beside = read.path if read.path.exists() else Path(read.path.name)  # a run of a store is no file
    path = out or beside.with_name(f"{beside.stem}-{of}.png")
    reading.refuse_inputs(path, [run])
    rows = chosen_rows(read, task or (), backend or ())
    with drawing():
        figure = KINDS[of].draw(read, rows)
        try:
            save(figure, read, path)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from error
    console.say(f"plot: {path}")
