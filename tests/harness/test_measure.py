"""How a trainer is timed, with a clock that says what it is told: all the time that passes stands in some part."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from support import no_files

from backends.contract import SGD, Array, Dense, Inputs, Params, Placement, Problem
from backends.numpy_backend import NumpyTrainer
from bench.analysis.tolerance import MULTIPLE
from bench.harness.measure import (
    MAX_READINGS,
    MIN_PRODUCTS,
    PRODUCTS_S,
    REREADINGS,
    Measured,
    fastest_product_s,
    measure,
    reread,
)
from bench.harness.time_job import predicted
from bench.machine.usage import ThreadTimes, Usage, read_usage
from bench.selftest.by_hand import BY_HAND_PASSES, measure_by_hand
from bench.tasks import TASKS
from bench.tasks import training as trainings
from bench.tasks.datasets.base import Split
from bench.tasks.settings import override
from bench.tasks.training import Training

X, Y = np.ones((4, 1)), np.ones((4, 1))
READ_S, RESET_S, PREDICT_S = 1 / 1024, 0.25, 0.125  # of a fake; powers of two, so that their sums are exact


@dataclass
class FakeTrainer:
    """Takes the seconds that it is told for each pass, two CPU seconds a second, and loses 1 a step."""

    passes_s: list[float]
    read_s: list[float] = field(default_factory=lambda: [READ_S])
    left_s: float = 0.0  # of each pass, that is still to be done when `train` returns
    reset_s: float = RESET_S
    predict_s: float = PREDICT_S
    usage_s: float = 0.0  # what reading it takes
    tick_s: float = 0.0  # what a look at the clock takes
    now_s: float = 0.0
    cpu_s: float = 0.0
    looks: int = 0
    calls: list[str] = field(default_factory=list)
    owed_s: float = 0.0

    def clock(self) -> float:
        self.looks += 1
        self.now_s += self.tick_s
        return self.now_s

    def usage(self) -> Usage:
        self.now_s += self.usage_s
        return Usage(self.now_s, self.cpu_s, {1: ThreadTimes(self.cpu_s, self.now_s / 4)})

    def spend(self, call: str, times_s: list[float], cpu_a_second: float) -> None:
        time_s = times_s[min(self.calls.count(call), len(times_s) - 1)]
        self.calls.append(call)
        self.now_s += time_s
        self.cpu_s += cpu_a_second * time_s

    def reset(self, params: Params) -> None:
        self.spend("reset", [self.reset_s], 1)

    def train(self, order: Array) -> Array:
        self.spend("train", self.passes_s, 2)
        self.owed_s = self.left_s
        return np.full(len(order), float(self.calls.count("train")))

    def predict(self, inputs: Inputs) -> Array:
        self.spend("predict", [self.predict_s], 1000)
        return np.full((len(inputs), 1), float(self.calls.count("train")))

    def params(self) -> Params:
        self.spend("params", self.read_s, 0)
        self.now_s += self.owed_s
        self.owed_s = 0.0
        return ({"weights": np.ones((1, 1)), "bias": np.ones(1) * self.calls.count("train")},)

    def peak_device_memory_bytes(self) -> int | None:
        return None


def make_training(passes: int) -> Training:
    problem = Problem(X, Y, (Dense(1, 1, "identity"),), "mse", SGD(0.1), 2)
    orders = tuple(np.zeros((3, 2), np.int32) for _ in range(passes))
    return Training(problem, (), orders, Split(X, Y), "rmse", ())


def measure_fake(trainer: FakeTrainer, passes: int = 1) -> Measured:
    return measure(trainer, make_training(passes), trainer.clock, trainer.usage)


# Passes


def test_every_pass_is_kept_and_the_first_training_is_the_one_that_is_judged() -> None:
    trainer = FakeTrainer([5.0, 0.5, 0.25, 0.5, 0.5, 0.125])
    measured = measure_fake(trainer, 5)
    assert measured.passes_s == (5.0, 0.5, 0.25, 0.5, 0.5, 0.125)
    assert measured.evaluation_s == PREDICT_S + READ_S
    assert measured.resets_s == RESET_S
    assert measured.losses.tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5]
    assert measured.outputs.tolist() == [[5.0]] * 4
    assert measured.params[0]["bias"].tolist() == [5.0]
    training = ["params", *["train", "params"] * 5, "predict", "params"]
    assert trainer.calls == [*training, "reset", "train", "params"]
    assert measured.first_pass[0]["bias"].tolist() == [1.0]


@pytest.mark.parametrize("passes", [1, 5, MAX_READINGS, 2 * MAX_READINGS])
def test_the_first_pass_is_repeated_from_the_same_start_and_read(passes: int) -> None:
    trainer = FakeTrainer([1.0, 0.5])
    measured = measure_fake(trainer, passes)
    assert len(measured.passes_s) == passes + 1
    assert trainer.calls[-3:] == ["reset", "train", "params"]
    assert measured.again[0]["bias"].tolist() == [passes + 1.0]


def test_resets_readings_and_evaluation_are_in_no_pass() -> None:
    assert set(measure_fake(FakeTrainer([0.5])).passes_s) == {0.5}


# Readings of the parameters


@pytest.mark.parametrize("passes", [1, 5, MAX_READINGS, 3 * MAX_READINGS])
def test_the_parameters_are_read_after_the_first_passes_and_the_repeated_one(passes: int) -> None:
    trainer = FakeTrainer([0.25], read_s=[1.0, *(number / 1024 for number in range(1, 100))])
    measured = measure_fake(trainer, passes)
    read = min(passes, MAX_READINGS)
    assert list(measured.read_s) == [number / 1024 for number in (*range(1, read + 1), read + 2)]  # one for evaluation


def test_what_a_pass_has_left_to_do_is_in_the_reading_after_it_and_in_no_pass() -> None:
    measured = measure_fake(FakeTrainer([0.5], left_s=0.125), 5)
    assert measured.passes_s == (0.5,) * 6
    assert measured.read_s == (0.125 + READ_S,) * 6


def test_parameters_that_are_set_anew_are_read_again_and_setting_and_settling_are_not_timed() -> None:
    trainer = FakeTrainer([], read_s=[0.5, 0.25, 0.125])
    settled_after = []

    def settle() -> None:
        trainer.now_s += 10.0
        settled_after.append(len(trainer.calls))

    assert reread(trainer, (), trainer.clock, settle) == (0.5, 0.25, 0.125)
    assert settled_after == [2 * reading + 1 for reading in range(REREADINGS)]
    assert trainer.calls == ["reset", "params"] * REREADINGS


# Usage


def test_what_the_threads_did_is_told_from_the_first_pass_on_and_without_the_evaluation() -> None:
    measured = measure_fake(FakeTrainer([5.0, 0.5, 0.25, 0.5, 0.5, 0.25]), 5)
    assert measured.steady.window_s == 2.0 + 5 * READ_S + RESET_S
    assert measured.steady.cpu_s == 2 * 2.0 + RESET_S
    assert measured.steady.waited_s == measured.steady.window_s / 4
    assert measured.steady.vanished_cpu_s == 0


def test_the_longer_the_evaluation_the_same_the_window() -> None:
    short, long = (measure_fake(FakeTrainer([0.5], predict_s=time_s), 2) for time_s in (PREDICT_S, 64.0))
    assert long.steady == short.steady


# The ledger


def accounted_s(measured: Measured) -> float:
    return sum(measured.passes_s) + measured.resets_s + measured.evaluation_s + measured.checks_s


SHAPES = {
    "one training of many passes": ([5.0, 0.5, 0.25, 0.5], 5),
    "two passes": ([1.0, 0.125], 2),
    "one pass": ([1.0, 0.5], 1),
    "more passes than are read after": ([2**-6], 3 * MAX_READINGS),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_all_parts_add_up_to_all_the_time_that_passed_on_the_clock(shape: str) -> None:
    passes_s, passes = SHAPES[shape]
    trainer = FakeTrainer(passes_s, read_s=[0.75, READ_S], left_s=2**-7, usage_s=2**-5)
    measured = measure_fake(trainer, passes)
    assert accounted_s(measured) == pytest.approx(trainer.now_s, rel=1e-12)


PARTS = ("passes_s", "resets_s", "evaluation_s", "checks_s")


@pytest.mark.parametrize(
    ("slow", "parts"),
    [
        ({"passes_s": [2.0, 0.5]}, {"passes_s": 1.5}),
        ({"reset_s": 64.0}, {"resets_s": 64 - RESET_S}),
        ({"predict_s": 64.0}, {"evaluation_s": 64 - PREDICT_S}),
        ({"read_s": [64.0, READ_S]}, {"checks_s": 64 - READ_S}),
        ({"read_s": [64.0]}, {"checks_s": (64 - READ_S) * 4, "evaluation_s": 64 - READ_S}),
        ({"left_s": 64.0}, {"checks_s": 64.0 * 3}),
        ({"usage_s": 64.0}, {"checks_s": 64.0 * 4}),
    ],
    ids=["a pass", "resets", "predicting", "the first reading", "readings", "what passes leave", "usage"],
)
def test_what_takes_longer_is_in_its_own_part_and_in_no_other(slow: dict[str, Any], parts: dict[str, float]) -> None:
    usual, slower = (measure_fake(FakeTrainer(**({"passes_s": [0.5]} | changes)), 2) for changes in ({}, slow))
    grown = {name: np.sum(getattr(slower, name)) - np.sum(getattr(usual, name)) for name in PARTS}
    assert {name: time_s for name, time_s in grown.items() if time_s} == pytest.approx(parts)


@pytest.mark.parametrize("part", ["evaluation_s", "resets_s", "checks_s"])
def test_a_ledger_that_loses_a_part_does_not_add_up(part: str) -> None:
    trainer = FakeTrainer([1.0, 0.5])
    measured = measure_fake(trainer)
    nothing: dict[str, Any] = {part: 0.0}
    assert trainer.now_s - accounted_s(replace(measured, **nothing)) == getattr(measured, part) > 0


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_is_lost_but_what_two_looks_at_the_clock_take_for_each_pass(shape: str) -> None:
    passes_s, passes = SHAPES[shape]
    trainer = FakeTrainer(passes_s, tick_s=2**-24)
    measured = measure_fake(trainer, passes)
    lost_s = trainer.now_s - accounted_s(measured)
    assert 0 <= lost_s <= (2 * len(measured.passes_s) + 1) * trainer.tick_s


# By hand


def test_by_hand_a_pass_is_the_mean_of_many_between_two_looks_at_the_clock() -> None:
    trainer = FakeTrainer([8.0, 4.0, 2.0, 1.0])
    measured = measure_by_hand(trainer, make_training(1), trainer.clock, trainer.usage)
    mean_s = (4.0 + 2.0 + (BY_HAND_PASSES - 2) * 1.0) / BY_HAND_PASSES
    assert measured.passes_s == (8.0, *[mean_s] * BY_HAND_PASSES)
    again = ["reset", "train", "params", "predict", "params"]
    assert trainer.calls == ["train", "params", *["train"] * BY_HAND_PASSES, *again]
    assert trainer.looks == 4


def test_by_hand_the_first_training_is_judged_for_its_losses() -> None:
    trainer = FakeTrainer([0.5])
    measured = measure_by_hand(trainer, make_training(1), trainer.clock, trainer.usage)
    assert measured.losses.tolist() == [1, 1, 1]


# Products


def times_of(trainer: FakeTrainer) -> Callable[[], None]:
    return lambda: trainer.spend("multiply", trainer.passes_s, 1)


@pytest.mark.parametrize(
    ("times_s", "fastest_s"),
    [
        ([9.0, 3.0, 2.0, 4.0], 2.0),
        ([9.0, 1.0, 2.0], 1.0),
        ([0.5, 3.0, 2.0], 2.0),
        ([9.0, 3.0, 3.0, 3.0, 3.0, 1.0], 1.0),
    ],
    ids=["in between", "at once", "but not the first, which may compile", "the last"],
)
def test_a_product_is_as_fast_as_the_fastest_of_them(times_s: list[float], fastest_s: float) -> None:
    trainer = FakeTrainer(times_s)
    assert fastest_product_s(times_of(trainer), trainer.clock) == fastest_s
    assert len(trainer.calls) == 1 + MIN_PRODUCTS


def test_short_products_are_repeated_until_they_fill_a_time() -> None:
    trainer = FakeTrainer([9.0, PRODUCTS_S / 40.5])
    assert fastest_product_s(times_of(trainer), trainer.clock) == pytest.approx(PRODUCTS_S / 40.5)
    assert len(trainer.calls) == 1 + 41


# Batches of one row


@pytest.mark.parametrize("wrong", [False, True])
def test_predictions_of_a_task_with_batches_of_one_row_are_held_against_those_of_many(wrong: bool) -> None:
    task = override(TASKS["linear_fit_minibatch"], {"batch_size": 1, "epochs": 2})
    training = trainings.make_training(task, "float32", no_files)
    trainer = NumpyTrainer(training.problem, Placement(mode="loop", device="cpu", precision="float32", threads=1))
    trainer.reset(training.initial)
    measured = measure(trainer, training, time.perf_counter, read_usage)
    if wrong:
        measured = replace(measured, outputs=measured.outputs * np.float32(1.00001))
    assert (predicted(training, measured) > MULTIPLE) == wrong
