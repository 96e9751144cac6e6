"""How a trainer is timed, with a clock that says what it is told."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from backends.contract import SGD, Array, Dense, Inputs, LayerParams, Params, Problem
from bench.datasets.base import Split
from bench.measure import ENOUGH_S, MAX_PASSES, MIN_STEADY_PASSES, MIN_STEADY_S, measure
from bench.training import Training

X, Y = np.ones((4, 1)), np.ones((4, 1))


@dataclass
class FakeTrainer:
    """Takes the seconds it is told for each pass, and loses 1 a step."""

    passes_s: list[float]
    now_s: float = 0.0
    calls: list[str] = field(default_factory=list)
    trained: int = 0

    def clock(self) -> float:
        return self.now_s

    def cpu_clock(self) -> float:
        return 2 * self.now_s

    def reset(self, params: Params) -> None:
        self.calls.append("reset")
        self.now_s += 0.25

    def train(self, order: Array) -> Array:
        self.calls.append("train")
        self.now_s += self.passes_s[min(self.trained, len(self.passes_s) - 1)]
        self.trained += 1
        return np.full(len(order), float(self.trained))

    def predict(self, inputs: Inputs) -> Array:
        self.calls.append("predict")
        self.now_s += 0.125
        return np.full((len(inputs), 1), float(self.trained))

    def params(self) -> Params:
        return (LayerParams(np.ones((1, 1)), np.ones(1) * self.trained),)


def make_training(passes: int) -> Training:
    problem = Problem(X, Y, (Dense(1, 1, "identity"),), "mse", SGD(0.1), 2)
    orders = tuple(np.zeros((3, 2), np.int32) for _ in range(passes))
    return Training(problem, (), orders, Split(X, Y), "rmse", ())


def test_every_pass_is_kept_and_the_first_training_is_the_one_that_is_judged() -> None:
    trainer = FakeTrainer([5.0, 0.5, 0.25, 0.5, 0.5])
    measured = measure(trainer, make_training(5), trainer.clock, trainer.cpu_clock)
    assert measured.passes_s == (5.0, 0.5, 0.25, 0.5, 0.5)
    assert measured.passes_cpu_s == 2 * sum(measured.passes_s)
    assert measured.evaluation_s == 0.125
    assert measured.losses.tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5]
    assert measured.outputs.tolist() == [[5.0]] * 4
    assert trainer.calls == ["train"] * 5 + ["predict"]


def test_a_training_of_one_pass_is_repeated_until_there_are_enough_steady_passes() -> None:
    trainer = FakeTrainer([1.0, MIN_STEADY_S])
    measured = measure(trainer, make_training(1), trainer.clock, trainer.cpu_clock)
    assert len(measured.passes_s) == 1 + MIN_STEADY_PASSES
    assert measured.losses.tolist() == [1, 1, 1]
    assert measured.resets_s == 0.25 * MIN_STEADY_PASSES
    assert trainer.calls[:4] == ["train", "predict", "reset", "train"]


def test_short_passes_are_repeated_until_they_fill_half_a_second() -> None:
    trainer = FakeTrainer([1.0, MIN_STEADY_S / 64])
    measured = measure(trainer, make_training(1), trainer.clock, trainer.cpu_clock)
    assert sum(measured.passes_s[1:]) == pytest.approx(MIN_STEADY_S)


def test_very_short_passes_end_at_a_number() -> None:
    trainer = FakeTrainer([1e-6])
    measured = measure(trainer, make_training(1), trainer.clock, trainer.cpu_clock)
    assert len(measured.passes_s) == MAX_PASSES


def test_long_passes_end_after_one_that_is_steady() -> None:
    trainer = FakeTrainer([ENOUGH_S * 2])
    measured = measure(trainer, make_training(1), trainer.clock, trainer.cpu_clock)
    assert len(measured.passes_s) == 2


def test_resets_and_evaluation_are_in_no_pass() -> None:
    trainer = FakeTrainer([0.5])
    measured = measure(trainer, make_training(1), trainer.clock, trainer.cpu_clock)
    assert set(measured.passes_s) == {0.5}
    total_s = sum(measured.passes_s) + measured.resets_s + measured.evaluation_s
    assert total_s == pytest.approx(trainer.now_s)
