"""Which evaluation rows of a task are shown, and what is known of them before anything is trained. Pure."""

from __future__ import annotations

import math

import numpy as np

from backends.contract import Array
from bench.records.schema import Lesson
from bench.tasks import Task
from bench.tasks.datasets.base import Data, Split
from bench.tasks.datasets.iris import Iris
from bench.tasks.datasets.mnist import Mnist, MnistImages, MnistThreeSeven
from bench.tasks.datasets.newsgroups import NewsgroupIds, Newsgroups

POINTS = 200  # at most, of a task whose targets are numbers
IMAGES = 12  # the first ones of the evaluation rows: nobody has picked them
FEATURES = 16  # inputs with more are left out
DIGITS = tuple(map(str, range(10)))
SPECIES = ("setosa", "versicolor", "virginica")
SIDE = 28  # pixels of an image of MNIST
# The inputs that black and white have become.
GREY_VALUES: dict[type, tuple[float, float]] = {
    Mnist: (-1.0, 1.0),
    MnistImages: (0.0, 1.0),
    MnistThreeSeven: (0.0, 1.0),
}


def rounded(number: float, digits: int = 6) -> float | None:
    """Return a number with as many digits, by default those that a picture needs; None if it is not finite."""
    return float(f"{number:.{digits}g}") if math.isfinite(number) else None


def classes_of(data: Data) -> tuple[str, ...]:
    """Return the names of the classes, by number; none if targets are no classes. Of two targets, the smaller is 0."""
    match data:
        case Mnist() | MnistImages():
            return DIGITS
        case MnistThreeSeven():
            return ("7", "3") if data.labels == "one_zero" else ("3", "7")
        case Iris():
            return SPECIES
        case Newsgroups() | NewsgroupIds():
            return data.categories
        case _:
            return ()


def shown_rows(data: Data, test: Split) -> Array:
    """Return the numbers of the evaluation rows that are shown: some points, the first images, no text."""
    if type(data) in GREY_VALUES:
        return np.arange(min(IMAGES, len(test.targets)))
    if classes_of(data):
        return np.arange(0)
    count = len(test.targets)
    return np.unique(np.linspace(0, count - 1, min(POINTS, count)).astype(int))


def class_numbers(targets: Array) -> Array:
    """Return the class of each row, int [rows], of class numbers [rows] or of two targets [rows, 1]."""
    if targets.dtype.kind == "i":
        return targets
    return sides(targets, targets)


def sides(values: Array, targets: Array) -> Array:
    """Return which side of the middle between two targets values [rows, 1] are on: 0 or 1, int [rows]."""
    middle = float(targets.min() + targets.max()) / 2
    found: Array = (values[:, 0].astype(np.float64) > middle).astype(int)
    return found


def class_probabilities(outputs: Array, targets: Array) -> Array:
    """Return the probabilities of the classes [rows, classes], by softmax of logits [rows, classes].

    A single output [rows, 1], which is trained to be one of two targets, gives the class of the larger target the
    probability that its place between the two says.
    """
    z = outputs.astype(np.float64)
    if targets.dtype.kind == "i":
        exponentials = np.exp(z - z.max(axis=1, keepdims=True))
        shares: Array = exponentials / exponentials.sum(axis=1, keepdims=True)
        return shares
    low, high = float(targets.min()), float(targets.max())
    place = np.clip((z - low) / (high - low if high > low else 1.0), 0, 1)
    return np.hstack([1 - place, place])


def lesson_of(task: Task, test: Split) -> Lesson:
    """Return the rows that are shown of a task: inputs or images, targets, and the names of classes."""
    ids, classes = shown_rows(task.data, test), classes_of(task.data)
    if not len(ids):
        return Lesson(task=task.name, classes=classes)
    inputs = np.asarray(test.inputs)[ids].astype(np.float64)
    targets = (class_numbers(test.targets) if classes else test.targets)[ids].astype(np.float64)
    told = tuple(rounded(target) or 0.0 for target in targets.ravel().tolist())
    if type(task.data) in GREY_VALUES:
        images = _grey(inputs, *GREY_VALUES[type(task.data)])
        return Lesson(task=task.name, images=images, image_shape=(SIDE, SIDE), targets=told, classes=classes)
    rows = inputs.reshape(len(ids), -1)
    few = rows.shape[1] <= FEATURES
    features = tuple(tuple(rounded(value) or 0.0 for value in row) for row in rows.tolist()) if few else ()
    return Lesson(task=task.name, inputs=features, targets=told, classes=classes)


def _grey(inputs: Array, black: float, white: float) -> tuple[bytes, ...]:
    values = np.rint((inputs - black) / (white - black) * 255).astype(np.uint8)
    return tuple(image.tobytes() for image in values)
