"""The turns of a process, with a clock that says what it is told: what is timed, what is not, what is kept."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from backends.contract import SGD, Adam, Array, Dense, Inputs, Params, Problem
from bench.harness.turns import ARRAY_S, LONGEST_TURN_S, TURN_S, WARM_UP_S, Instruments, Repeater
from bench.machine.usage import Usage
from bench.tasks.datasets.base import Split
from bench.tasks.training import Training

X, Y = np.ones((4, 1)), np.ones((4, 1))
STEPS = 3


@dataclass
class FakeTrainer:
    """Takes the seconds that it is told, one CPU second each; its parameters tell its last start and order."""

    pass_s: float = 2**-6
    reset_s: float = 0.0
    read_s: float = 0.0
    predict_s: float = 2.0
    left_s: float = 0.0  # of each pass, that is still to be done when `train` returns
    now_s: float = 0.0
    cpu_s: float = 0.0
    helpers_s: float = 0.0  # CPU time of its helper
    helper_share: float = 0.0  # CPU seconds of the helper for each second of a pass
    owed_s: float = 0.0
    calls: list[str] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    orders: list[int] = field(default_factory=list)

    def spend(self, call: str, time_s: float) -> None:
        self.calls.append(call)
        self.now_s += time_s
        self.cpu_s += time_s

    def reset(self, params: Params) -> None:
        self.spend("reset", self.reset_s)
        self.starts.append(float(params[0]["bias"][0]))

    def train(self, order: Array) -> Array:
        self.spend("train", self.owed_s + self.pass_s)
        self.helpers_s += self.helper_share * self.pass_s
        self.owed_s = self.left_s
        self.orders.append(int(order[0, 0]))
        return np.full(len(order), float(order[0, 0]))

    def predict(self, inputs: Inputs) -> Array:
        self.spend("predict", self.predict_s)
        return np.full((len(inputs), 1), self.starts[-1])

    def params(self) -> Params:
        self.spend("params", self.owed_s + self.read_s)
        self.owed_s = 0.0
        return ({"weights": np.full((1, 1), self.starts[-1]), "bias": np.full(1, float(self.orders[-1]))},)

    def peak_device_memory_bytes(self) -> int | None:
        return None


@dataclass
class Machine:
    """A fake trainer, its instruments, and trainings of some passes whose start and order tell their number."""

    trainer: FakeTrainer
    passes: int = 3
    drawing_s: float = 2**-10
    problem: Problem = field(default_factory=lambda: Problem(X, Y, (Dense(1, 1, "identity"),), "mse", SGD(0.1), 2))

    def training(self, number: int) -> Training:
        self.trainer.now_s += self.drawing_s
        initial = ({"weights": np.zeros((1, 1)), "bias": np.full(1, float(number))},)
        orders = tuple(np.full((STEPS, 2), 100 * number + epoch, np.int32) for epoch in range(self.passes))
        return Training(self.problem, initial, orders, Split(X, Y), "rmse", ())

    def usage(self) -> Usage:
        return Usage(self.trainer.now_s, self.trainer.cpu_s, None, self.trainer.helpers_s)

    def repeater(self, watched: tuple[int, ...] = ()) -> Repeater:
        trainer = self.trainer
        instruments = Instruments(lambda: trainer.now_s, lambda: trainer.cpu_s, self.usage)
        return Repeater(trainer, self.training, X, instruments, watched)


# What is timed


def test_a_turn_is_whole_passes_for_a_tenth_of_a_second() -> None:
    repeater = Machine(FakeTrainer(pass_s=2**-6)).repeater()
    for _ in range(5):
        turn = repeater.turn()
        assert turn.passes == 7  # 6.4 of them are a tenth of a second
        assert turn.wall_s == 7 * 2**-6
        assert turn.longest_s == 2**-6


def test_a_long_pass_is_a_turn_and_has_no_warm_up_once_it_is_known() -> None:
    trainer = FakeTrainer(pass_s=4.0)
    repeater = Machine(trainer).repeater()
    turn = repeater.turn()
    assert (turn.passes, turn.wall_s) == (1, 4.0)
    assert trainer.calls.count("train") == 2
    repeater.turn()
    assert trainer.calls.count("train") == 3
    known = Repeater(trainer, repeater.training_of, X, repeater.instruments, usual_s=4.0)
    known.turn()
    assert trainer.calls.count("train") == 4


def test_short_passes_are_warmed_up_before_each_turn_and_these_are_not_timed() -> None:
    trainer = FakeTrainer(pass_s=0.3 * WARM_UP_S)
    repeater = Machine(trainer, drawing_s=0.0).repeater()
    trained = 0
    for _ in range(3):
        turn = repeater.turn()
        assert turn.wall_s == pytest.approx(turn.passes * trainer.pass_s)
        trained += 4 + turn.passes
        assert trainer.calls.count("train") == trained


def test_passes_that_are_shorter_than_what_is_between_them_do_not_make_a_turn_long() -> None:
    trainer = FakeTrainer(pass_s=2**-14, read_s=2**-8)
    repeater = Machine(trainer, passes=1, drawing_s=2**-8).repeater()
    repeater.turn()
    before_s = trainer.now_s
    turn = repeater.turn()
    assert turn.passes > 10
    assert turn.wall_s < TURN_S
    assert trainer.now_s - before_s < LONGEST_TURN_S + WARM_UP_S + 0.05


def test_drawing_resetting_reading_and_predicting_are_in_no_pass() -> None:
    trainer = FakeTrainer(pass_s=2**-6, reset_s=ARRAY_S, read_s=3.0)
    repeater = Machine(trainer, passes=1, drawing_s=5.0).repeater(watched=tuple(range(100)))
    turn = repeater.turn()
    assert {"reset", "params", "predict"} < set(trainer.calls)
    assert turn.wall_s == turn.passes * 2**-6
    assert turn.cpu_s == turn.passes * 2**-6
    assert turn.steady.window_s > turn.wall_s


def test_the_cpu_time_of_helpers_counts() -> None:
    turn = Machine(FakeTrainer(helper_share=3.0)).repeater().turn()
    assert turn.cpu_s == 4 * turn.wall_s


# Repetitions


def test_a_repetition_goes_on_in_the_next_turn_and_each_has_its_own_start_and_order() -> None:
    trainer = FakeTrainer(pass_s=4.0)
    repeater = Machine(trainer, passes=3).repeater()
    for _ in range(8):
        repeater.turn()
    assert trainer.starts == [1, 2, 3]
    assert trainer.orders == [100, 101, 102, 200, 201, 202, 300, 301, 302]


def test_the_parameters_are_read_after_each_repetition_and_at_the_end_of_each_turn_so_that_no_work_is_left() -> None:
    trainer = FakeTrainer(pass_s=4.0, left_s=0.5, read_s=0.125)
    repeater = Machine(trainer, passes=3).repeater()
    repeater.turn()  # one pass as a warm-up
    found = [repeater.turn() for _ in range(4)]
    assert [turn.reads for turn in found] == [1, 1, 1, 1]
    assert [turn.read_s for turn in found] == [0.625] * 4
    assert [turn.wall_s for turn in found] == [4.0] * 4
    assert trainer.owed_s == 0


def test_the_last_watched_repetition_that_was_completed_is_kept_with_all_that_it_computed() -> None:
    trainer = FakeTrainer(pass_s=4.0)
    repeater = Machine(trainer, passes=2).repeater(watched=(2, 3, 5))
    kept = []
    for _ in range(9):
        repeater.turn()
        kept.append(repeater.kept and repeater.kept.number)
    assert kept == [None, None, 2, 2, 3, 3, 3, 3, 5]
    found = repeater.kept
    assert found is not None
    assert found.losses.tolist() == [500] * STEPS + [501] * STEPS
    assert found.outputs.tolist() == [[5.0]] * 4
    assert found.params[0]["bias"].tolist() == [501]
    assert trainer.calls.count("predict") == 3


# Training in `reset`


@dataclass
class TrainsInReset(FakeTrainer):
    """Does the work of all its passes while it is reset; the passes themselves take no time."""

    pass_s: float = 2**-30
    reset_s: float = 3 * 0.25


@pytest.mark.parametrize("passes", [1, 3])
def test_who_trains_in_reset_gains_nothing(passes: int) -> None:
    trainer = TrainsInReset(reset_s=passes * 0.25)
    repeater = Machine(trainer, passes=passes, drawing_s=0.0).repeater()
    found = [repeater.turn() for _ in range(6)]
    pass_s = sum(turn.wall_s for turn in found) / sum(turn.passes for turn in found)
    assert pass_s == pytest.approx(0.25, rel=0.01)


@pytest.mark.parametrize("optimizer", [SGD(0.1), Adam(0.1)])
def test_a_reset_that_sets_parameters_and_state_is_free(optimizer: SGD | Adam) -> None:
    arrays = 2 * (1 + optimizer.slots)
    machine = Machine(FakeTrainer(reset_s=arrays * ARRAY_S), passes=1)
    machine.problem = replace(machine.problem, optimizer=optimizer)
    turn = machine.repeater().turn()
    assert turn.wall_s == pytest.approx(turn.passes * 2**-6, rel=1e-9)
    machine = Machine(FakeTrainer(reset_s=arrays * ARRAY_S + 2**-7), passes=1)
    machine.problem = replace(machine.problem, optimizer=optimizer)
    turn = machine.repeater().turn()
    assert turn.wall_s == pytest.approx(turn.passes * (2**-6 + 2**-7))


def test_a_warm_up_does_not_swallow_a_reset() -> None:
    trainer = TrainsInReset(pass_s=2**-10, reset_s=0.5)
    repeater = Machine(trainer, passes=2, drawing_s=0.0).repeater()
    turn = repeater.turn()
    assert trainer.calls.count("reset") > 1 or turn.passes == 1
    assert turn.wall_s / turn.passes == pytest.approx(0.25, rel=0.01)
