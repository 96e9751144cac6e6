"""Tables and sentences on inference for people: what it costs to use a trained model. Pure."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from bench.analysis.inference import Cost, InferenceSummary, inference_columns, inference_of
from bench.records.machines import names_of_runs
from bench.records.runfile import Run
from bench.report.choosing import Choice, Table, chosen, columns_of, left_out
from bench.report.document import Document, Line, Panel, Section, sections_of
from bench.report.machines_table import about_machines, behind
from bench.report.names import listed
from bench.report.sentences import task_name
from bench.report.tables import ratio
from bench.report.training import machine_sections, titled
from bench.report.units import seconds

BEST = ("fastest", "among the fastest")  # verdicts of the row that the others are compared with
NOT_TOLD = ("inconclusive", "equivalent", "too few rounds")
COLUMNS = ("task", "requests", "row", "time", "p95", "p99", "rows/s", "× best", "note")
USUAL = ("row", "time", "p95", "p99", "rows/s", "× best")
RESTS_ON, NOT_RANKED = "What it rests on", "What is not ranked"
NUMBERS = {
    "time": "time_s",
    "p95": "latency_p95_s",
    "p99": "latency_p99_s",
    "rows/s": "throughput_rows_per_s",
    "× best": "ratio",
    "note": "inference_reason",
}


def inference_document(runs: Sequence[Run], rows: Sequence[InferenceSummary], choice: Choice) -> Document:
    """Return what it costs to use the trained models: what to use, and a table for each kind of requests.

    Raises `BadChoice`.
    """
    table = inference_table(rows)
    kept = chosen(table, choice)
    tasks = set(kept.cells["task"])
    whole = [each for each in rows if task_name(each.row) in tasks]
    groups, machines = [*_groups(whole)], names_of_runs(runs)
    unranked = [sentence for group in groups for sentence in _unranked(group)]
    return Document(
        title=f"inference, {titled(runs, len(tasks))}",
        summary=tuple(replace(line, group=machines[group[0].run]) for group in groups for line in _summary(group)),
        remarks=(*left_out(len(kept.cells), len(table.cells), choice), *about_machines(runs)),
        panels=tuple(_panels(table, kept, choice, machines)),
        sections=sections_of(
            (RESTS_ON, [_rests_on(group) for group in groups if _is_ranked(group)], ""),
            (NOT_RANKED, unranked, ""),
            *machine_sections(runs),
            group=behind(runs),
        ),
    )


def caveats(document: Document) -> list[str]:
    """Return the sentences of such a document on what its numbers rest on, and on what is not ranked."""
    return [
        each for section in document.sections if section.title in (RESTS_ON, NOT_RANKED) for each in section.sentences
    ]


def inference_section(runs: Iterable[Run]) -> tuple[Section, ...]:
    """Return, for the result of a run, what is best for inference; nothing if it was not measured."""
    groups = list(_groups(inference_of(runs)))
    lines = [str(line) for group in groups for line in _summary(group)]
    unranked = [sentence for group in groups for sentence in _unranked(group)]
    return sections_of(("Inference", [*lines, *unranked], ""))


def inference_table(rows: Iterable[InferenceSummary]) -> Table:
    """Return one line for each row and kind of requests, best first, in words and in numbers."""
    lines = [line for group in _groups(rows) for kind in (_latency_lines, _batch_lines) for line in kind(group)]
    cells = pd.DataFrame([cells for cells, _ in lines], columns=COLUMNS, dtype=str).fillna("")
    return Table(cells, pd.DataFrame([numbers for _, numbers in lines]), NUMBERS)


def _panels(table: Table, kept: Table, choice: Choice, machines: Mapping[str, str]) -> Iterator[Panel]:
    """Yield the tables of each task and kind of requests, each with the columns that say something."""
    several = table.numbers["run"].nunique() > 1
    titles = (
        table.cells["task"] + (" (" + table.numbers["run"] + ")" if several else "") + ": " + table.cells["requests"]
    )
    for title, index in titles.groupby(titles, sort=False).groups.items():
        part = kept.take([place for place, line in enumerate(kept.cells.index) if line in set(index)])
        if len(part.cells):
            group = machines[part.numbers["run"].iloc[0]]
            yield Panel(str(title), part.cells[columns_of(part, choice, USUAL)], group=group)


def _groups(rows: Iterable[InferenceSummary]) -> Iterator[list[InferenceSummary]]:
    """Yield the rows that are compared with each other: of one run, task and precision."""

    def key(each: InferenceSummary) -> tuple[str, str, str]:
        return each.run, each.row.task, each.row.precision

    found: dict[tuple[str, str, str], list[InferenceSummary]] = {}
    for each in rows:
        found.setdefault(key(each), []).append(each)
    yield from found.values()


def _sorted(group: Iterable[InferenceSummary], cost: Callable[[InferenceSummary], Cost]) -> list[InferenceSummary]:
    def place(each: InferenceSummary) -> tuple[bool, bool, float]:
        time_s, to_best = cost(each).time_s, cost(each).to_best
        is_best = to_best is not None and to_best.verdict in BEST  # its own time may be longer than that of a tied row
        return to_best is None, not is_best, math.inf if math.isnan(time_s) else time_s

    return sorted(group, key=place)


def _latency(each: InferenceSummary) -> Cost:
    return each.latency


def _in_batches(each: InferenceSummary) -> Cost:
    return each.in_batches


Cells = dict[str, str]


def _latency_lines(group: Sequence[InferenceSummary]) -> Iterator[tuple[Cells, dict[str, Any]]]:
    for each in _sorted(group, _latency):
        cells = {
            **_names(each, "latency of one row"),
            "time": seconds(each.latency.time_s),
            "p95": seconds(each.latency_p95_s),
            "p99": seconds(each.latency_p99_s),
            "× best": ratio(each.latency.to_best),
        }
        yield cells, _numbers(each, each.latency.time_s, "latency_ratio")


def _batch_lines(group: Sequence[InferenceSummary]) -> Iterator[tuple[Cells, dict[str, Any]]]:
    size = max(each.batch_rows for each in group)
    for each in _sorted(group, _in_batches):
        time_s = each.in_batches.time_s * size
        cells = {
            **_names(each, f"throughput in batches of {size}"),
            "time": seconds(time_s),
            "rows/s": _rate(each),
            "× best": ratio(each.in_batches.to_best),
        }
        yield cells, _numbers(each, time_s, "batch_ratio")


def _numbers(each: InferenceSummary, time_s: float, ratio_name: str) -> dict[str, Any]:
    """Return the columns of a row for programs, with the time and the ratio of this kind of requests."""
    columns = inference_columns(each)
    return {**columns, "time_s": time_s, "ratio": columns[ratio_name]}


def _names(each: InferenceSummary, requests: str) -> dict[str, str]:
    return {"task": task_name(each.row), "requests": requests, "row": each.row.name, "note": each.reason}


def _rate(each: InferenceSummary) -> str:
    rate = each.throughput_rows_per_s
    return "" if math.isnan(rate) else f"{rate:,.0f}"


def _is_ranked(group: Iterable[InferenceSummary]) -> bool:
    return any(each.latency.to_best for each in group)


def _summary(group: Sequence[InferenceSummary]) -> list[Line]:
    """Return a line: the best row for each kind of requests, and what cannot be told from it."""
    if not _is_ranked(group):
        return [Line(task_name(group[0].row), "no row is ranked")]
    one, many = (_sorted(group, cost)[0] for cost in (_latency, _in_batches))
    size = max(each.batch_rows for each in group)
    text = (
        f"for one row at a time {one.name} ({seconds(one.latency.time_s)}{_tied(group, _latency)}), "
        f"for batches of {size} {many.name} ({_rate(many)} rows/s{_tied(group, _in_batches)})"
    )
    return [Line(task_name(one.row), text)]


def _tied(group: Iterable[InferenceSummary], cost: Callable[[InferenceSummary], Cost]) -> str:
    names = [each.name for each in _sorted(group, cost) if (to := cost(each).to_best) and to.verdict in NOT_TOLD]
    if not names:
        return ""
    return f"; this run cannot tell {listed(names)} from it"


def _rests_on(group: Sequence[InferenceSummary]) -> str:
    """Return how many rounds the comparisons have, and what one round assumes."""
    task = task_name(group[0].row)
    compared = [to.comparison.rounds for each in group if (to := each.latency.to_best) and to.comparison]
    if not compared:
        return f"{task}: nothing to compare with"
    counts = sorted(Counter(compared).items())
    said = listed([f"{rows} {'row' if rows == 1 else 'rows'} in {rounds}" for rounds, rows in counts])
    last = "round" if counts[-1][0] == 1 else "rounds"
    alone = "; the interval of one round assumes that processes of a row differ by 10 %" if counts[0][0] == 1 else ""
    return f"{task}: compared with the best: {said} {last}{alone}"


def _unranked(group: Iterable[InferenceSummary]) -> Iterator[str]:
    for reason, rows in itertools.groupby((each for each in group if each.reason), key=lambda each: each.reason):
        named = list(rows)
        yield f"{task_name(named[0].row)}: not ranked: {listed([each.name for each in named])}: {reason}"
    few = [each.name for each in group if not each.reason and math.isnan(each.latency_p99_s)]
    if few:
        yield f"no percentiles of {listed(few)}: there were fewer than 200 calls in the time that a row has"
