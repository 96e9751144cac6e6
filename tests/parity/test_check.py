"""A repetition is held against the reference of its own start, and what it showed stays shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import cast

import numpy as np
import pytest
from support import FAKES, a_parity_result, a_row, entries_in, no_files

from backends.contract import Placement, Precision
from backends.numpy_backend import NumpyTrainer
from backends.registry import BACKENDS
from bench.events import SilentListener
from bench.harness.repetition import Repetition
from bench.harness.setup import make_setup
from bench.parity.check import check_parity, judge_repetition, open_references, still_wrong
from bench.parity.envelope import Envelope
from bench.parity.references import NOT_JUDGED, NoReference, References
from bench.parity.rounding import surrounded
from bench.records.schema import Row
from bench.tasks import TASKS
from bench.tasks.settings import override
from bench.tasks.training import Training, make_training, repetition

SETTINGS = {"epochs": 8}
TASK = override(TASKS["iris_mlp"], SETTINGS)
ROW = a_row("iris_mlp")


@cache
def training(number: int, precision: Precision = "float32") -> Training:
    return repetition(make_training(TASK, precision, no_files), TASK, precision, number)


def repeated(number: int, of: int | None = None) -> Repetition:
    """Return repetition `number` as a right backend trains it, or what it computes in another one, `of`."""
    each = training(of or number)
    trainer = NumpyTrainer(each.problem, Placement(mode="loop", device="cpu", precision="float32", threads=1))
    trainer.reset(each.initial)
    losses = np.concatenate([trainer.train(order) for order in each.orders])
    return Repetition(number, losses, trainer.predict(each.test.inputs), trainer.params())


class FakeReferences:
    """Computes envelopes in this process, and counts them."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def repetition_envelope(self, row: Row, number: int) -> Envelope:
        self.asked.append(number)
        if number > 100:
            raise NoReference("no envelope of repetition 101: it crashed")
        return surrounded(training(number, "float64"), training(number), number)


def test_a_backend_that_removes_its_temporary_folder_harms_no_other_row() -> None:
    rows = [a_row("thermometer_raw", "misbehaving", mode) for mode in ("removes_temporary", "right")]
    rows.append(a_row("thermometer_raw"))
    setup = replace(make_setup(1, 60, None), backends={**BACKENDS, "misbehaving": entries_in(FAKES)["misbehaving"]})
    setup = replace(setup, environment={**setup.environment, "PYTHONPATH": str(FAKES)})
    found = {each.row: each.agrees for each in check_parity(rows, setup, {"check_epochs": 10}, SilentListener())}
    assert found[rows[1]] is True
    assert found[rows[2]] is True


def references() -> References:
    return cast(References, FakeReferences())


@pytest.mark.parametrize("number", [1, 2, 7])
def test_a_right_repetition_agrees_and_tells_how_far_it_is_off(number: int) -> None:
    result = judge_repetition(a_parity_result(ROW), repeated(number), references())
    assert (result.agrees, result.tier, result.reason) == (True, "", "")
    assert result.repetition is not None
    assert 0 < result.repetition < 8


def test_what_was_computed_from_another_start_is_wrong() -> None:
    result = judge_repetition(a_parity_result(ROW), repeated(3, of=1), references())
    assert (result.agrees, result.tier) == (False, "repetition")
    assert result.reason.startswith(
        "repetition (repetition 3 in float32, from another start): first wrong at step 0 of 72: loss "
    )
    assert "; after the last step " in result.reason


def test_wrong_parameters_or_outputs_alone_are_wrong_too() -> None:
    right = repeated(2)
    for wrong, told in (
        (replace(right, params=repeated(1).params), "after the last step bias of layer 1: off by"),
        (replace(right, outputs=repeated(1).outputs), "outputs for the evaluation rows: off by"),
    ):
        result = judge_repetition(a_parity_result(ROW), wrong, references())
        assert (result.agrees, result.tier) == (False, "repetition")
        assert told in result.reason


def test_the_largest_of_several_repetitions_is_told_and_the_first_fault_stays() -> None:
    wrong = judge_repetition(a_parity_result(ROW), repeated(3, of=1), references())
    later = judge_repetition(wrong, repeated(2), references())
    assert later == wrong
    first = judge_repetition(a_parity_result(ROW, agrees=False, tier="gradient"), repeated(3, of=1), references())
    assert first.tier == "gradient"


def test_without_a_reference_nothing_is_decided() -> None:
    undecided = judge_repetition(a_parity_result(ROW), replace(repeated(1), number=101), references())
    assert (undecided.agrees, undecided.reason) == (None, f"{NOT_JUDGED}: no envelope of repetition 101: it crashed")
    wrong = a_parity_result(ROW, agrees=False, tier="gradient", reason="it is wrong")
    assert judge_repetition(wrong, replace(repeated(1), number=101), references()) == wrong


@pytest.mark.parametrize("agrees", [False, None])
def test_no_reference_is_trained_for_a_row_that_nothing_can_change(agrees: bool | None) -> None:
    fake, result = FakeReferences(), a_parity_result(ROW, agrees=agrees, reason="known before")
    assert judge_repetition(result, repeated(3, of=1), cast(References, fake)) == result
    assert judge_repetition(a_parity_result(ROW), None, cast(References, fake)) == a_parity_result(ROW)
    assert fake.asked == []


def test_a_row_that_was_wrong_before_a_run_was_resumed_stays_wrong() -> None:
    fresh = a_parity_result(ROW)
    assert still_wrong(fresh, None) == still_wrong(fresh, a_parity_result(ROW)) == fresh
    wrong = a_parity_result(ROW, agrees=False, tier="repetition", reason="it is wrong", repetition=99.0)
    kept = still_wrong(fresh, wrong)
    assert (kept.agrees, kept.tier, kept.reason, kept.repetition) == (False, "repetition", "it is wrong", 99.0)
    right = still_wrong(fresh, a_parity_result(ROW, repetition=1.5))
    assert (right.agrees, right.repetition) == (True, 1.5)
    now = a_parity_result(ROW, agrees=False, tier="gradient", reason="and this")
    assert still_wrong(now, wrong).reason == "and this"


@pytest.fixture(scope="module")
def real_references() -> Iterator[References]:
    with open_references(make_setup(None, 60.0, None), SETTINGS, SilentListener()) as found:
        yield found


@pytest.mark.slow
def test_workers_compute_the_envelope_of_a_repetition_once(real_references: References) -> None:
    found = real_references.repetition_envelope(ROW, 4)
    assert real_references.repetition_envelope(ROW, 4) is found
    np.testing.assert_array_equal(found.losses, surrounded(training(4, "float64"), training(4), 0).losses)
    assert 0 < found.spread.max() < 1e-4
    assert judge_repetition(a_parity_result(ROW), repeated(4), real_references).agrees
