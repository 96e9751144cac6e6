"""Stopping rule: which rows need another round. Pure: it depends only on the records of the earlier rounds."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np

from bench.analysis.comparison import Comparison, Group, groups, typical
from bench.analysis.stats import detectable
from bench.analysis.turns import timed, wall_times
from bench.records.columns import Columns
from bench.records.schema import Goal, Row

# A test after every round finds a difference by chance sooner or later. So a comparison ends early only if its p-value
# is far below the level of the final test (Haybittle 1971, Peto 1976: p < 0.001).
BEYOND_DOUBT = 1e-3
# Before so many rounds a comparison ends only if the rows are far apart. A scatter that is small by chance ends a run
# early, and then gives an interval that is too narrow; after these rounds it hardly does.
MIN_PRECISE = 8
# From then on, whether it is precise is looked at only once in so many rounds: each look is a chance to stop at a
# scatter that is small by chance.
LOOK_EVERY = 4
FAR = math.log(1.5)  # the ratio of rows that are far apart


def still_open(
    rows: Sequence[Row], goal: Goal, records: Columns, block: int, unranked: Collection[Row] = ()
) -> set[Row]:
    """Return the rows that run in round number `block`, given the records of all earlier rounds.

    A row that failed is not run again. If the goal is a number of workers, all other rows run in that many rounds.
    Otherwise every row runs in one round, and after that the rows whose comparison with the fastest of their task is
    not settled yet, and the fastest itself. `unranked` rows are not compared.
    """
    earlier = records.take(np.flatnonzero(records["block"] < block))
    places = earlier.by_row()
    alive = [row for row in rows if row not in places or earlier["ok"][places[row]].all()]
    rounds = {row: len(places.get(row, ())) for row in alive}
    if goal.workers is not None:
        return {row for row in alive if rounds[row] < goal.workers}
    if new := {row for row in alive if not rounds[row]}:
        return new
    kept = set(alive) - set(unranked)
    times = {row: rounds for row, rounds in wall_times(timed(earlier)).items() if row in kept}
    return {row for group in groups(times, goal.effect) for row in undecided(group)}


def undecided(group: Group) -> set[Row]:
    """Return the rows of a group that need another round."""
    compared = group.compared_with_fastest()
    if not compared:
        return set() if _precise(group) else {group.fastest}
    open_rows = {row for row, each in compared.items() if not settled(each, group.effect)}
    return open_rows | {group.fastest} if open_rows else set()


def settled(found: Comparison, effect: float) -> bool:
    """Return whether a comparison needs no more rounds: it is precise enough, or the difference is beyond doubt."""
    beyond_doubt = found.judged.p_different <= BEYOND_DOUBT
    if found.rounds < MIN_PRECISE:
        return beyond_doubt and abs(math.log(found.ratio)) >= FAR
    return beyond_doubt or (looked_at(found.rounds) and found.judged.detectable <= effect)


def looked_at(rounds: int) -> bool:
    """Return whether a comparison of so many rounds may end because it is precise."""
    return rounds >= MIN_PRECISE and (rounds - MIN_PRECISE) % LOOK_EVERY == 0


def _precise(group: Group) -> bool:
    """Return whether `bench compare` could detect a change of `effect` in a row that is the only one of its task."""
    found = typical(group.times[group.fastest])
    return looked_at(found.rounds) and detectable(found.error, found.freedom, 1) <= group.effect
