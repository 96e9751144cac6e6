"""Whether a compiled mode pays, one sentence for each task. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable

from bench.analysis.break_even import BreakEven
from bench.analysis.summary import RowSummary

ABOUT_BREAK_EVEN = (
    "The number of passes from which on a mode costs less than the first mode of its framework, with set-up and a cold "
    "first call."
)
EXACT = 1e-6  # passes: what float64 loses of a whole number


def break_even_sentences(rows: Iterable[RowSummary]) -> list[str]:
    """Return, for each task, from how many passes on its modes are ahead of the plain mode of their framework."""
    of_task: dict[str, list[str]] = {}
    for each in rows:
        if each.break_even is not None:
            of_task.setdefault(each.row.task, []).append(f"{each.name} {_passes(each.break_even)}")
    return [f"{task}: {', '.join(said)}" for task, said in of_task.items()]


def _passes(found: BreakEven) -> str:
    match found.verdict:
        case "at once":
            return "1"
        case "later":
            passes, low, high = (f"{math.ceil(each - EXACT):,}" for each in (found.passes, found.low, found.high))
            return f"{passes} [{low}, {high}]"
        case verdict:
            return f"({verdict})"
