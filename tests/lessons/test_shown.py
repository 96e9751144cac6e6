"""Which rows are shown of a task, what is known of them, and what a model has learned of them."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from support import no_files

from backends.contract import Placement
from backends.registry import REFERENCE
from bench.lessons.result import SNAPSHOTS, confusion, learned_of, snapshot_steps, snapshots
from bench.lessons.shown import FEATURES, IMAGES, POINTS, class_probabilities, lesson_of, rounded, shown_rows
from bench.records.schema import Learned, Lesson
from bench.records.sense import Known, fault
from bench.tasks import TASKS, Task
from bench.tasks.datasets.base import Split
from bench.tasks.datasets.fetch import DataMissing, find
from bench.tasks.datasets.folders import data_folders
from bench.tasks.datasets.mnist import Mnist, MnistThreeSeven
from bench.tasks.settings import override
from bench.tasks.training import Training, evaluate, make_training

SMALL = [name for name, task in TASKS.items() if task.data.collection is None]
PLACEMENT = Placement(mode="plain", device="cpu", precision="float64", threads=1)


def training_of(name: str, **settings: Any) -> tuple[Task, Training]:
    task = override(TASKS[name], settings)
    return task, make_training(task, "float64", no_files)


def sound(lesson: Lesson) -> bool:
    return fault(lesson, Known({}, frozenset([lesson.task]), {}, {}, {})) == ""


@pytest.mark.parametrize("name", SMALL)
def test_the_lesson_of_a_small_task_shows_rows_of_its_data(name: str) -> None:
    task, training = training_of(name)
    lesson, ids = lesson_of(task, training.test), shown_rows(task.data, training.test)
    assert sound(lesson)
    assert len(lesson.targets) == len(lesson.inputs) == len(ids) <= POINTS
    if name == "iris_mlp":
        assert lesson == Lesson(task=name, classes=("setosa", "versicolor", "virginica"))
        return
    inputs = np.asarray(training.test.inputs)
    np.testing.assert_allclose(lesson.inputs, inputs[ids], rtol=1e-5)
    np.testing.assert_allclose(lesson.targets, training.test.targets[ids, 0], rtol=1e-5)
    assert {0, len(inputs) - 1} <= set(ids.tolist())


def test_all_eleven_readings_of_the_thermometer_are_shown_and_inputs_with_many_features_are_not() -> None:
    task, training = training_of("thermometer")
    assert len(lesson_of(task, training.test).inputs) == 11
    wide, training = training_of("linear_fit", **{"data.weights": (1.0,) * (FEATURES + 1)})
    lesson = lesson_of(wide, training.test)
    assert sound(lesson)
    assert (lesson.inputs, len(lesson.targets)) == ((), POINTS)


def test_images_are_the_grey_values_that_the_files_have() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 784), dtype=np.uint8)
    digits = np.arange(20, dtype=np.int32) % 10
    value = (np.arange(256) / 255 - 0.5) / 0.5
    task = TASKS["mnist_mlp"]
    assert isinstance(task.data, Mnist)
    lesson = lesson_of(task, Split(value.astype(np.float32)[pixels], digits))
    assert lesson.images == tuple(image.tobytes() for image in pixels[:IMAGES])
    assert lesson.targets == tuple(map(float, digits[:IMAGES]))
    assert sound(lesson)
    threes = lesson_of(TASKS["mnist_3v7"], Split(pixels / 255, (digits % 2)[:, None].astype(float)))
    assert (threes.images, threes.classes) == (lesson.images, ("7", "3"))
    other = override(TASKS["mnist_3v7"], {"data.labels": "one_two"})
    assert isinstance(other.data, MnistThreeSeven)
    assert lesson_of(other, Split(pixels / 255, (1 + digits % 2)[:, None].astype(float))).classes == ("3", "7")


@pytest.mark.parametrize("name", ["mnist_mlp", "mnist_cnn", "text_classifier", "text_transformer"])
def test_the_lesson_of_a_task_with_files(name: str) -> None:
    task = TASKS[name]
    try:
        files = find(task.data.collection, data_folders(os.environ))
    except DataMissing as error:
        pytest.skip(str(error))
    test = make_training(task, "float32", lambda _: files).test
    lesson = lesson_of(task, test)
    assert sound(lesson)
    if name.startswith("text"):
        assert lesson == Lesson(task=name, classes=("comp.graphics", "rec.sport.baseball", "sci.space"))
    else:
        assert lesson.targets == (7, 2, 1, 0, 4, 1, 4, 9, 5, 9, 0, 6)  # the first ones of the test images
        assert {len(image) for image in lesson.images} == {784}


# What was learned


def test_probabilities_are_the_softmax_or_the_place_between_two_targets() -> None:
    logits = np.array([[0.0, np.log(3.0)], [1000.0, 0.0]])
    np.testing.assert_allclose(class_probabilities(logits, np.array([0, 1], np.int32)), [[0.25, 0.75], [1, 0]])
    place = class_probabilities(np.array([[1.25], [0.5], [2.5]]), np.array([[1.0], [2.0], [2.0]]))
    np.testing.assert_allclose(place, [[0.75, 0.25], [1, 0], [0, 1]])


def test_confusion_counts_rows_by_class_and_by_the_class_they_are_given() -> None:
    targets = np.array([0, 0, 1, 2, 2, 2], np.int32)
    outputs = np.eye(3)[[0, 1, 1, 0, 2, 2]]
    found = confusion(outputs, targets)
    assert found == ((1, 1, 0), (0, 1, 0), (1, 0, 2))
    assert np.trace(found) / len(targets) == evaluate("accuracy", outputs, targets)
    two = np.array([[1.0], [1.0], [2.0], [2.0]])
    given = np.array([[1.4], [1.6], [1.6], [1.7]])
    assert confusion(given, two) == ((1, 1), (0, 2))
    assert evaluate("threshold_accuracy", given, two) == 3 / 4


def test_what_was_learned_of_points_are_the_outputs_for_them() -> None:
    task, training = training_of("mlp_regression")
    outputs = np.linspace(0, 1, 100)[:, None] / 3
    learned = learned_of(task, training.test, outputs)
    assert learned.outputs == tuple((rounded(output),) for output in outputs[:, 0].tolist())
    assert learned.confusion == ()
    outputs[7] = np.inf
    assert learned_of(task, training.test, outputs).outputs[7] == (None,)


def test_a_training_that_diverged_confuses_nothing() -> None:
    task, training = training_of("iris_mlp")
    outputs = np.eye(3)[training.test.targets]
    assert learned_of(task, training.test, outputs).confusion == ((50, 0, 0), (0, 50, 0), (0, 0, 50))
    assert learned_of(task, training.test, np.full((150, 3), np.nan)) == Learned()


# Snapshots


@pytest.mark.parametrize("steps", [1, 2, 7, 8, 100, 5000])
def test_snapshots_begin_before_the_first_step_and_end_after_the_last(steps: int) -> None:
    found = snapshot_steps(steps)
    assert (found[0], found[-1]) == (0, steps)
    assert found == sorted(set(found))
    assert len(found) <= 1 + SNAPSHOTS


@pytest.mark.parametrize(("name", "batches"), [("thermometer_raw", 1), ("linear_fit_minibatch", 3)])
def test_snapshots_are_the_outputs_of_the_training_cut_there(name: str, batches: int) -> None:
    task, training = training_of(name, epochs=3)
    ids = shown_rows(task.data, training.test)
    assert len(training.orders) == batches
    trainer = REFERENCE.load().open_trainer(training.problem, PLACEMENT)
    found = snapshots(trainer, training, ids)
    other = REFERENCE.load().open_trainer(training.problem, PLACEMENT)
    other.reset(training.initial)
    begin = other.predict(training.test.inputs)[ids, 0]
    for order in training.orders:
        other.train(order)
    end = other.predict(training.test.inputs)[ids, 0]
    np.testing.assert_allclose(found[0].outputs, begin, rtol=1e-5)
    np.testing.assert_allclose(found[-1].outputs, end, rtol=1e-5)
    assert found[-1].step == sum(map(len, training.orders))
    lesson = replace(lesson_of(task, training.test), snapshots=found)
    assert sound(lesson)
    assert not sound(replace(lesson, snapshots=found[::-1]))
