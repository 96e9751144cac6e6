"""Output shared by several commands: print tables and sentences, show progress, write files."""

from __future__ import annotations

import gc
import itertools
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rich.console import Console

from bench.errors import BadChoice, UserError
from bench.records.runfile import Run, read_runs
from bench.report import terminal
from bench.report.progress_bar import TerminalProgress
from bench.report.text import visible

if TYPE_CHECKING:
    from bench.analysis.summary import Rank

WIDTH_OF_FILES = 300  # columns, if the output is not a terminal


def output() -> Console:
    """Return the console of the standard output; if that is not a terminal, one wide enough for every table."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_OF_FILES)


def progress() -> TerminalProgress:
    """Return a listener that shows progress on the standard error stream; use it as a context manager."""
    return TerminalProgress(Console(stderr=True))


def print_error(message: str) -> None:
    """Print an error message on one line of the standard error stream."""
    terminal.print_sentence(Console(stderr=True), f"error: {message}")


def say(text: str, file: TextIO | None = None) -> None:
    """Print a line on the standard output, or another one. It may have the name of a file, so it is made harmless."""
    print(visible(text), file=file)


def write(path: Path, content: str | bytes) -> None:
    """Write a file; create the folders that it needs. Raises `UserError` if that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode(errors="backslashreplace"))
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def refuse_inputs(out: Path, inputs: Iterable[Path]) -> None:
    """Raise `BadChoice` if the file to write is one that is read: its content would be lost."""
    for path in inputs:
        if out.exists() and path.exists() and out.samefile(path):
            raise BadChoice(f"{out} is a run file that is read here, and would be overwritten; name another file")


def read(paths: Iterable[Path]) -> tuple[Run, ...]:
    """Read run files; warn about lines that are left out. Raises `UserError`."""
    runs = read_runs(paths)
    gc.freeze()  # what was read is kept, and has no cycles: the collector need not look through it again and again
    for remark in (remark for run in runs for remark in run.remarks):
        say(f"warning: {remark}", file=sys.stderr)
    return runs


def show_results(runs: tuple[Run, ...], baseline: str, rank: Rank = "steady") -> bool:
    """Print the result of runs; return whether the times of all rows are fair."""
    from bench.analysis.summary import summarise
    from bench.report.choosing import Choice
    from bench.report.inference_table import inference_section
    from bench.report.training import training_document

    rows = summarise(runs, baseline, rank)
    if rows:
        document = training_document(runs, rows, Choice())
        terminal.print_document(output(), document.with_first(*inference_section(runs)))
    return all(row.fair for row in rows)


def show_scaling(run: Run) -> bool:
    """Print how cost grows; write table and plot next to the run file; return whether all times are fair."""
    from bench.analysis.frame import scaling_frame
    from bench.analysis.scaling import costs
    from bench.analysis.sweep import sweep_of
    from bench.report import plots, scaling_table, sentences

    if not run.records:
        return True
    console, sweep = output(), sweep_of(run)
    fitted, caption = costs(run, sweep.points), sentences.caption(run.header)
    terminal.print_panels(console, {panel.title: scaling_table.readable(panel, fitted) for panel in sweep.panels})
    groups = (
        scaling_table.winner_sentences(sweep),
        scaling_table.unranked_sentences(sweep),
        sentences.noise_sentences((run,)),
    )
    for sentence in (*itertools.chain(*groups), caption):
        terminal.print_sentence(console, sentence)
    table, plot = (run.path.with_suffix(ending) for ending in (".csv", ".png"))
    write(table, scaling_frame(sweep).to_csv(index=False))
    say(f"table: {table}")
    try:
        plots.draw_scaling(sweep, fitted, caption, plot)
        say(f"plot: {plot}")
    except plots.CannotPlot as error:
        say(f"no plot: {error}, then bench sweep --resume {run.path}")
    except OSError as error:
        raise UserError(f"cannot write {plot}: {error.strerror}") from error
    return all(point.summary.fair for point in sweep.points)
