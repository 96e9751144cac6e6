"""The result of a run: what to use, a table for each task, and what is behind it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pandas as pd

from bench.analysis.across import Across, across_runs
from bench.analysis.summary import Rank, RowSummary, summarise
from bench.records.machines import machine_names, names_of_runs
from bench.records.runfile import Run
from bench.records.version_rows import with_version_names
from bench.report import sentences
from bench.report.break_even_sentences import ABOUT_BREAK_EVEN, break_even_sentences
from bench.report.choosing import Choice, Table, chosen, columns_of, left_out
from bench.report.document import Document, Panel, Section, sections_of
from bench.report.machines_table import FURTHER, about_machines, behind, panels_of_rows, untold
from bench.report.names import counted, task_summary, titles
from bench.report.summary_lines import summary_lines
from bench.report.tables import SPARE, USUAL, training_table
from bench.report.version_sentences import version_sentences


def training_result(read: Sequence[Run], baseline: str, rank: Rank, choice: Choice) -> Document:
    """Return the result of runs as they were read. Raises `BadChoice`."""
    runs = tuple(map(with_version_names, read))
    return training_document(runs, summarise(runs, baseline, rank), choice, version_sentences(read))


def training_document(
    runs: Sequence[Run], rows: Sequence[RowSummary], choice: Choice, versions: Sequence[str] = ()
) -> Document:
    """Return the result of runs, from the summaries of all their rows; `versions` are sentences on two versions.

    What is said of a task is said of all its rows, even if a choice leaves out some of them. Raises `BadChoice`.
    """
    table, machines = training_table(rows), names_of_runs(runs)
    found = across_runs(runs, rows[0].baseline, rows) if about_machines(runs) and rows else ()
    kept = chosen(table, choice)
    tasks = {(each.run, each.row.task) for each in (rows[place] for place in kept.cells.index)}
    whole = [each for each in rows if (each.run, each.row.task) in tasks]
    return Document(
        title=titled(runs, len({each.row.task for each in whole})),
        summary=tuple(summary_lines(runs, whole)),
        remarks=(*versions, *left_out(len(kept.cells), len(rows), choice), *_about(runs, found)),
        panels=(
            *_panels(rows, kept, choice, machines),
            *panels_of_rows(found, runs, {rows[place].row for place in kept.cells.index}),
        ),
        sections=_sections(runs, whole),
    )


def titled(runs: Iterable[Run], tasks: int) -> str:
    """Return what a result is about: how many tasks, where."""
    names = list(machine_names(run.header for run in runs).values())
    return f"{counted(tasks, 'task')} on {names[0] if len(names) == 1 else counted(len(names), 'machine')}"


def _about(runs: Sequence[Run], found: Sequence[Across]) -> Iterator[str]:
    """Yield what holds for a result of several machines; nothing for one."""
    for sentence in about_machines(runs):
        yield sentence
        yield from untold(runs, found) or [FURTHER]


def _panels(rows: Sequence[RowSummary], kept: Table, choice: Choice, machines: Mapping[str, str]) -> Iterable[Panel]:
    """Yield a table for each task of each run, in the order of all rows."""
    named = titles(((each.run, each.row.task) for each in rows), machines)
    usual = [name for name in USUAL if name not in _untold_columns(rows)]
    groups: dict[tuple[str, str], list[int]] = {(each.run, each.row.task): [] for each in rows}
    for place, index in enumerate(kept.cells.index):
        groups[rows[index].run, rows[index].row.task].append(place)
    for (run, task), places in groups.items():
        if places:
            part = kept.take(places)
            columns = columns_of(part, choice, usual)
            yield Panel(
                title=named[run, task],
                about=task_summary(task, rows[kept.cells.index[places[0]]].first.job.settings),
                table=part.cells[columns],
                notes=() if "note" in columns else tuple(_notes(part.cells["note"], rows)),
                spare=() if choice.columns else SPARE,
                group=machines[run],
            )


def _untold_columns(rows: Sequence[RowSummary]) -> set[str]:
    """Return the columns that nobody misses: the device and the precision where all rows have the usual one."""
    usual_device = {each.row.device for each in rows} == {"cpu"}
    usual_precision = {each.row.precision for each in rows} == {"float32"}
    return {name for name, left_out in (("device", usual_device), ("precision", usual_precision)) if left_out}


def _notes(notes: pd.Series[str], rows: Sequence[RowSummary]) -> Iterable[str]:
    """Yield each note with the rows that it is about; notes have the places of their rows as their index."""
    named: dict[str, list[str]] = {}
    for place, note in notes.items():
        named.setdefault(note, []).append(rows[int(str(place))].row.name)
    return (f"{', '.join(names)}: {note}" for note, names in named.items() if note)


def _sections(runs: Sequence[Run], rows: Sequence[RowSummary]) -> tuple[Section, ...]:
    noise = [*sentences.noise_sentences(runs), *sentences.response_sentences(rows)]
    return sections_of(
        ("When a mode pays", break_even_sentences(rows), ABOUT_BREAK_EVEN),
        ("What this run cannot tell", sentences.untold_sentences(rows), sentences.about_untold(rows)),
        ("Noise", noise, ""),
        ("What was learned", sentences.parameter_sentences(rows), ""),
        ("What failed", sentences.long_reasons(rows), ""),
        *machine_sections(runs),
        group=behind(runs),
    )


def machine_sections(runs: Sequence[Run]) -> list[tuple[str, Iterable[str], str]]:
    """Return what the runs were made with: a section for each machine and what is installed there."""
    alike: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for run in runs:
        *facts, measured = sentences.machine_sentences(run.header)
        alike.setdefault(tuple(facts), []).append((run.name, measured))
    found: list[tuple[str, Iterable[str], str]] = []
    for shared, members in alike.items():
        of_which = f" ({', '.join(name for name, _ in members)})" if len(alike) > 1 else ""
        named = [f"{name}: {measured}" if len(members) > 1 else measured for name, measured in members]
        found.append((f"The machine{of_which}", (*shared, *named), ""))
    return found
