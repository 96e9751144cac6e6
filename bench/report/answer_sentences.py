"""The answer to "what should I use?", one sentence for each task. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from bench.analysis.answer import Answer, Use
from bench.records.schema import Row
from bench.report.units import seconds


def answer_sentences(found: Iterable[Answer]) -> list[str]:
    """Return a sentence for each task: what to use for one training, what for a long one, and from when on."""
    return [f"{each.task}: {_answer(each)}" for each in found]


def _answer(found: Answer) -> str:
    training = f"one training of {found.passes} {'pass' if found.passes == 1 else 'passes'}"
    once = _about(found.once, "with import and set-up")
    long = _about(found.long, "a pass")
    name = _name(found.once.row)
    if found.passes_to_gain is None:
        return f"use {name} for {training} {once} and for a long one {long}"
    return (
        f"use {name} for {training} {once}, and {_name(found.long.row)} from {found.passes_to_gain:,} passes on {long}"
    )


def _about(use: Use, what: str) -> str:
    time = f"{seconds(use.time_s)} {what}"
    if not use.tied:
        return f"({time})"
    *others, last = map(_name, use.tied)
    names = f"{', '.join(others)} and {last}" if others else last
    return f"({time}; this run cannot tell {names} from it)"


def _name(row: Row) -> str:
    where = "" if row.device == "cpu" else f" on the {row.device}"
    return f"{row.backend} {row.mode}{where}"
