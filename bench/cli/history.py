"""`bench history`: how rows compare with a baseline over many runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import console, reading
from bench.cli.options import Backends, Modes
from bench.errors import BadChoice, UserError, quoted, require_name
from bench.records.schema import Row
from bench.report import terminal
from bench.report.formats import ForFiles, Format, default_format

if TYPE_CHECKING:
    from bench.analysis.history import MachineHistory

PICTURES = (".png", ".svg", ".pdf")


@dataclass(frozen=True, kw_only=True)
class HistoryOptions:
    """The options of `bench history`, with the user's values."""

    baseline: Annotated[
        str, typer.Option("--baseline", metavar="BACKEND[:MODE]", help="The row that all others are divided by.")
    ] = "numpy"
    task: Annotated[list[str] | None, typer.Option("--task", help="Only this task; repeatable.")] = None
    backend: Backends = None
    mode: Modes = None
    style: Annotated[
        ForFiles | None, typer.Option("--format", help="Format of a table; default: by the name of --out.")
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="File to write instead of printing: a table, or a picture (.png, .svg, .pdf)."
        ),
    ] = None

    def wanted(self, known: Iterable[Row]) -> Callable[[Row], bool]:
        """Return whether a row is among those that are named by task, backend and mode. Raises `BadChoice`."""
        chosen = {kind: getattr(self, kind) or () for kind in ("task", "backend", "mode")}
        rows = list(known)
        for kind, names in chosen.items():
            for name in names:
                require_name(name, (getattr(row, kind) for row in rows), kind)
        return lambda row: all(not names or getattr(row, kind) in names for kind, names in chosen.items())


def history(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run files, folders of them, or stores.")],
    *,
    options: HistoryOptions,
) -> None:
    """Show how the time of each row, divided by that of a baseline, has changed over many runs.

    Runs of different machines and tasks with other settings are kept apart; changed versions are marked, and a row that
    is not ranked in a run has no number there.
    """
    from bench.analysis.history import history as history_of
    from bench.report import history_table

    style, out = options.style, options.out
    if out is not None:
        reading.refuse_inputs(out, runs)
    found = reading.read(runs)
    machines = history_of(found, options.baseline, options.wanted(row for run in found for row in run.header.rows))
    if not any(machine.panels for machine in machines):
        raise BadChoice(
            f"no row is left that is ranked in a run and is not the baseline, {quoted(options.baseline)}; choose "
            "others with --task, --backend and --mode, or another --baseline"
        )
    if out is not None and out.suffix.lower() in PICTURES:
        _draw(machines, out)
    elif out is not None or style is not None:
        wanted: Format = style or default_format(out)
        console.deliver(_render(machines, wanted), out, wanted)
    else:
        terminal.print_panels(console.output(), history_table.panels(machines))
        for sentence in history_table.sentences(machines):
            terminal.print_sentence(console.output(), sentence)


def _render(machines: Sequence[MachineHistory], style: Format) -> str | bytes:
    from bench.report import export, history_table

    match style:
        case "csv" | "json" | "parquet":
            return export.render(history_table.frame(machines), style)
        case "markdown" | "github-summary" | "html" | "latex":
            return export.render_document(history_table.document(machines), style)
        case _:
            raise BadChoice(f"no history can be written as {style}")


def _draw(machines: Sequence[MachineHistory], out: Path) -> None:
    from bench.report.pictures.history import draw

    try:
        draw(machines, out)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from error
