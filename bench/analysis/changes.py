"""Compares two runs row by row. Pure.

The runs share no blocks, and the machine may have been faster during one of them. So every row is tested twice: with
its times, and with its times divided by the calibration loop of their block. A row is called slower, faster or
equivalent only if both tests agree, and its interval covers the intervals of both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

from bench.analysis.comparison import log_times
from bench.analysis.standing import ABSENT, Standing, standings_of
from bench.analysis.stats import Estimate, Interval, Judgement, estimate_apart, interval_apart, judge
from bench.machine.calibration import typical_s
from bench.records.runfile import Run
from bench.records.schema import Row

Kind = Literal[
    "slower", "wrong", "missing", "inconclusive", "too few blocks", "faster", "equivalent", "new"
]  # in the order in which they are shown
KINDS: tuple[Kind, ...] = Kind.__args__  # type: ignore[attr-defined]


@dataclass(frozen=True, kw_only=True)
class Change:
    """How a row changed."""

    row: Row
    kind: Kind
    then_s: float | None = None  # median over processes of their median steady pass
    now_s: float | None = None
    ratio: float | None = None  # now / then
    interval: Interval | None = None
    detectable: float = math.inf
    reason: str = ""


def changes(then: Run, now: Run, effect: float) -> tuple[Change, ...]:
    """Return how each row of two runs changed, the worst first. `effect` is the smallest change that matters."""
    before, after = good_times(then), good_times(now)
    standings = standings_of(then), standings_of(now)
    rows = list(dict.fromkeys((*then.header.rows, *now.header.rows)))
    both = [row for row in rows if row in before and row in after]
    judged = judge_changes({row: (before[row], after[row]) for row in both}, then, now, effect)
    found = [judged.get(row) or _one_sided(row, *(each.get(row, ABSENT) for each in standings)) for row in rows]
    return tuple(sorted(found, key=lambda change: (KINDS.index(change.kind), -(change.ratio or 0.0))))


def good_times(run: Run) -> dict[Row, dict[int, float]]:
    """Return the logarithm of the median steady pass in seconds of all ranked rows, by row and block."""
    standings = standings_of(run)
    return {row: times for row, times in log_times(run.last_records).items() if standings[row].ranked}


def _one_sided(row: Row, then: Standing, now: Standing) -> Change:
    """Return the change of a row that is ranked in only one of the runs, or in neither."""
    if now.ranked:
        return Change(row=row, kind="new", reason=f"then: {then.why_not}")
    kind: Kind = "wrong" if now.cause == "wrong" else "missing"
    return Change(row=row, kind=kind, reason=now.why_not if then.ranked else f"then and now: {now.why_not}")


def judge_changes(
    times: Mapping[Row, tuple[Mapping[int, float], Mapping[int, float]]], then: Run, now: Run, effect: float
) -> dict[Row, Change]:
    """Return the change of each row from its times by block, logarithms of seconds, in both runs."""
    speeds = log_loops(then), log_loops(now)
    if not all(speeds):  # without loops in both runs, scaled times would have different units
        speeds = {}, {}
    plain = {row: (list(pair[0].values()), list(pair[1].values())) for row, pair in times.items()}
    scaled = {
        row: tuple(_scaled(row, blocks, speed) for blocks, speed in zip(pair, speeds, strict=True))
        for row, pair in times.items()
    }
    raw = {row: estimate_apart(after, before) for row, (before, after) in plain.items()}
    relative = {row: estimate_apart(after, before) for row, (before, after) in scaled.items()}
    verdicts = judge(raw, effect), judge(relative, effect)
    return {
        row: Change(
            row=row,
            kind=_agreed(verdicts[0][row], verdicts[1][row]),
            then_s=math.exp(median(plain[row][0])),
            now_s=math.exp(median(plain[row][1])),
            ratio=found.ratio,
            interval=_hull(interval_apart(*plain[row][::-1]), interval_apart(scaled[row][1], scaled[row][0])),
            detectable=max(verdicts[0][row].detectable, verdicts[1][row].detectable),
        )
        for row, found in raw.items()
    }


def log_loops(run: Run) -> dict[tuple[str, int], float]:
    """Return the mean logarithm of the calibration loops around each block, in seconds, by task and block number."""
    return {
        (block.task, block.block): fmean(math.log(typical_s(each)) for each in (block.before, block.after) if each)
        for block in run.blocks
        if block.before or block.after
    }


def speed_change(then: Run, now: Run) -> Estimate:
    """Return the logarithm of the ratio of the calibration loops, now / then."""
    return estimate_apart(list(log_loops(now).values()), list(log_loops(then).values()))


def _scaled(row: Row, blocks: Mapping[int, float], speed: Mapping[tuple[str, int], float]) -> list[float]:
    """Return logarithms of time / calibration loop; a block without a loop uses that of the other blocks."""
    usual = fmean(speed.values()) if speed else 0.0
    return [time - speed.get((row.task, block), usual) for block, time in blocks.items()]


def _agreed(raw: Judgement, relative: Judgement) -> Kind:
    return raw.verdict if raw.verdict == relative.verdict else "inconclusive"


def _hull(a: Interval | None, b: Interval | None) -> Interval | None:
    return Interval(min(a.low, b.low), max(a.high, b.high)) if a and b else None


def too_slow(found: Iterable[Change], limit: float) -> list[Change]:
    """Return the rows whose verdict is slower and whose ratio exceeds the limit."""
    return [change for change in found if change.kind == "slower" and (change.ratio or 0.0) > 1 + limit]


def undecided(found: Iterable[Change], limit: float) -> list[Change]:
    """Return the rows that may be slower by more than the limit, or that cannot be compared."""
    open_kinds = ("missing", "inconclusive", "too few blocks")
    return [
        change
        for change in found
        if change.kind in open_kinds or (change.kind == "slower" and (change.ratio or 0.0) <= 1 + limit)
    ]
