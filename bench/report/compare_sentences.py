"""The sentences below the table of `bench compare`: counts, what counts as equal, the machine, what cannot be told."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from bench.analysis.changes import Change, rounds_to_tell
from bench.analysis.stats import MOST_ROUNDS, Estimate
from bench.records.schema import Goal
from bench.report.units import bracketed, percent

SPEED_CHANGED = math.log(1.02)  # of the calibration loop, before it is mentioned


def notes(
    found: Sequence[Change], goals: tuple[Goal, Goal], effect: float, speed: Estimate, limit: float | None
) -> list[str]:
    """Return the sentences on a comparison of two runs; `limit` is that of --fail-on, None without it."""
    counts = Counter(change.kind for change in found)
    lines = [", ".join(f"{count} {kind}" for kind, count in counts.items()) or "no rows"]
    if limit is None and goals[0].effect != goals[1].effect:
        smaller = min(each.effect for each in goals)
        lines.append(
            f"the goals of the two runs differ ({percent(smaller)} and {percent(effect)}); the larger is used here"
        )
    seen = [change.detectable for change in found if math.isfinite(change.detectable)]
    if seen:
        lines.append(
            f"detectable change in every row: {percent(max(seen), 1)}; below {percent(effect)} counts as equal"
        )
    if abs(speed.mean) > SPEED_CHANGED:
        lines.append(
            f"the calibration loop takes {speed.ratio:.3f} times as long now: the machine may have changed, not the "
            f"rows. Nothing is divided by it, because it explains little; rows of one run can be compared safely"
        )
    return lines


def cannot_tell(change: Change, limit: float, where: str = " in each run") -> str:
    """Return, for a row that may be slower by more than the limit, how many rounds would tell; `where` says of what."""
    ratio = bracketed(change.ratio, change.interval)
    needed = rounds_to_tell(change.found, limit) if change.found else MOST_ROUNDS
    enough = f"about {needed} rounds{where} would tell" if needed < MOST_ROUNDS else "too close to it for any run"
    return f"{change.row}: cannot tell whether it is slower by more than {percent(limit)}: {ratio}; {enough}"
