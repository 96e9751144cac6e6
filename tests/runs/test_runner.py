"""What a run writes of its rounds, and when it judges them, with references that stand for trainings of a minute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest
from support import a_block, a_parity_result, a_record, a_row

from bench.harness.live import Sample
from bench.harness.repetition import Repetition
from bench.parity.references import NoReference, References
from bench.records.runfile import Kept
from bench.records.schema import Block, Goal, ParityResult, Record, Row
from bench.runs.plan import Plan
from bench.runs.runner import SoFar

ROWS = (a_row("linear_fit"), a_row("linear_fit", "torch", "eager"))
WATCHED = Repetition(4, np.zeros(1), np.zeros(1), {})


class Slow:
    """References of which a repetition has none; they tell what had been written when one was asked for."""

    def __init__(self, written: list[Any], *, interrupted: bool = False) -> None:
        self.written, self.interrupted = written, interrupted
        self.written_before: list[int] = []

    def repetition_envelope(self, row: Row, number: int) -> Any:
        self.written_before.append(len(self.written))
        if self.interrupted:
            raise KeyboardInterrupt
        raise NoReference(f"no envelope of repetition {number}")


class Listening:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def begins(self, label: str) -> None:
        self.told.append(f"begins {label}")

    def ended(self, label: str, outcome: str) -> None:
        self.told.append(f"{outcome} {label}")

    def rows(self, found: Any) -> None:
        self.told.append("rows")


def so_far(references: Slow, listener: Listening, **wrong: ParityResult) -> SoFar:
    plan = Plan(rows=ROWS, threads=1, settings={}, goal=Goal(workers=1, effect=0.05, time_s=60.0), seed=0)
    results = {row: wrong.get(row.backend, a_parity_result(row, losses=0.0)) for row in ROWS}
    written = references.written.append
    return SoFar(plan, cast(References, references), written, cast(Any, listener), results, Kept())


def a_round() -> list[Sample | Block]:
    """Return what a round yields; its first trainings told no losses, so that there is nothing to compare."""
    return [*(Sample(a_record(row, quality=None), WATCHED) for row in ROWS), a_block("linear_fit")]


def kinds(written: list[Any]) -> list[type]:
    return [type(line) for line in written if not isinstance(line, ParityResult)]


def test_a_round_is_written_before_a_repetition_is_judged() -> None:
    references, listener = Slow([]), Listening()
    so_far(references, listener).follow(a_round())
    assert kinds(references.written) == [Record, Record, Block]
    assert [kinds(references.written[:before]) for before in references.written_before] == [[Record, Record, Block]] * 2
    assert listener.told == ["begins linear_fit repetitions #1", "ok linear_fit repetitions #1", "rows"]


def test_who_interrupts_the_judging_of_a_repetition_loses_no_sample() -> None:
    references = Slow([], interrupted=True)
    with pytest.raises(KeyboardInterrupt):
        so_far(references, Listening()).follow(a_round())
    assert kinds(references.written) == [Record, Record, Block]


def test_no_reference_is_trained_for_the_repetition_of_a_row_that_is_wrong() -> None:
    references = Slow([])
    wrong = {row.backend: a_parity_result(row, agrees=False, tier="gradient") for row in ROWS}
    so_far(references, Listening(), **wrong).follow(a_round())
    assert references.written_before == []


def test_samples_are_written_as_they_come() -> None:
    references = Slow([])

    def breaks_off() -> Iterator[Sample | Block]:
        yield a_round()[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        so_far(references, Listening()).follow(breaks_off())
    assert kinds(references.written) == [Record]
