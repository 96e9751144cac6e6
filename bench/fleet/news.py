"""What a host tells while it measures a unit, and what came of the unit at the end."""

from __future__ import annotations

from typing import Literal

from bench.records.schema import Count, Strict

# whole: the run file has all that was asked for. refused: this host cannot measure it, another one might. left: it was
# ended from outside and can go on. late: the job of a scheduler, in which the host runs, is about to end. crashed: the
# process of the run ended without a word.
Ended = Literal["whole", "refused", "left", "late", "crashed"]


class Outcome(Strict, frozen=True, kw_only=True):
    """How a unit has ended on a host."""

    ended: Ended
    reason: str = ""  # for people


class Doing(Strict, frozen=True, kw_only=True):
    """What the process of a unit does at the moment, for people."""

    stage: str = ""
    job: str = ""
    done: Count = 0  # jobs of the stage
    total: Count = 0
    left_s: float | None = None  # at most, if known
    remark: str = ""  # what differs from what was asked for


class News(Strict, frozen=True, kw_only=True):
    """What is new of a unit on a host, since it was asked before."""

    process: str  # that answers, by its `Facts.process`
    known: bool = True  # whether it has, or had, this unit
    lines: str = ""  # whole lines of the run file, from the asked place on
    doing: Doing = Doing()
    outcome: Outcome | None = None  # None: it goes on, or has more lines than it tells at once
