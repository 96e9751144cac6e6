"""`bench table` and `bench compare`: read run files."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from bench.cli import console, exit_codes
from bench.cli.options import Baseline, Ranks, Strict
from bench.errors import BadChoice, UserError, quoted, require_name
from bench.records.provenance import Difference, NotComparable, differences, refused
from bench.records.runfile import Records, Run
from bench.records.schema import Record
from bench.report import terminal
from bench.report.formats import Format
from bench.runs.plan import percent

if TYPE_CHECKING:
    from bench.analysis.changes import Change
    from bench.analysis.summary import Rank

ALLOWABLE = ("machine", "versions", "settings")


def table(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run files.")],
    style: Annotated[
        Format | None, typer.Option("--format", help="Format; default: by the name of --out, or markdown.")
    ] = None,
    baseline: Baseline = "",
    rank: Ranks = "steady",
    samples: Annotated[bool, typer.Option("--samples", help="One line per sample instead of per row.")] = False,
    inference: Annotated[
        bool, typer.Option("--inference", help="Latency and throughput of the trained models instead of training.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write instead of printing.")] = None,
    output_of: Annotated[
        str | None,
        typer.Option(
            "--output-of",
            metavar="ROW",
            help="Instead of the table, print why a row failed and what its processes printed last; a row by words "
            "such as 'linear_fit jax jit'.",
        ),
    ] = None,
) -> None:
    """Print the result table of run files.

    Markdown has words and units; the other formats have numbers for programs.
    """
    from bench.report import formats

    if output_of is not None:
        _print_output(console.read(runs), output_of)
        return
    style = style or formats.default_format(out)
    if out is not None:
        console.refuse_inputs(out, runs)
    if inference:
        content = _render_inference(console.read(runs), style)
    else:
        content = _render(console.read(runs), style, baseline, rank, samples=samples)
    if out is not None:
        console.write(out, content)
    elif isinstance(content, bytes):
        raise UserError(f"{style} is not text; name a file with --out")
    else:
        print(content.rstrip("\n"))


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


def _render(runs: tuple[Run, ...], style: Format, baseline: str, rank: Rank, *, samples: bool) -> str | bytes:
    from bench.analysis.answer import answers
    from bench.analysis.frame import process_frame, summary_frame
    from bench.analysis.summary import summarise
    from bench.report import export, sentences, tables
    from bench.report.answer_sentences import answer_sentences
    from bench.report.break_even_sentences import break_even_sentences
    from bench.report.text import in_markdown

    rows = summarise(runs, baseline, rank)
    if samples:
        frame = process_frame(runs)
    else:
        frame = summary_frame(rows) if style in ("csv", "json", "parquet") else tables.readable(rows)
    content = export.render(frame, style)
    if style != "markdown" or isinstance(content, bytes):
        return content
    to_use = [sentence for run in runs for sentence in answer_sentences(answers(run, rows))]
    pays = break_even_sentences(rows)
    notes = [] if samples else [*to_use, *pays, *sentences.detectable_sentences(rows), *sentences.noise_sentences(runs)]
    notes += [sentences.caption(run.header) for run in runs]
    return "\n\n".join([content, *map(in_markdown, notes)]) + "\n"


def _render_inference(runs: tuple[Run, ...], style: Format) -> str | bytes:
    """Return the table of inference. Raises `UserError` if none of the runs has measured it."""
    from bench.analysis.frame import inference_frame
    from bench.analysis.inference import inference_of
    from bench.report import export, inference_table, sentences
    from bench.report.text import in_markdown

    rows = inference_of(runs)
    if not rows:
        paths = ", ".join(str(run.path) for run in runs)
        raise UserError(f"{paths}: no inference was measured, as by --no-inference or by an earlier version")
    if style in ("csv", "json", "parquet"):
        return export.render(inference_frame(rows), style)
    table = inference_table.readable(rows)
    if style != "markdown":
        return export.render(table, style)
    panels = inference_table.panels(table).items()
    parts = [f"**{in_markdown(title)}**\n\n{export.render(panel, style)!s}" for title, panel in panels]
    notes = (*inference_table.sentences(rows), *(sentences.caption(run.header) for run in runs))
    return "\n\n".join([*parts, *map(in_markdown, notes)]) + "\n"


def compare(
    then: Annotated[Path, typer.Argument(metavar="RUN_A", help="The earlier run file.")],
    now: Annotated[Path, typer.Argument(metavar="RUN_B", help="The later run file.")],
    fail_on: Annotated[
        str | None,
        typer.Option(
            "--fail-on",
            metavar="PERCENT",
            help="Exit with 4 if a row is surely slower by more than this.",
        ),
    ] = None,
    strict: Strict = False,
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", metavar="machine|versions|settings", help="Compare although these differ; repeatable."),
    ] = None,
) -> None:
    """Show which rows became slower or faster from one run to another.

    A row is slower, faster, equivalent, identical, inconclusive, wrong, missing or new in the second run.
    """
    from bench.analysis import changes
    from bench.report import compare_sentences

    for kind in allow or ():
        require_name(kind, ALLOWABLE, "kind of difference")
    a, b = console.read((then, now))
    limit = None if fail_on is None else percent(fail_on, "--fail-on")
    differing = _allowed_differences(a, b, allow or ())
    effect = changes.effect_of(a, b) if limit is None else limit
    found = changes.changes(a, b, effect)
    terminal.print_changes(console.output(), found)
    notes = compare_sentences.notes(found, (a.header.goal, b.header.goal), effect, changes.speed_change(a, b), limit)
    for sentence in (*notes, *(f"differs: {fact}" for fact in differing)):
        terminal.print_sentence(console.output(), sentence)
    open_rows = changes.undecided(found, effect)
    slower = limit is not None and bool(changes.too_slow(found, limit))
    raise typer.Exit(comparison_code(found, open_rows, effect, slower=slower, strict=strict))


def comparison_code(
    found: Sequence[Change],
    open_rows: Sequence[Change],
    limit: float,
    *,
    slower: bool,
    strict: bool,
    where: str = " in each run",
) -> exit_codes.ExitCode:
    """Return the exit code of a comparison; print a warning for each row that cannot be told from one at the limit."""
    from bench.report.compare_sentences import cannot_tell

    for change in open_rows:
        console.say(f"warning: {cannot_tell(change, limit, where)}", file=sys.stderr)
    kinds = {change.kind for change in found}
    return exit_codes.of_comparison(kinds, slower=slower, undecided=bool(open_rows), strict=strict)


def _allowed_differences(a: Run, b: Run, allowed: Collection[str]) -> list[Difference]:
    """Return how the provenance of two runs differs. Raises `NotComparable` if a difference is not allowed."""
    differing = list(differences(a.header, b.header))
    if found := refused(differing, allowed):
        kinds = " ".join(f"--allow {kind}" for kind in dict.fromkeys(each.kind for each in found))
        said = "; ".join(map(str, found))
        raise NotComparable(f"{b.path} cannot be compared with {a.path}. {said}. To compare anyway: {kinds}")
    return differing
