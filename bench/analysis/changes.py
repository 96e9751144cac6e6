"""Compares two runs row by row. Pure.

The runs share no rounds, so each row is tested by the scatter of its own processes in each of them. What the machine
did otherwise during one of the runs counts as a change of the row: nothing here can tell the two apart, and nothing is
divided by the calibration loop, which explains too little of a time. Rows that run side by side can be told apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from bench.analysis.noise import loops_s
from bench.analysis.standing import ABSENT, Standing, standings_of
from bench.analysis.stats import (
    LEVEL,
    Estimate,
    Interval,
    Judgement,
    estimate,
    estimate_apart,
    holm,
    interval,
    judge,
    p_above,
    rounds_needed,
)
from bench.analysis.turns import Grid, Times, logarithms, timed, wall_times
from bench.records.runfile import Run
from bench.records.schema import Row

Kind = Literal[
    "slower",
    "wrong",
    "missing",
    "inconclusive",
    "too few rounds",
    "faster",
    "equivalent",
    "identical",
    "new",
    "unsupported",
]  # in the order in which they are shown
KINDS: tuple[Kind, ...] = Kind.__args__  # type: ignore[attr-defined]


@dataclass(frozen=True, kw_only=True)
class Change:
    """How a row changed."""

    row: Row
    kind: Kind
    then_s: float | None = None  # typical pass over rounds
    now_s: float | None = None
    found: Estimate | None = None  # logarithm of now / then; None if only one run has good times, or both the same
    interval: Interval | None = None  # of the ratio
    detectable: float = math.inf
    reason: str = ""

    @property
    def ratio(self) -> float | None:
        """The ratio now / then."""
        return self.found.ratio if self.found else None


def changes(then: Run, now: Run, effect: float) -> tuple[Change, ...]:
    """Return how each row of two runs changed, the worst first. `effect` is the smallest change that matters."""
    standings = standings_of(then), standings_of(now)
    before, after = good_times(then, standings[0]), good_times(now, standings[1])
    rows = list(dict.fromkeys((*then.header.rows, *now.header.rows)))
    judged = judge_changes(before, after, effect)
    found = [judged.get(row) or one_sided(row, *(each.get(row, ABSENT) for each in standings)) for row in rows]
    return tuple(sorted(found, key=lambda change: (KINDS.index(change.kind), -(change.ratio or 0.0))))


def effect_of(then: Run, now: Run) -> float:
    """Return the smallest change that matters to both runs: the larger of their goals."""
    return max(then.header.goal.effect, now.header.goal.effect)


def good_times(run: Run, standings: Mapping[Row, Standing]) -> Times:
    """Return the times of all ranked rows."""
    return {row: rounds for row, rounds in wall_times(timed(run.last_records.columns)).items() if standings[row].ranked}


def one_sided(row: Row, then: Standing, now: Standing) -> Change:
    """Return the change of a row that is ranked in only one of the runs, or in neither."""
    if now.ranked:
        return Change(row=row, kind="new", reason=f"then: {then.why_not}")
    if {then.cause, now.cause} <= {"unsupported", "absent"}:
        return Change(row=row, kind="unsupported", reason=f"then and now: {now.why_not}")
    kind: Kind = "wrong" if now.cause == "wrong" else "missing"
    return Change(row=row, kind=kind, reason=now.why_not if then.ranked else f"then and now: {now.why_not}")


def judge_changes(then: Times, now: Times, effect: float) -> dict[Row, Change]:
    """Return the change of each row that has times in both runs."""
    both = [row for row in then if row in now]
    found = {row: estimate_apart(now[row].levels, then[row].levels) for row in both}
    verdicts = judge(found, effect)
    return {row: _change(row, then, now, found[row], verdicts[row]) for row in both}


def _change(row: Row, then: Times, now: Times, found: Estimate, judged: Judgement) -> Change:
    then_s, now_s = (estimate(run[row].levels).ratio for run in (then, now))
    if _identical(then[row], now[row]):
        return Change(row=row, kind="identical", then_s=then_s, now_s=now_s)
    return Change(
        row=row,
        kind=judged.verdict,
        then_s=then_s,
        now_s=now_s,
        found=found,
        interval=interval(found),
        detectable=judged.detectable,
    )


def _identical(then: Grid, now: Grid) -> bool:
    """Return whether two rows have the same times in every turn, as only the same measurement has."""
    same = np.array_equal(then.numbers, now.numbers) and np.array_equal(then.turns, now.turns)
    return same and np.array_equal(then.times, now.times, equal_nan=True)


def log_loops(run: Run) -> dict[tuple[str, int], float]:
    """Return the mean logarithm of the calibration loops around each round, in seconds, by task and round."""
    blocks, times_s = run.blocks, loops_s(run.blocks)
    logs, known = np.zeros(times_s.shape), np.isfinite(times_s)
    logs[known] = logarithms(times_s[known])
    calibrated = np.flatnonzero(known.any(axis=0))
    means = (logs.sum(axis=0)[calibrated] / known.sum(axis=0)[calibrated]).tolist()
    places = zip(blocks.task[calibrated].tolist(), blocks.block[calibrated].tolist(), strict=True)
    return {(blocks.tasks[task], number): mean for (task, number), mean in zip(places, means, strict=True)}


def speed_change(then: Run, now: Run) -> Estimate:
    """Return the logarithm of the ratio of the calibration loops, now / then."""
    return estimate_apart(list(log_loops(now).values()), list(log_loops(then).values()))


def too_slow(found: Iterable[Change], limit: float) -> list[Change]:
    """Return the rows that are surely slower by more than the limit: by a one-sided test, corrected for all rows."""
    found = list(found)
    above, _ = _sure(found, limit)
    return [change for change in found if change.found and change.row in above]


def undecided(found: Iterable[Change], limit: float) -> list[Change]:
    """Return the rows that can be called neither slower by more than the limit nor not slower by that much."""
    changed = [change for change in found if change.found]
    above, below = _sure(changed, limit)
    return [change for change in changed if change.row not in above | below]


def rounds_to_tell(found: Estimate, limit: float) -> int:
    """Return about how many rounds of each run would tell a ratio from 1 + `limit`, if it is as estimated."""
    return rounds_needed(replace(found, mean=found.mean - math.log1p(limit)), 1, 0.0)


def _sure(found: Iterable[Change], limit: float) -> tuple[set[Row], set[Row]]:
    """Return the rows whose ratio is surely above 1 + `limit`, and those whose ratio is surely below."""
    known = {change.row: change.found for change in found if change.found}
    bound = math.log1p(limit)
    above = holm({row: p_above(estimated, bound) for row, estimated in known.items()})
    below = holm({row: p_above(estimated.turned, -bound) for row, estimated in known.items()})
    return {row for row, p in above.items() if p <= LEVEL}, {row for row, p in below.items() if p <= LEVEL}
