"""`bench table`: the results of run files, in words for people and in numbers for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from bench.cli import console, exit_codes, reading
from bench.cli.options import Baseline, Ranks
from bench.errors import BadChoice, UserError, quoted, shown
from bench.records.machines import by_machine
from bench.records.runfile import Records, Run
from bench.records.schema import Record
from bench.records.version_rows import with_version_names
from bench.report import terminal
from bench.report.formats import Format, ForTrackers, default_format

if TYPE_CHECKING:
    import pandas as pd

    from bench.analysis.across import Across
    from bench.analysis.inference import InferenceSummary
    from bench.report.choosing import Choice
    from bench.report.document import Document

NAMES = "by their names in the table or in its csv"


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """The options of `bench table`, with the user's values."""

    style: Annotated[
        Format | None,
        typer.Option("--format", help="Format; default: by the name of --out, else terminal or, in a pipe, markdown."),
    ] = None
    baseline: Baseline = ""
    rank: Ranks = "steady"
    samples: Annotated[bool, typer.Option("--samples", help="One line per sample instead of per row.")] = False
    inference: Annotated[
        bool, typer.Option("--inference", help="Latency and throughput of the trained models instead of training.")
    ] = False
    machines: Annotated[
        bool,
        typer.Option("--machines", help="How ratios differ from machine to machine instead of the tables of each."),
    ] = False
    columns: Annotated[str, typer.Option("--columns", metavar="A,B,...|all", help=f"Columns to show, {NAMES}.")] = ""
    order: Annotated[
        str,
        typer.Option("--sort", metavar="[-]COLUMN", help="Sort the rows of each task by a column; -: largest first."),
    ] = ""
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="COLUMN=VALUE|COLUMN!=VALUE",
            help="Show only rows with, or without, this value, such as task=mnist_mlp. Repeatable: of several values "
            "of a column one is enough, and every column counts. Ratios and verdicts stay as they are.",
        ),
    ] = None
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write instead of printing.")] = None
    output_of: Annotated[
        str | None,
        typer.Option(
            "--output-of",
            metavar="ROW",
            help="Instead of the table, print why a row failed and what its processes printed last; a row by words "
            "such as 'linear_fit jax jit'.",
        ),
    ] = None


def table(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run files, folders of them, or stores.")],
    *,
    options: TableOptions,
) -> None:
    """Print the results of run files: what to use, then a table for each task.

    terminal, markdown, github-summary, html and latex have words and units; csv, json and parquet have numbers for
    programs; bmf and github-action-benchmark are for trackers, and have only rows that are right and fair.
    """
    if options.output_of is not None:
        _print_output(tuple(map(with_version_names, reading.read(runs))), options.output_of)
        return
    style = _style(options)
    if options.out is not None:
        reading.refuse_inputs(options.out, runs)
    read = by_machine(reading.read(runs))
    match style:
        case "terminal":
            terminal.print_document(console.output(), _document(read, options))
        case "bmf" | "github-action-benchmark":
            _track(read, options, style)
        case "csv" | "json" | "parquet":
            from bench.report.export import render

            console.deliver(render(_frame(read, options), style), options.out, style)
        case _:
            from bench.report.export import render_document

            console.deliver(render_document(_document(read, options), style), options.out, style)


def _style(options: TableOptions) -> Format:
    """Return the format. Raises `BadChoice` for an ending without one, and for a terminal that is a file."""
    if options.style == "terminal" and options.out is not None:
        raise BadChoice("the format terminal is printed and not written; leave out --out, or use markdown")
    if options.style is None and options.out is None and sys.stdout.isatty():
        return "terminal"
    return options.style or default_format(options.out)


def _choice(options: TableOptions) -> Choice:
    from bench.report.choosing import Choice

    return Choice.parse(options.columns, options.order, options.where or ())


def _document(read: tuple[Run, ...], options: TableOptions) -> Document:
    """Return the result in words."""
    from bench.analysis.frame import process_frame
    from bench.report.inference_table import inference_document
    from bench.report.machines_table import machines_document
    from bench.report.samples_table import samples_document
    from bench.report.training import training_result

    runs, choice = tuple(map(with_version_names, read)), _choice(options)
    if options.inference:
        return inference_document(runs, _inference(runs), choice)
    if options.machines:
        return machines_document(runs, _across(runs, options), choice)
    if options.samples:
        return samples_document(runs, process_frame(runs), choice)
    return training_result(read, options.baseline, options.rank, choice)


