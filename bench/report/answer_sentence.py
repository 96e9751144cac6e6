"""The answer to "what should I use?" for a task, in a sentence. Pure."""

from __future__ import annotations

from bench.analysis.answer import Answer, Use
from bench.report.names import listed
from bench.report.units import seconds


def answer_sentence(found: Answer) -> str:
    """Return what to use for one training, what for a long one, and from when on."""
    training = f"one training of {found.passes} {'pass' if found.passes == 1 else 'passes'}"
    once = _about(found.once, "with import and set-up")
    long = _about(found.long, "a pass")
    name = found.once.row.name
    if found.passes_to_gain is None:
        return f"use {name} for {training} {once} and for a long one {long}"
    lasting = found.long.row.name
    return f"use {name} for {training} {once}, and {lasting} from {found.passes_to_gain:,} passes on {long}"


def _about(use: Use, what: str) -> str:
    time = f"{seconds(use.time_s)} {what}"
    if not use.tied:
        return f"({time})"
    return f"({time}; this run cannot tell {listed(row.name for row in use.tied)} from it)"
