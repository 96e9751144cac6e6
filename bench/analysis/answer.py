"""What to use for a task: the cheapest row for one training, and for a long one. Pure.

A process that trains for n passes takes about c + n p seconds: p is the time of a pass, and c holds what does not grow
with n: start, import, data, set-up, the first call's extra time, and the evaluation. So the row with the smallest p is
the cheapest for many passes, and often not for a single training.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from bench.analysis.comparison import Comparison, Group, groups
from bench.analysis.kept import kept
from bench.analysis.process import one_training_s, passes_of
from bench.analysis.summary import RowSummary
from bench.analysis.turns import SHORTEST_S, Grid, logarithms
from bench.records.columns import Columns
from bench.records.lists import Lists
from bench.records.runfile import Run
from bench.records.schema import Row


@dataclass(frozen=True)
class Use:
    """A row to use, and the rows that a run cannot tell from it."""

    row: Row
    time_s: float  # of a whole training, or of a pass
    tied: tuple[Row, ...]


@dataclass(frozen=True)
class Answer:
    """The rows to use for a task in one precision."""

    task: str
    passes: int  # of one training
    once: Use  # for one training, in a process of its own
    long: Use  # for as many passes as one likes
    passes_to_gain: int | None  # from so many passes on, `long` takes less time than `once`; None for the same row


def answers(run: Run, rows: Iterable[RowSummary]) -> tuple[Answer, ...]:
    """Return the answer for every task and precision of a run that has a ranked row, from the summaries of its rows.

    A row without a whole training, as in a file that somebody has edited, is no answer.
    """
    summaries = {each.row: each for each in rows if each.standing.ranked and each.run == run.name}
    if (found := kept(run, "answers", tuple[Answer, ...])) is not None:
        tasks = {row.task for row in summaries}
        return tuple(each for each in found if each.task in tasks)
    records = run.last_records.of_row(summaries.__contains__).columns
    good = records.take(np.flatnonzero(records["ok"] & (passes_of(records) > 0)))
    once = groups(_log_totals(good), run.header.goal.effect)
    passes = _passes_by_kind(good)
    whole = [group for group in once if _fastest_of(group, summaries) in group.times]
    return tuple(_answer(group, passes[group.fastest.task, group.fastest.precision], summaries) for group in whole)


def _fastest_of(group: Group, rows: Mapping[Row, RowSummary]) -> Row | None:
    """Return the row with the shortest pass; None if no row was compared."""
    return next((versus.other for row in group.times if (versus := rows[row].to_fastest)), None)


def _log_totals(records: Columns) -> dict[Row, Grid]:
    """Return the logarithm of the wall time of one training in seconds, by row and round: one number a process."""
    totals_s = one_training_s(records)
    logs = Lists(logarithms(np.maximum(totals_s, SHORTEST_S)), np.ones(len(totals_s), int))
    return {row: Grid.of(records["block"][places], logs.take(places)) for row, places in records.by_row().items()}


def _passes_by_kind(records: Columns) -> dict[tuple[str, str], int]:
    """Return the number of passes of the last training of each task and precision."""
    passes = passes_of(records)
    last = sorted((int(places[-1]), row) for row, places in records.by_row().items())
    return {(row.task, row.precision): int(passes[place]) for place, row in last}


def _answer(once: Group, passes: int, rows: Mapping[Row, RowSummary]) -> Answer:
    """Return the answer; a row that is cheapest once, and cannot be told from the fastest, is the one for both."""
    to_fastest = {row: versus for row in once.times if (versus := rows[row].to_fastest)}
    fastest = next(versus.other for versus in to_fastest.values())
    cheap, fast = rows[once.fastest], rows[fastest]
    compared = {row: versus.comparison for row, versus in to_fastest.items() if versus.comparison}
    contenders = (fastest, *_tied(compared))
    lasting = cheap if cheap.row in contenders else fast
    return Answer(
        task=cheap.row.task,
        passes=passes,
        once=Use(cheap.row, cheap.medians["one_training_s"], _tied(once.compared_with_fastest())),
        long=Use(lasting.row, lasting.pass_s, tuple(row for row in contenders if row != lasting.row)),
        passes_to_gain=None if lasting is cheap else _passes_to_gain(cheap, fast, passes),
    )


def _tied(found: Mapping[Row, Comparison]) -> tuple[Row, ...]:
    """Return the rows that are not surely slower; none if there were too few rounds to tell any row from another."""
    tied = [row for row, each in found.items() if each.judged.verdict not in ("slower", "too few rounds")]
    return tuple(sorted(tied, key=lambda row: found[row].ratio))


def _passes_to_gain(cheap: RowSummary, fast: RowSummary, passes: int) -> int:
    """Return the number of passes from which on `fast` takes less time in all, by c + n p of both rows."""
    gain_s = cheap.pass_s - fast.pass_s
    cheap_s, fast_s = (each.medians["one_training_s"] - passes * each.pass_s for each in (cheap, fast))
    return max(passes, math.ceil((fast_s - cheap_s) / gain_s))
