"""How much a command that measures tells: everything, the answers only, or one JSON object for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from bench.cli import console, exit_codes
from bench.cli.exit_codes import ExitCode
from bench.cli.interrupts import INTERRUPTS
from bench.records.runfile import Run
from bench.report import terminal
from bench.runs.session import FinishedRun

if TYPE_CHECKING:
    from bench.analysis.changes import Change
    from bench.analysis.summary import Rank


@contextmanager
def apart(*, wanted: bool) -> Iterator[TextIO]:
    """Yield the standard output; if wanted, all else that is printed meanwhile goes to the standard error stream."""
    output = sys.stdout
    if not wanted:
        yield output
        return
    with redirect_stdout(sys.stderr):
        yield output


def code_of(finished: FinishedRun, *, all_fair: bool) -> ExitCode:
    """Return the exit code of a run."""
    statuses = [record.status for record in finished.run.last_records]
    return exit_codes.of_run(
        statuses, finished.run.parity.values(), interrupted=finished.interrupted, all_fair=all_fair
    )


def end_of(finished: FinishedRun) -> str:
    """Return the last sentence on a run: where it is and, if it was interrupted, how to go on."""
    return INTERRUPTS.told(finished.why or "interrupted") if finished.interrupted else f"run file: {finished.run.path}"


def show_results(runs: tuple[Run, ...], baseline: str, rank: Rank = "steady") -> bool:
    """Print the result of runs; return whether the times of all rows are fair."""
    from bench.analysis.summary import summarise
    from bench.report.choosing import Choice
    from bench.report.inference_table import inference_section
    from bench.report.training import training_document

    rows = summarise(runs, baseline, rank)
    if rows:
        document = training_document(runs, rows, Choice())
        terminal.print_document(console.output(), document.with_first(*inference_section(runs)))
    return all(row.fair for row in rows)


def show_answers(runs: tuple[Run, ...]) -> bool:
    """Print a line for each task: what to use, what is not ranked. Return whether the times of all rows are fair."""
    from bench.analysis.summary import summarise
    from bench.report.summary_lines import summary_lines

    rows = summarise(runs)
    for line in summary_lines(runs, rows):
        terminal.print_sentence(console.output(), str(line))
    return all(row.fair for row in rows)


def print_outcome(finished: FinishedRun, baseline: str, files: Mapping[str, str], output: TextIO) -> ExitCode:
    """Print what became of a run as one JSON object; return its exit code."""
    from bench.analysis.answer import answers
    from bench.analysis.summary import summarise
    from bench.report.outcome import outcome

    run = finished.run
    rows = summarise((run,), baseline) if len(run.records) else ()
    code = code_of(finished, all_fair=all(row.fair for row in rows))
    print(outcome(str(run.path), code, rows, answers(run, rows), files), file=output)
    return code


def code_of_all(runs: Sequence[Run], *, all_fair: bool, whole: bool) -> ExitCode:
    """Return the exit code of a run on a cluster: the worst of its run files; a unit that is missing is a failure."""
    codes = [code_of(FinishedRun(run=run, interrupted=False), all_fair=all_fair) for run in runs]
    return exit_codes.worst([*codes, ExitCode.OK if whole else ExitCode.FAILED])


def print_outcomes(folder: Path, runs: Sequence[Run], unfinished: Mapping[str, str], output: TextIO) -> ExitCode:
    """Print what became of a run on a cluster as one JSON object; return its exit code."""
    from bench.analysis.answer import answers
    from bench.analysis.summary import summarise
    from bench.report.outcome import outcome, outcome_of_fleet

    told, codes = [], []
    for run in runs:
        rows = summarise((run,)) if len(run.records) else ()
        code = code_of_all((run,), all_fair=all(row.fair for row in rows), whole=True)
        told.append(outcome(str(run.path), code, rows, answers(run, rows), {}))
        codes.append(code)
    code = exit_codes.worst([*codes, ExitCode.FAILED if unfinished else ExitCode.OK])
    print(outcome_of_fleet(str(folder), code, told, unfinished), file=output)
    return code


def print_changes(run_file: Path, changes: Sequence[Change], code: ExitCode, output: TextIO) -> None:
    """Print how rows changed from one version to another as one JSON object."""
    from bench.report.outcome import outcome_of_changes

    print(outcome_of_changes(str(run_file), code, changes), file=output)
