"""What the rounds so far tell of the rows of a task, for people who watch a run. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from bench.analysis.comparison import Group, groups, typical
from bench.analysis.standing import Standing
from bench.analysis.stopping import still_open
from bench.analysis.turns import Grid, timed, wall_times
from bench.events import RowSoFar, State
from bench.records.columns import Columns
from bench.records.schema import Goal, Row


def rows_so_far(
    rows: Sequence[Row], goal: Goal, records: Columns, standings: Mapping[Row, Standing]
) -> tuple[RowSoFar, ...]:
    """Return what is known of the rows of one task: ranked rows first, the fastest first.

    `records` are those of all rounds so far, of these rows; `standings` are those of the rows.
    """
    times = wall_times(timed(records))
    unranked = [row for row in rows if not standings[row].ranked]
    compared = {row: each for row, each in times.items() if row not in unranked}
    last = int(records["block"].max(initial=-1))
    begun = [row for row in rows if row in times]  # others may still wait for the memory that these take
    goes_on = still_open(begun, goal, records, 1 + last, unranked)
    found = [_apart(row, standings[row], times.get(row)) for row in rows if row not in compared]
    for group in groups(compared, goal.effect):
        found += _compared(group, goes_on)
    return tuple(sorted(found, key=lambda each: math.inf if each.ratio is None else each.ratio))


def _compared(group: Group, goes_on: Collection[Row]) -> list[RowSoFar]:
    """Return rows with their ratios to the fastest, in the order of the group."""
    versus, fastest_s = group.compared_with_fastest(), typical(group.times[group.fastest]).ratio
    found = []
    for row, rounds in group.times.items():
        ratio = versus[row].ratio if row in versus else 1.0
        interval = versus[row].interval if row in versus else None
        found.append(
            RowSoFar(
                task=row.task,
                name=row.name,
                state="goes on" if row in goes_on else "done",
                rounds=len(rounds),
                pass_s=fastest_s * ratio,
                ratio=ratio,
                low=interval.low if interval else None,
                high=interval.high if interval else None,
            )
        )
    return found


def _apart(row: Row, standing: Standing, rounds: Grid | None) -> RowSoFar:
    """Return a row that is not compared with others: it waits for its first round, or is not ranked."""
    state: State = "failed" if standing.cause in ("failed", "unsupported") else "not ranked"
    if standing.ranked or standing.cause == "not run":
        state = "waiting"
    return RowSoFar(
        task=row.task,
        name=row.name,
        state=state,
        rounds=len(rounds) if rounds else 0,
        reason="" if state == "waiting" else standing.why_not,
    )
