"""Output shared by several commands: print tables and sentences, show progress, write files."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rich.console import Console

from bench.errors import BadChoice, UserError, printable
from bench.events import RunListener
from bench.report import terminal
from bench.report.names import counted
from bench.report.progress_bar import Quiet, TerminalProgress
from bench.report.text import visible

if TYPE_CHECKING:
    from bench.analysis.scaling import Cost
    from bench.analysis.summary import Rank
    from bench.analysis.sweep import Curve, Sweep
    from bench.records.runfile import Run

# What reads run files and stores is imported in the functions: commands that read none start sooner.

WIDTH_OF_FILES = 300  # columns, if the output is not a terminal


def output() -> Console:
    """Return the console of the standard output; if that is not a terminal, one wide enough for every table."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_OF_FILES)


def progress(*, quiet: bool = False) -> AbstractContextManager[RunListener]:
    """Return a listener that shows progress on the standard error stream, or nothing; a context manager."""
    return nullcontext(Quiet()) if quiet else TerminalProgress(Console(stderr=True))


def print_error(message: str) -> None:
    """Print an error message on one line of the standard error stream."""
    terminal.print_sentence(Console(stderr=True), f"error: {printable(message)}")


def say(text: str, file: TextIO | None = None) -> None:
    """Print a line on the standard output, or another one. It may have the name of a file, so it is made harmless."""
    print(visible(text), file=file)


def print_content(content: str) -> None:
    """Print the content of a file on the standard output, as it is; on a terminal, texts of run files do no harm."""
    content = content.rstrip("\n")
    print(visible(content) if sys.stdout.isatty() else content)


def write(path: Path, content: str | bytes) -> None:
    """Write a file; create the folders that it needs. Raises `UserError` if that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode(errors="backslashreplace"))
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def deliver(content: str | bytes, out: Path | None, style: str) -> None:
    """Write content in a format to the file `out`, or print it. Raises `UserError` for what is no text to print."""
    if out is not None:
        write(out, content)
    elif isinstance(content, bytes):
        raise UserError(f"{style} is not text; name a file with --out")
    else:
        print_content(content)


def refuse_inputs(out: Path, inputs: Iterable[Path]) -> None:
    """Raise `BadChoice` if the file to write is one that is read: its content would be lost. Raises `UserError`."""
    from bench.records.sources import run_files
    from bench.records.store.layout import store_around, store_at

    if store := store_around(out):
        raise BadChoice(f"{out} is in the store {store.folder}, where only `bench merge` writes; name another file")
    files = run_files(path for path in inputs if not store_at(path))
    for path in files:
        if out.exists() and path.exists() and out.samefile(path):
            raise BadChoice(f"{out} is a run file that is read here, and would be overwritten; name another file")


def read(paths: Iterable[Path]) -> tuple[Run, ...]:
    """Read run files, and those in folders; warn about lines that are left out. Raises `UserError`."""
    from bench.records.sources import read_runs

    runs = read_runs(paths)
    gc.freeze()  # what was read is kept, and has no cycles: the collector need not look through it again and again
    for remark in (remark for run in runs for remark in run.remarks):
        say(f"warning: {remark}", file=sys.stderr)
    for sentence in _outdated(runs):
        say(f"note: {sentence}", file=sys.stderr)
    return runs


def _outdated(runs: Iterable[Run]) -> list[str]:
    """Return, for each store, a sentence on runs whose summaries another version has made."""
    from bench.analysis.kept import is_kept

    stores = Counter(run.path.parent for run in runs if run.records.kept and not is_kept(run))
    return [
        f"{counted(count, 'run')} of {store} came from another version of levelfield, so tables of them are "
        f"computed anew; bench merge -o {store} keeps them"
        for store, count in stores.items()
    ]


def read_one(path: Path, why: str) -> Run:
    """Read a run file, or the only one in a folder, as `read` does; `why` says for people what takes no more."""
    from bench.records.sources import only

    return only(path, read([path]), why)


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


def show_scaling(run: Run, *, quiet: bool = False) -> tuple[bool, dict[str, str]]:
    """Print how cost grows, if quiet only which row is the fastest where; write table and plot next to the run file.

    Returns whether all times are fair, and the paths of the files that were written, by what they are.
    """
    from bench.analysis.scaling import costs
    from bench.analysis.sweep import sweep_of
    from bench.report import scaling_table, sentences

    if not run.records:
        return True, {}
    sweep = sweep_of(run)
    fitted, caption = costs(run, sweep.points), sentences.caption(run.header)
    told = [*scaling_table.winner_sentences(sweep), *scaling_table.unranked_sentences(sweep)]
    if not quiet:
        terminal.print_panels(output(), {each.title: scaling_table.readable(each, fitted) for each in sweep.panels})
        told += [*sentences.noise_sentences((run,)), caption]
    for sentence in told:
        terminal.print_sentence(output(), sentence)
    files = _write_scaling(run.path, sweep, fitted, caption, quiet=quiet)
    return all(point.summary.fair for point in sweep.points), files


def require_new_beside(path: Path) -> None:
    """Raise `UserError` if a file has the name of the table or the plot that a sweep writes beside its run file."""
    for file in _beside(path):
        if file.exists():
            raise UserError(f"{file} exists already, and a sweep writes there; name another run file by --out")


def _beside(path: Path) -> tuple[Path, ...]:
    """Return where the table and the plot of a sweep are written."""
    return tuple(path.with_suffix(ending) for ending in (".csv", ".png"))


def _write_scaling(
    path: Path, sweep: Sweep, fitted: Mapping[Curve, Cost], caption: str, *, quiet: bool
) -> dict[str, str]:
    """Write table and plot of a sweep beside its run file; return their paths."""
    from bench.analysis.frame import scaling_frame
    from bench.report import plots
    from bench.report.pictures.style import CannotPlot

    table, plot = _beside(path)
    write(table, scaling_frame(sweep).to_csv(index=False))
    files = {"table": str(table)}
    try:
        plots.draw_scaling(sweep, fitted, caption, plot)
        files["plot"] = str(plot)
    except CannotPlot as error:
        say(f"no plot: {error}, then bench sweep --resume {path}", file=sys.stderr if quiet else None)
    except OSError as error:
        raise UserError(f"cannot write {plot}: {error.strerror}") from error
    for kind, name in files.items() if not quiet else ():
        say(f"{kind}: {name}")
    return files
