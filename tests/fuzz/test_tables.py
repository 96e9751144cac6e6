"""Tables of damaged run files: refused, or the table of the lines that are still there, without control characters."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import pandas as pd
from edits import GENTLE
from hypothesis import strategies as st
from rich.console import Console
from run_file_cases import bases, mutated
from scratch import scratch_file
from simple_reader import kept_lines
from target import fuzz

from bench.analysis import changes
from bench.analysis.frame import process_frame, scaling_frame, summary_frame
from bench.analysis.scaling import costs
from bench.analysis.summary import summarise
from bench.analysis.sweep import sweep_of
from bench.cli import telling
from bench.cli.table import TableOptions, _document, _frame
from bench.errors import UserError
from bench.records.provenance import differences
from bench.records.runfile import Run, read_run
from bench.report import compare_sentences, scaling_table, terminal
from bench.report.export import render, render_document
from bench.report.formats import PROGRAMS, TRACKERS
from bench.report.trackers import for_tracker, tracked

DANGEROUS = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # control, format, surrogate, separators of lines and paragraphs


def read(name: str, content: bytes) -> Run:
    return read_run(scratch_file(name, content))


def on_a_terminal(run: Run) -> str:
    """Return what `bench run` prints at its end."""
    with redirect_stdout(StringIO()) as printed:
        telling.show_results((run,), "")
    return printed.getvalue()


def compared(run: Run) -> str:
    """Return what `bench compare` prints of this run and a whole one, where they may be compared at all."""
    then = read("then.jsonl", bases()[0])
    differing = differences(then.header, run.header)
    effect = changes.effect_of(then, run)
    found = changes.changes(then, run, effect)
    printed = StringIO()
    terminal.print_changes(Console(file=printed, width=200), found)
    goals = then.header.goal, run.header.goal
    notes = compare_sentences.notes(found, goals, effect, changes.speed_change(then, run), effect)
    changes.too_slow(found, effect)
    changes.undecided(found, effect)
    for sentence in (*notes, *map(str, differing)):
        terminal.print_sentence(Console(file=printed, width=200), sentence)
    return printed.getvalue()


def scaled(run: Run) -> str:
    """Return what `bench sweep` prints, and the table that it writes; nothing for a run that is no sweep."""
    if not run.records or any(":" not in row.task for row in run.header.rows):
        return ""
    sweep = sweep_of(run)
    fitted = costs(run, sweep.points)
    panels = {panel.title: scaling_table.readable(panel, fitted) for panel in sweep.panels}
    printed = StringIO()
    terminal.print_panels(Console(file=printed, width=200), panels)
    for sentence in (*scaling_table.winner_sentences(sweep), *scaling_table.unranked_sentences(sweep)):
        terminal.print_sentence(Console(file=printed, width=200), sentence)
    scaling_frame(sweep).to_csv()
    return printed.getvalue()


def rendered(style: Any, *, samples: bool = False) -> Callable[[Run], str]:
    """Return what makes a table of a format."""

    def make(run: Run) -> str:
        options = TableOptions(samples=samples)
        if style in PROGRAMS:
            render(_frame((run,), options), style)
            return ""  # for programs, who want a text as it is
        if style in TRACKERS:
            return for_tracker(tracked(summarise((run,))), style)
        return render_document(_document((run,), options), style)

    return make


SHOWN: dict[str, Callable[[Run], str]] = {
    "terminal": on_a_terminal,
    "markdown": rendered("markdown"),
    "samples": rendered("markdown", samples=True),
    "csv": rendered("csv"),
    "json": rendered("json"),
    "github-summary": rendered("github-summary"),
    "bmf": rendered("bmf"),
    "github-action-benchmark": rendered("github-action-benchmark"),
    "latex": rendered("latex"),
    "html": rendered("html"),
    "compare": compared,
    "sweep": scaled,
}


def assert_harmless(text: str) -> None:
    """Raise AssertionError for a character that a terminal or a browser could take as a command."""
    found = {each for each in text if each != "\n" and unicodedata.category(each) in DANGEROUS}
    assert not found, f"shows {sorted(map(ascii, found))}"


def tables_of(run: Run) -> tuple[pd.DataFrame, pd.DataFrame]:
    return process_frame((run,)), summary_frame(summarise((run,)))


def written_again(run: Run, content: bytes) -> bytes:
    """Return a file of the lines that a run consists of, as nobody has touched it."""
    return b"".join(json.dumps(json.loads(line)).encode() + b"\n" for line in kept_lines(run, content))


@fuzz(
    "tables of edited run files", st.tuples(mutated(GENTLE) | mutated(), st.sampled_from(sorted(SHOWN))), share=60_000
)
def test_a_table_is_that_of_the_lines_that_are_still_there(case: tuple[bytes, str]) -> int:
    content, shown = case
    try:
        run = read("run.jsonl", content)
        assert_harmless(SHOWN[shown](run))
    except UserError:
        return len(content)
    found = tables_of(run)
    for table, clean in zip(found, tables_of(read("run.jsonl", written_again(run, content))), strict=True):
        if not table.equals(clean):  # which takes a tenth of the time
            pd.testing.assert_frame_equal(table, clean)
    return len(content)
