"""Every ranked row of a task compared with every other one, so that a reader can choose the baseline later. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.analysis.changes import good_times
from bench.analysis.comparison import Comparison, groups
from bench.analysis.standing import standings_of
from bench.records.runfile import Run
from bench.records.schema import Row


@dataclass(frozen=True)
class Pairs:
    """The ranked rows of a task in one precision, and all comparisons of them.

    Each baseline has a family of tests of its own, as if `--baseline` had named it: a row that is chosen after a look
    at several of them is found different by chance more often than the verdicts say.
    """

    fastest: Row
    against: Mapping[Row, Mapping[Row, Comparison]]  # by the baseline, then by the other rows


def pairs_of(run: Run) -> tuple[Pairs, ...]:
    """Return all comparisons of each task and precision of a run that has a ranked row."""
    found = groups(good_times(run, standings_of(run)), run.header.goal.effect)
    return tuple(Pairs(each.fastest, {row: each.compared_with(row) for row in each.times}) for each in found)
