"""The time that a scheduler of a cluster has allocated to this process: a run ends in order before it is cut off."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import NoReturn

from msgspec.structs import replace as with_changes

from bench.errors import UserError
from bench.runs.plan import Plan

END = (
    "SLURM_JOB_END_TIME"  # seconds since 1970, in the environment of every job: sbatch(1), OUTPUT ENVIRONMENT VARIABLES
)
MARGIN_S = 60.0  # before the end: for ending the workers and sending the last lines
SHORTEST_S = 180.0  # in which a run can come to something: checking comes before its first round


class AllocationEnds(KeyboardInterrupt):
    """Raised in a run shortly before its allocation ends; what it has is kept, as when the user interrupts it."""


def left_s(environment: Mapping[str, str], now_s: float) -> float | None:
    """Return the seconds until the allocation of this process ends, at `now_s` since 1970; None if it has no end."""
    end = environment.get(END, "")
    return float(end) - now_s if end.isascii() and end.isdecimal() else None


def within(plan: Plan, left: float | None) -> tuple[Plan, str]:
    """Return the plan with a time limit that fits into the seconds that are left, and for people what was shortened.

    Raises `UserError` if too little is left to begin.
    """
    if left is None:
        return plan, ""
    if left < SHORTEST_S:
        raise UserError(
            f"the job that this runs in ends in {max(0.0, left):.0f} s ({END}), and a run needs {SHORTEST_S:.0f} s at "
            f"least; ask the scheduler for more time"
        )
    if plan.goal.workers is not None or plan.goal.time_s <= left - MARGIN_S:
        return plan, ""
    shorter = replace(plan, goal=with_changes(plan.goal, time_s=left - MARGIN_S))
    return shorter, (
        f"sampling is limited to {shorter.goal.time_s / 60:.0f} min instead of {plan.goal.time_s / 60:g}, because the "
        f"job that this runs in ends in {left / 60:.0f} min ({END})"
    )


@contextmanager
def ending_in_time(left: float | None) -> Iterator[None]:
    """Raise `AllocationEnds` in the block `MARGIN_S` before the end. Only a main thread has signals: others go on."""
    if left is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _raise)
    signal.setitimer(signal.ITIMER_REAL, max(0.001, left - MARGIN_S))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _raise(*_: int | FrameType | None) -> NoReturn:
    raise AllocationEnds(f"ended, because the job that this runs in ends in {MARGIN_S:.0f} s ({END})")


def seconds_left(environment: Mapping[str, str]) -> float | None:
    """Return the seconds that are left now."""
    return left_s(environment, time.time())
