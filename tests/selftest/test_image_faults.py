"""Planted faults of layers for images: each is caught on a small convolutional network; a right backend never is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from followed import follows, times, training
from pictures import small_convolutional

from backends import numpy_backend
from backends.contract import Array, Placement, Problem
from backends.numpy_affine import Mask
from backends.numpy_backend import NumpyTrainer
from backends.numpy_images import MaxPool2dLayer
from backends.numpy_reference import arithmetic_of
from backends.numpy_reference_layers import conv2d, in_windows
from bench.selftest import faulty
from bench.selftest.faulty import FAULTS
from bench.selftest.wrapping import Wrapper, planted
from bench.tasks import TASKS, Task
from bench.tasks.settings import override

MAX, AVERAGE = small_convolutional("max"), small_convolutional("average")
OF_IMAGES = [
    *((name, task) for name in ("kernel_flipped", "padding_moved", "flattened_by_channel") for task in (MAX, AVERAGE)),
    ("padding_counted", AVERAGE),
]


def kind(value: Any) -> str | None:
    return value.model.pool if isinstance(value, Task) else None


@pytest.mark.parametrize(("name", "task"), OF_IMAGES, ids=kind)
def test_a_planted_fault_is_caught_in_both_precisions(name: str, task: Task) -> None:
    assert FAULTS[name].concerns(task)
    assert follows(task, faulty, name)
    assert times(task, faulty, name)


@pytest.mark.parametrize("task", [MAX, AVERAGE], ids=kind)
@pytest.mark.parametrize("seed", range(3))
def test_a_right_backend_is_not(task: Task, seed: int) -> None:
    assert follows(task, numpy_backend, "loop", seed) == ""
    assert times(task, numpy_backend, "loop", seed) == ""


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.concerns(MAX)])
def test_every_other_fault_that_concerns_it_is_caught_too(name: str) -> None:
    with np.errstate(all="ignore"):
        assert follows(MAX, faulty, name) or times(MAX, faulty, name) or name == "replayed"


@pytest.mark.parametrize(
    ("name", "changes", "concerned"),
    [
        ("kernel_flipped", {"model.kernel": "1"}, False),
        ("padding_moved", {"model.kernel": "1"}, False),
        ("kernel_flipped", {"model.filters": "none"}, False),
        ("flattened_by_channel", {"model.filters": "none"}, False),
        ("flattened_by_channel", {"model.filters": "1"}, False),
        ("flattened_by_channel", {}, True),
        ("padding_counted", {}, False),
        ("padding_counted", {"model.pool": "average"}, True),
    ],
)
def test_a_fault_concerns_only_tasks_that_it_changes(name: str, changes: dict[str, Any], concerned: bool) -> None:
    assert FAULTS[name].concerns(override(TASKS["mnist_cnn"], changes)) == concerned


class LastLargest(Wrapper):
    """A maximum whose gradient goes to the last of the largest values: of images in reverse, it is the first."""

    def forward(self, inputs: Array, training: bool, mask: Mask) -> Array:
        return super().forward(inputs[:, ::-1, ::-1], training, mask)[:, ::-1, ::-1]

    def gradient_by_inputs(self, gradient: Array) -> Array:
        return np.ascontiguousarray(super().gradient_by_inputs(gradient[:, ::-1, ::-1])[:, ::-1, ::-1])


class FirstValue(Wrapper):
    """A maximum whose gradient goes to the first value of a window, whichever is the largest."""

    def gradient_by_inputs(self, gradient: Array) -> Array:
        self.layer.chosen[...] = 0
        return super().gradient_by_inputs(gradient)


class Choosing:
    """The NumPy backend with other layers for pools."""

    def __init__(self, pool: type[Wrapper]) -> None:
        self.open: Any = planted(MaxPool2dLayer, pool)

    def open_trainer(self, problem: Problem, placement: Placement) -> NumpyTrainer:
        trainer: NumpyTrainer = self.open(problem, placement)
        return trainer


def ties() -> int:
    """Return in how many windows of the first pool several values are the largest, and pass a gradient on."""
    start = training(MAX, "float64", 0)
    first, images = start.problem.layers[0], start.problem.inputs
    outputs = conv2d(first, start.initial[0], images, arithmetic_of(start.problem), None).outputs
    windows = in_windows(outputs, 2)
    largest = windows.max(axis=0)
    return int(np.sum((np.sum(windows == largest, axis=0) > 1) & (largest > 0)))


def test_which_of_the_largest_values_of_a_window_gets_the_gradient_changes_nothing() -> None:
    """Behind a ReLU they are zeros, or come from equal patches, here of the empty background."""
    assert ties() > 100
    assert follows(MAX, Choosing(LastLargest), "loop") == ""
    assert times(MAX, Choosing(LastLargest), "loop") == ""
    assert follows(MAX, Choosing(FirstValue), "loop") != ""
