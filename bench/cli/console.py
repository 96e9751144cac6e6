"""What several commands do with the terminal and with files: print tables and sentences, show progress, write."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from bench.errors import UserError
from bench.records.runfile import Run, read_runs
from bench.report import terminal
from bench.report.progress_bar import TerminalProgress

WIDTH_OF_FILES = 200  # columns, where there is no terminal


def output() -> Console:
    """Return the console of the standard output; where that is no terminal, one wide enough for every table."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_OF_FILES)


def progress() -> TerminalProgress:
    """Return a listener that shows progress on the standard error stream; use it as a context manager."""
    return TerminalProgress(Console(stderr=True))


def print_error(message: str) -> None:
    """Print an error message on one line of the standard error stream."""
    terminal.print_sentence(Console(stderr=True), f"error: {message}")


def write(path: Path, content: str | bytes) -> None:
    """Write a file, and the folders that it needs. Raises `UserError` where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def read(paths: Iterable[Path]) -> tuple[Run, ...]:
    """Read run files; warn of a last line that was cut off. Raises `UserError`."""
    runs = read_runs(paths)
    for run in runs:
        if run.torn:
            print(f"warning: {run.torn}", file=sys.stderr)
    return runs


def show_results(runs: tuple[Run, ...], baseline: str) -> bool:
    """Print the result tables and the sentences below them; return whether the times of all rows are fair."""
    from bench.analysis import frame
    from bench.report import sentences, tables

    console, processes = output(), frame.processes(runs)
    summary = frame.summary(processes, baseline)
    if summary.empty:
        return True
    terminal.print_summary(console, tables.readable(summary))
    told = (
        sentences.told(summary),
        sentences.disturbed(runs),
        sentences.learned(summary),
        sentences.long_reasons(summary),
        (sentences.caption(run.header) for run in runs),
    )
    for sentence in itertools.chain(*told):
        terminal.print_sentence(console, sentence)
    return bool(processes["fair"].all())


def show_scaling(run: Run) -> bool:
    """Print how cost grows, write table and plot beside the run file; return whether the times of all rows are fair."""
    from bench.analysis import frame, scaling
    from bench.report import plots, scaling_table, sentences

    console, processes = output(), frame.processes((run,))
    if processes.empty:
        return True
    lines = scaling.grown(processes)
    costs, crossings = scaling.costs(processes, lines), scaling.crossings(lines)
    terminal.print_panels(console, scaling_table.readable(lines, costs))
    caption = sentences.caption(run.header)
    told = (scaling_table.changed(crossings, lines), scaling_table.unranked(lines), sentences.disturbed((run,)))
    for sentence in (*itertools.chain(*told), caption):
        terminal.print_sentence(console, sentence)
    table, plot = (run.path.with_suffix(ending) for ending in (".csv", ".png"))
    write(table, lines.to_csv(index=False))
    print(f"table: {table}")
    try:
        plots.draw_scaling(lines, costs, crossings, caption, plot)
        print(f"plot: {plot}")
    except plots.CannotPlot as error:
        print(f"no plot: {error}, then bench sweep --resume {run.path}")
    except OSError as error:
        raise UserError(f"cannot write {plot}: {error.strerror}") from error
    return bool(processes["fair"].all())
