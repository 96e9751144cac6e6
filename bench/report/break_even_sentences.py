"""Whether a compiled mode pays, one sentence for each task. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable

from bench.analysis.break_even import BreakEven
from bench.analysis.summary import RowSummary
from bench.records.schema import WarmStart
from bench.report.units import seconds

ABOUT_BREAK_EVEN = (
    "From which pass on a mode has cost less than the first mode of its framework, with set-up and a cold first call."
)
EXACT = 1e-6  # passes: what float64 loses of a whole number


def break_even_sentences(rows: Iterable[RowSummary]) -> list[str]:
    """Return, for each task, from how many passes on its modes are ahead of the plain mode of their framework.

    Where it was measured, a second sentence says what changes if the compiled code of an earlier process is found.
    """
    of_task: dict[str, list[RowSummary]] = {}
    for each in rows:
        of_task.setdefault(each.row.task, []).append(each)
    return [sentence for task, each in of_task.items() for sentence in (*_cold(task, each), *_warm(task, each))]


def _cold(task: str, rows: Iterable[RowSummary]) -> list[str]:
    said = ", ".join(f"{each.name} {_passes(each.break_even)}" for each in rows if each.break_even)
    return [f"{task}: {said}"] if said else []


def _warm(task: str, rows: Iterable[RowSummary]) -> list[str]:
    said = "; ".join(_started_warm(each, each.warm) for each in rows if each.warm and each.standing.ranked)
    return [f"{task}, in a program whose compiler finds the code of an earlier one: {said}"] if said else []


def _started_warm(each: RowSummary, warm: WarmStart) -> str:
    if warm.reason:
        return f"{each.name} did not start again: {warm.reason}"
    times = f"the first pass takes {seconds(warm.first_pass_s)} instead of {seconds(each.medians['first_pass_s'])}"
    passes = f"{_passes(each.warm_break_even)}, " if each.warm_break_even else ""
    return f"{each.name} {passes}{times}"


def _passes(found: BreakEven) -> str:
    match found.verdict:
        case "at once":
            return "from pass 1 on"
        case "later":
            passes, low, high = (f"{math.ceil(each - EXACT):,}" for each in (found.passes, found.low, found.high))
            return f"from pass {passes} [{low}, {high}] on"
        case verdict:
            return f"({verdict})"
