"""What a run comes to, one line for each task: what to use, how surely, and what is not ranked. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.analysis.answer import Answer, Use, answers
from bench.analysis.summary import RowSummary, Versus
from bench.records.machines import names_of_runs
from bench.records.runfile import Run
from bench.records.schema import Row
from bench.report.document import Line
from bench.report.names import listed
from bench.report.sentences import task_name, titled_by_task
from bench.report.tables import ratio
from bench.report.units import percent, seconds

SILENT = ("unsupported", "absent", "not run")  # causes of which a summary says nothing: nobody expects a number


def summary_lines(runs: Sequence[Run], rows: Iterable[RowSummary]) -> list[Line]:
    """Return a line for each task of each run, in the order of the rows, which are all rows of these tasks."""
    rows = list(rows)
    found = {(run.name, task_name(each.once.row)): each for run in runs for each in answers(run, rows)}
    machines = names_of_runs(runs)
    lines = []
    for title, group in titled_by_task(rows, machines):
        answer = found.get((group[0].run, task_name(group[0].row)))
        parts = [_fastest(answer, group), *([_once(answer)] if answer else []), *_unranked(group)]
        lines.append(Line(title, ". ".join(parts), machines[group[0].run]))
    return lines


def _fastest(answer: Answer | None, rows: Sequence[RowSummary]) -> str:
    """Return which row has the shortest pass, or may have it: of several, the one that is cheapest to start."""
    ranked = [(each, each.to_fastest) for each in rows if each.to_fastest]
    if not ranked:
        return "no row is ranked"
    best = answer.long.row if answer else ranked[0][1].other
    best_s = next(each.pass_s for each, _ in ranked if each.row == best)
    name, time = best.name, f"{seconds(best_s)} a pass"
    others = [(each, versus) for each, versus in ranked if each.row != best]
    tied = [(each, versus) for each, versus in others if versus.verdict not in ("slower", "too few rounds")]
    if not others:
        return f"{name} is the only row that is ranked, {time}"
    if tied:
        return f"{name} is among the fastest, {time}; {_tied(tied, best)}"
    following, versus = min(others, key=lambda pair: pair[1].ratio)
    return f"{name} is the fastest, {time}; {_next(following, versus)}"


def _next(following: RowSummary, versus: Versus) -> str:
    rounds = versus.comparison.rounds if versus.comparison else 0
    alone = " (one round)" if rounds == 1 else ""
    return f"the next, {following.row.name}, takes {ratio(versus)} times as long{alone}"


def _tied(rows: Sequence[tuple[RowSummary, Versus]], best: Row) -> str:
    """Return what is said of rows that are not surely slower than the one to use."""
    equal = [each.row for each, to in rows if to.other == best and to.verdict == "equivalent"]
    untold = [each.row for each, _ in rows if each.row not in equal]
    parts = [f"as fast within {percent(rows[0][0].effect)}: {listed(row.name for row in equal)}"] if equal else []
    parts += [f"this run cannot tell {listed(row.name for row in untold)} from it"] if untold else []
    return "; ".join(parts)


def _once(answer: Answer) -> str:
    training = f"one training ({answer.passes:,} {'pass' if answer.passes == 1 else 'passes'})"
    row, time = answer.once.row.name, f"{seconds(answer.once.time_s)} in all{_or(answer.once)}"
    if answer.passes_to_gain is None:
        return f"For {training}, too, use {row}: {time}"
    return f"For {training} use {row}: {time}; for {answer.passes_to_gain:,} passes or more, {answer.long.row.name}"


def _or(use: Use) -> str:
    return f" (this run cannot tell {listed(row.name for row in use.tied)} from it)" if use.tied else ""


def _unranked(rows: Iterable[RowSummary]) -> list[str]:
    named = [f"{each.row.name} ({each.standing.cause})" for each in rows if _is_told(each)]
    return [f"Not ranked: {', '.join(named)}"] if named else []


def _is_told(each: RowSummary) -> bool:
    return not each.standing.ranked and each.standing.cause not in SILENT