def _frame(read: tuple[Run, ...], options: TableOptions) -> pd.DataFrame:
    """Return the result in numbers."""
    from bench.analysis.frame import inference_frame, machines_frame, process_frame, summary_frame
    from bench.analysis.summary import summarise
    from bench.report.choosing import Table, chosen, columns_of

    runs, choice = tuple(map(with_version_names, read)), _choice(options)
    if options.inference:
        frame = inference_frame(_inference(runs))
    elif options.machines:
        frame = machines_frame(_across(runs, options))
    elif options.samples:
        frame = process_frame(runs)
    else:
        frame = summary_frame(summarise(runs, options.baseline, options.rank))
    kept = chosen(Table(frame, frame), choice)
    return kept.cells[columns_of(kept, choice, ())] if choice.columns else kept.cells


def _across(runs: tuple[Run, ...], options: TableOptions) -> tuple[Across, ...]:
    """Return how ratios differ from machine to machine. Raises `BadChoice` if no row is that of the baseline."""
    from bench.analysis.across import across_runs

    return across_runs(runs, options.baseline)


def _inference(runs: tuple[Run, ...]) -> tuple[InferenceSummary, ...]:
    """Return the summaries of inference. Raises `UserError` if none of the runs has measured it."""
    from bench.analysis.inference import inference_of

    rows = inference_of(runs)
    if not rows:
        paths = ", ".join(run.name for run in runs)
        raise UserError(f"{paths}: no inference was measured, as by --no-inference or by an earlier version")
    return rows


def _track(read: tuple[Run, ...], options: TableOptions, style: ForTrackers) -> None:
    """Write what a tracker reads; name the rows that should be in it and are not, and end with the code of the worst.

    Raises `BadChoice` for options that such a file has no place for.
    """
    from bench.analysis.summary import summarise
    from bench.report import trackers
    from bench.report.choosing import chosen
    from bench.report.tables import training_table

    if options.samples or options.machines or options.columns or options.order:
        raise BadChoice(
            f"{style} has a fixed form; of the options on what is shown, only --inference and --where fit it"
        )
    runs = tuple(map(with_version_names, read))
    rows = summarise(runs, options.baseline, options.rank)
    rows = tuple(rows[place] for place in chosen(training_table(rows), _choice(options)).cells.index)
    kept = {(each.run, each.row) for each in rows}
    if options.inference:
        answered = [each for each in _inference(runs) if (each.run, each.row) in kept]
        numbers, failed = trackers.tracked_inference(answered), trackers.inference_failures(answered)
    else:
        numbers, failed = trackers.tracked(rows), trackers.failures(rows)
    for failure in failed:
        console.say(f"error: {shown(str(failure))}", file=sys.stderr)
    console.deliver(trackers.for_tracker(numbers, style), options.out, style)
    code = exit_codes.of_tracked({failure.cause for failure in failed})
    if code:
        raise typer.Exit(code)


def _print_output(runs: tuple[Run, ...], row: str) -> None:
    """Print reason and last output of every failed sample of the rows whose name has these words."""
    wanted = set(row.split())
    named = [each for run in runs for each in run.header.rows if wanted and wanted <= set(str(each).split())]
    if not named:
        rows = dict.fromkeys(str(each) for run in runs for each in run.header.rows)
        raise BadChoice(f"no row is called {quoted(row)}; the rows are: {', '.join(rows)}")
    failed = [record for run in runs for record in _failed(run.records.of_row(set(named).__contains__))]
    if not failed:
        console.say(
            f"no process of {', '.join(dict.fromkeys(map(str, named)))} failed; output is kept of those that do"
        )
    for record in failed:
        title = f"{record.job.row} #{record.job.block + 1}: {record.status}: {record.reason}"
        terminal.print_sentence(console.output(), title)
        for line in record.output.splitlines():
            terminal.print_sentence(console.output(), f"    {line}")


def _failed(records: Records) -> Iterator[Record]:
    return records.read(np.flatnonzero(~records.columns["ok"]).tolist())
