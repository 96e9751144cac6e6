"""Compares two versions of a backend that ran side by side in one run. Pure."""

from __future__ import annotations

from bench.analysis.changes import Change, good_times, one_sided
from bench.analysis.comparison import Group, typical
from bench.analysis.standing import standings_of
from bench.records.runfile import Run
from bench.records.schema import Row


def version_change(run: Run, old: Row, new: Row) -> Change:
    """Return how the new version differs from the old one, round by round.

    Its kind is `wrong`, `missing` or `unsupported` if one of them is not ranked.
    """
    standings = standings_of(run)
    times = good_times(run, standings)
    if not (standings[old].ranked and standings[new].ranked):
        return one_sided(new, standings[old], standings[new])
    group = Group({row: times[row] for row in (old, new)}, run.header.goal.effect)
    found = group.compared_with(old)[new]
    then_s = typical(times[old]).ratio
    return Change(
        row=new,
        kind=found.judged.verdict,
        then_s=then_s,
        now_s=then_s * found.ratio,
        found=group.estimates[new, old],
        interval=found.interval,
        detectable=found.judged.detectable,
    )
