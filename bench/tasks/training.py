"""Turn a task into the input of a backend: the problem, initial weights, batch orders and test data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backends.contract import (
    Array,
    Inputs,
    Params,
    Precision,
    Problem,
    WordCounts,
    map_params,
    row_shape,
)
from bench.errors import shown
from bench.tasks.datasets.base import Find, Split
from bench.tasks.definition import Metric, Task
from bench.tasks.seeding import epoch_order, full_order, initial_params, repetition_seed, stream
from bench.tasks.settings import BadSetting, layers_for, require_batch


@dataclass(frozen=True)
class Training:
    """A task in one precision, ready for any backend. All arrays are read-only."""

    problem: Problem
    initial: Params
    orders: tuple[Array, ...]  # row indices of each pass, int32 [steps, batch]
    test: Split
    metric: Metric
    truth: tuple[float, ...]  # weights and bias that generated the data; empty when unknown

    @property
    def steps_per_pass(self) -> int:
        """Number of optimizer updates in one pass."""
        return len(self.orders[0])

    def shortened(self, epochs: int) -> Training:
        """Return this training with only its first `epochs` epochs, or unchanged when it has no more."""
        if self.problem.full_batch:
            return replace(self, orders=(self.orders[0][:epochs],))
        return replace(self, orders=self.orders[:epochs])


def make_training(task: Task, precision: Precision, find: Find) -> Training:
    """Return the task's training with data and initial weights in `precision`.

    `find` returns the paths of the data files. Raises `BadSetting` when settings contradict each other or the data, and
    `DataMissing` when a data file is missing.
    """
    dataset = task.data.load(stream(task.seed, "data"), find)
    train, test = (_prepared(split, task, np.dtype(precision)) for split in (dataset.train, dataset.test))
    rows = len(train.inputs)
    require_batch(task, rows)
    batch_size = rows if task.batch_size == "all" else task.batch_size
    if (train.targets.dtype.kind == "i") != (task.loss == "softmax_cross_entropy"):
        kind = "class numbers" if train.targets.dtype.kind == "i" else "real numbers"
        raise BadSetting(f"loss {task.loss} does not fit the data of {task.name}, whose targets are {kind}")
    layers = layers_for(task, row_shape(train.inputs), dataset.outputs, dataset.ids)
    if dataset.ids:
        for split in (train, test):
            require_words(task, np.asarray(split.inputs), dataset.ids)
    problem = Problem(train.inputs, train.targets, layers, task.loss, task.optimizer, batch_size)
    return _started(task, problem, precision, task.seed, test, dataset.truth)


def require_words(task: Task, ids: Array, count: int) -> None:
    """Raise `BadSetting` unless ids [rows, positions] are below `count`, and each row has a word.

    Frameworks do not agree on what an id beyond the table gives, and the mean of no words is 0 / 0.
    """
    if ids.min() < 0 or ids.max() >= count:
        wrong = ids.min() if ids.min() < 0 else ids.max()
        raise BadSetting(f"the data of {shown(task.name)} have the id {wrong}; ids go from 0 to {count - 1}")
    if (empty := np.flatnonzero(~ids.any(axis=1))).size:
        raise BadSetting(f"row {empty[0]} of the data of {shown(task.name)} has no word, only padding; leave it out")


def reseeded(training: Training, task: Task, precision: Precision, seed: int) -> Training:
    """Return a training on the same rows with initial weights and batch orders of another seed."""
    return _started(task, training.problem, precision, seed, training.test, training.truth)


def repetition(training: Training, task: Task, precision: Precision, number: int) -> Training:
    """Return repetition `number` of a task's `training`: the same rows, another start and, in batches, another order.

    A task whose start is fixed is repeated from Gaussian starts: from its own it would be the same training each time.
    """
    if task.model.start == "one_zero":
        model: Any = task.model
        task = replace(task, model=replace(model, start="gaussian"))
    return reseeded(training, task, precision, repetition_seed(task.seed, number))


def _started(
    task: Task, problem: Problem, precision: Precision, seed: int, test: Split, truth: tuple[float, ...]
) -> Training:
    rows = len(problem.inputs)
    initial = initial_params(problem.layers, task.model.start, seed)
    if problem.full_batch:
        orders: tuple[Array, ...] = (full_order(rows, task.epochs),)
    else:
        orders = tuple(epoch_order(rows, problem.batch_size, seed, epoch) for epoch in range(task.epochs))
    return Training(
        problem=problem,
        initial=map_params(lambda part: _frozen(part.astype(precision)), initial),
        orders=tuple(map(_frozen, orders)),
        test=test,
        metric=task.metric,
        truth=truth,
    )


def evaluate(metric: Metric, outputs: Array, targets: Array) -> float:
    """Return the metric of `outputs` [rows, outputs] for `targets`; NaN when an output is not finite.

    rmse                 square root of the mean squared error
    accuracy             fraction of rows whose largest output is at the index of their class; targets [rows]
    threshold_accuracy   fraction of rows whose output and target are on the same side of the threshold, which is the
                         middle between the smallest and the largest target
    """
    if not np.isfinite(outputs).all():
        return float("nan")
    if metric == "accuracy":
        return float(np.mean(outputs.argmax(axis=1) == targets))
    outputs = outputs.astype(np.float64)
    if metric == "threshold_accuracy":
        middle = (targets.min() + targets.max()) / 2
        return float(np.mean((outputs > middle) == (targets > middle)))
    return float(np.sqrt(np.mean((outputs - targets) ** 2)))


def _prepared(split: Split, task: Task, dtype: np.dtype[Any]) -> Split:
    """Return the split, read-only, in the dtype and format that the model's first layer needs."""
    inputs: Inputs = split.inputs
    if isinstance(inputs, WordCounts):
        inputs = inputs.astype(dtype)
        if not task.model.takes_counts:
            inputs = _frozen(inputs.dense())
        else:
            for part in (inputs.starts, inputs.words, inputs.counts):
                _frozen(part)
    elif task.model.takes_counts:
        raise BadSetting(f"model.first_layer embedding_sum needs word counts; {task.name} has arrays: use dense")
    elif inputs.dtype.kind == "i":
        inputs = _frozen(inputs)  # ids of words
    else:
        inputs = _frozen(inputs.astype(dtype, copy=False))
    targets = split.targets.astype(dtype) if split.targets.dtype.kind == "f" else split.targets
    return Split(inputs, _frozen(targets))


def _frozen(array: Array) -> Array:
    array.flags.writeable = False
    return array
