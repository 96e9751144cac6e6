"""How ratios differ from machine to machine, as tables and sentences. Pure but for pandas."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from bench.analysis.across import Across, OnMachine, Question, RowAcross
from bench.analysis.frame import machines_frame
from bench.analysis.goes_with import FEWEST, GoesWith
from bench.analysis.random_effects import FEWEST_MACHINES
from bench.analysis.stats import ASSUMED_SD
from bench.errors import shown
from bench.records.machines import machine_key, machine_names
from bench.records.runfile import Run
from bench.records.schema import Row
from bench.report.choosing import Choice, Table, chosen, columns_of, left_out
from bench.report.document import Document, Panel
from bench.report.names import counted, listed
from bench.report.units import bracketed, multiple, percent

GROUP = "From machine to machine"
BEHIND = "Behind the tables of all machines"
FURTHER = "How their ratios differ from machine to machine is told below these tables, and alone with --machines."
ABOUT = "the mean over machines with its 95 % interval, and where a new machine will be with 95 % probability"
MOST_NAMED = 4  # machines that a sentence names; of more there is the number
USUAL = ("backend", "mode", "device", "× on average", "new machine", "machines", "lowest", "highest")
COLUMNS = ("task", "other", "backend", "mode", "device", "precision", *USUAL[3:])
NUMBERS = {
    "× on average": "ratio",
    "new machine": "new_low",
    "lowest": "lowest",
    "highest": "highest",
    "machines": "machines",
}


def count_machines(runs: Iterable[Run]) -> int:
    """Return how many machines made these runs."""
    return len({machine_key(run.header) for run in runs})


def about_machines(runs: Sequence[Run]) -> list[str]:
    """Return what holds for a result of several machines; nothing for one."""
    count = count_machines(runs)
    if count < 2:
        return []
    return [f"These runs are of {count} machines. Rows are ranked within a machine, and never across machines."]


def behind(runs: Sequence[Run]) -> str:
    """Return the heading of what stands behind the tables of several machines; empty for one."""
    return BEHIND if count_machines(runs) > 1 else ""


def machines_document(runs: Sequence[Run], found: Sequence[Across], choice: Choice) -> Document:
    """Return how ratios differ from machine to machine as a result of its own. Raises `BadChoice`."""
    kept = chosen(machines_table(found, runs), choice)
    count = sum(len(each.rows) for each in found)
    return Document(
        title=f"ratios on {count_machines(runs)} machines",
        summary=(),
        remarks=(*left_out(len(kept.cells), count, choice), *about_machines(runs), *untold(runs, found)),
        panels=tuple(machine_panels(found, runs, kept, choice)),
        sections=(),
    )


def panels_of_rows(found: Sequence[Across], runs: Sequence[Run], wanted: Collection[Row]) -> Iterator[Panel]:
    """Yield a table for each question with those rows that are shown, for the result of runs of several machines."""
    table = machines_table(found, runs)
    rows = [row.row for each in found for row in each.rows]
    kept = table.take([place for place, row in enumerate(rows) if row in wanted])
    for panel in machine_panels(found, runs, kept, Choice()):
        yield replace(panel, group=GROUP)


def machine_panels(found: Sequence[Across], runs: Sequence[Run], kept: Table, choice: Choice) -> Iterator[Panel]:
    """Yield a table for each question that has a line among those that are kept."""
    names, first = machine_names(run.header for run in runs), 0
    for each in found:
        own = range(first, first + len(each.rows))
        first += len(each.rows)
        part = kept.take([at for at, place in enumerate(kept.cells.index) if place in own])
        if len(part.cells):
            devices = {each.other.device, *(row.row.device for row in each.rows)}
            usual = [name for name in USUAL if name != "device" or len(devices) > 1]
            cells = part.cells[columns_of(part, choice, usual)]
            about = ABOUT if any(row.overall for row in each.rows) else ""
            yield Panel(title(each, found), cells, about, tuple(_notes(each, names)))


def untold(runs: Sequence[Run], found: Sequence[Across]) -> list[str]:
    """Return why nothing can be said of how ratios differ from machine to machine; nothing if something can."""
    return [] if found else [nothing_in_common(runs)]


def nothing_in_common(runs: Sequence[Run]) -> str:
    """Return why nothing can be said of how ratios differ from machine to machine."""
    if count_machines(runs) < 2:
        return "All runs are of one machine, so nothing can be said of how ratios differ from machine to machine."
    return (
        "No two machines have ratios of the same rows in the same task, with the same settings and number of threads "
        "(--threads), so nothing can be said of how ratios differ from machine to machine."
    )


def machines_table(found: Sequence[Across], runs: Sequence[Run]) -> Table:
    """Return one line for each row of each question, in words and in numbers."""
    names = machine_names(run.header for run in runs)
    lines = [
        {"task": each.question.task, "other": each.other.name, **_cells(row, names)}
        for each in found
        for row in each.rows
    ]
    return Table(pd.DataFrame(lines, columns=COLUMNS, dtype=str), machines_frame(found), NUMBERS)


def _cells(each: RowAcross, names: Mapping[str, str]) -> dict[str, str]:
    lowest, highest = each.reach
    overall = each.overall
    return {
        "backend": each.row.backend,
        "mode": each.row.mode,
        "device": each.row.device,
        "precision": each.row.precision,
        "× on average": bracketed(overall.ratio, overall.interval) if overall else "",
        "new machine": f"{multiple(overall.prediction.low)} to {multiple(overall.prediction.high)}" if overall else "",
        "machines": str(len(each.on)),
        "lowest": _at(lowest, names),
        "highest": _at(highest, names),
    }


def _at(each: OnMachine, names: Mapping[str, str]) -> str:
    return f"{bracketed(each.ratio, each.interval)} on {names[each.machine]}"


def title(each: Across, among: Iterable[Across]) -> str:
    """Return what a question is about: the task, what sets it apart from others of that task, and the other row."""
    alike = [other.question for other in among if other.question.task == each.question.task]
    apart = ", ".join(_apart(each.question, alike))
    return f"{each.question.task}{f' with {apart}' if apart else ''}, time of a pass / that of {each.other.name}"


def _apart(own: Question, alike: Sequence[Question]) -> Iterator[str]:
    """Yield what sets a question apart from others of its task."""
    if len({other.threads for other in alike}) > 1:
        yield counted(own.threads, "thread")
    if len({other.precision for other in alike}) > 1:
        yield own.precision
    every = [json.loads(other.settings) for other in alike]
    for name, value in json.loads(own.settings).items():
        if any(other.get(name) != value for other in every):
            yield f"{name}={shown(str(value))}"


def _notes(each: Across, names: Mapping[str, str]) -> Iterator[str]:
    """Yield what there is to say of a question beside its numbers."""
    few = [row for row in each.rows if row.overall is None]
    if few:
        yield (
            f"{_rows(few)}: {FEWEST_MACHINES} machines at least are needed for a mean and a prediction"
            if len(few) < len(each.rows)
            else f"Two machines say too little about how machines differ; {FEWEST_MACHINES} at least are needed"
        )
    alike = [row for row in each.rows if row.overall and row.overall.spread_interval.low == 0]
    if alike:
        yield f"{_rows(alike)}: the errors of the runs explain how the machines differ; they may be alike"
    alone = {on.machine for row in each.rows for on in row.on if on.found.rounds == 1}
    if alone:
        assumed = f"their errors assume that processes of a row differ by {percent(ASSUMED_SD)}"
        yield f"One round alone was measured on {_named(alone, names)}: {assumed}"
    for row, why in ((each.other, each.not_ranked), *((row.row, row.not_ranked) for row in each.rows)):
        for reason in dict.fromkeys(why.values()):
            machines = [machine for machine, found in why.items() if found == reason]
            yield f"{row.name} is not ranked in a run on {_named(machines, names)}: {reason}"
    yield from _facts(each)


def _named(machines: Collection[str], names: Mapping[str, str]) -> str:
    """Return machines by name; of many, some of them and the number of the others."""
    first = [name for machine, name in names.items() if machine in machines][:MOST_NAMED]
    more = len(machines) - len(first)
    return "; ".join([*first, f"{more} more"] if more else first)  # names have commas


def _rows(rows: Iterable[RowAcross]) -> str:
    return listed(row.row.name for row in rows)


def _facts(each: Across) -> Iterator[str]:
    """Yield which facts of the machines go with the differences: a description."""
    looked_at = max(len(row.facts) for row in each.rows)
    if not looked_at:
        if len(each.machines) < FEWEST:
            yield f"Which facts of the machines go with the differences can be asked of {FEWEST} machines or more"
        return
    told = [(row, fact) for row in each.rows for fact in row.facts if fact.told]
    count = f"{counted(looked_at, 'fact')} and {counted(len(each.rows), 'row')}"
    for row, fact in told:
        yield f"{row.row.name}: {fact_in_words(fact)} (p = {fact.p:.2g}, corrected for {count})"
    if told:
        yield "What goes with a ratio describes these machines and need not be its cause: nothing else was held equal"
    else:
        yield f"No fact of the machines goes with the differences beyond chance, of {count} looked at"


def fact_in_words(fact: GoesWith) -> str:
    """Return what the ratio is by the values of a fact, as description."""
    if fact.per_doubling is not None:
        return f"with twice the {listed(fact.names)} the ratio is {multiple(fact.per_doubling)} times as large"
    parts = ", ".join(f"{part.value} ({part.machines}): {multiple(part.ratio)}" for part in fact.parts)
    return f"machines by {listed(fact.names)}: {parts}"
