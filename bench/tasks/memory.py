"""Estimate of the memory that a task needs, so that a task that does not fit is refused before it starts. Pure.

The estimate is an upper bound. It counts the arrays that are in memory at the same time. `tests/tasks/test_memory.py`
compares it with the measured peak memory of worker processes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from backends.contract import Precision, flow_shapes, parameter_count
from bench.errors import UserError
from bench.tasks import Task
from bench.tasks.names import find_task
from bench.tasks.settings import override

# Of the largest framework with its compiler, apart from what is counted below. The most that was measured is 1.04 GiB,
# of TensorFlow with XLA on text_classifier, at the end of its turns.
FRAMEWORK_BYTES = 5 * 2**28
DRAWN_BYTES = 8  # per number: data and weights are created in float64, then cast
COPIES_OF_DATA = 2  # one in NumPy, one in the framework on its device
COPIES_OF_PARAMETERS = 8  # initial, model, gradient, update, result of a functional step, three read back
COPIES_OF_STATE = 2  # optimizer state before and after a step
COPIES_OF_FLOW = 4  # layer outputs before and after the activation, and the gradients of both
COPIES_PREDICTED = 2  # of what one layer makes of the test rows: its inputs and outputs


class TooLarge(UserError):
    """Raised when a task does not fit into free memory; the message says what needs how much."""


@dataclass(frozen=True)
class Needs:
    """Peak memory of a process in bytes, by purpose."""

    framework: int
    data: int
    parameters: int
    batch: int

    @property
    def total(self) -> int:
        """Sum of all purposes, in bytes."""
        return sum(getattr(self, field.name) for field in fields(self))

    def __str__(self) -> str:
        return ", ".join(f"{field.name} {gib(getattr(self, field.name))}" for field in fields(self))


def needs(task: Task, precision: Precision) -> Needs:
    """Return an upper bound of the memory that one process needs to train a task on the CPU."""
    size, word = task.data.size, np.dtype(precision).itemsize
    layers = task.layers
    sparse = size.words is not None and task.model.takes_counts
    numbers = size.words if sparse else (size.rows + size.test_rows) * math.prod(size.shape)
    parameters = parameter_count(layers)
    batch = size.rows if task.batch_size == "all" else task.batch_size
    before, shapes = flow_shapes(layers, size.shape)[:-1], flow_shapes(layers, size.shape)[1:]
    outputs = [layer.values(shape) for layer, shape in zip(layers, before, strict=True)]  # of each layer, one row
    # A layer with outputs at many places of a row may copy what each of them depends on.
    many = ((layer, shape) for layer, shape in zip(layers, shapes, strict=True) if len(shape) > 1)
    copied = sum(layer.fan_in() * math.prod(shape[:-1]) for layer, shape in many)
    gathered = (numbers or 0) * batch // max(size.rows, 1)
    if sparse:  # one embedding per word of the batch, and its gradient
        gathered *= 2 * outputs[0]
    flow = max(COPIES_OF_FLOW * batch * sum(outputs), COPIES_PREDICTED * size.test_rows * max(outputs))
    return Needs(
        framework=FRAMEWORK_BYTES,
        data=(DRAWN_BYTES + COPIES_OF_DATA * word) * (numbers or 0),
        parameters=parameters * (DRAWN_BYTES + word * (COPIES_OF_PARAMETERS + COPIES_OF_STATE * task.optimizer.slots)),
        batch=word * (gathered + batch * copied + flow),
    )


def require_memory(
    names: Iterable[str], changes: Mapping[str, Any], precision: Precision, checkers: int, free_bytes: int
) -> None:
    """Raise `TooLarge` for the first of these tasks that does not fit into `free_bytes`.

    One process at a time is timed in `precision`. Before that, `checkers` processes at a time run the parity check in
    float64.
    """
    for name in names:
        task = override(find_task(name), changes)
        checking, timing = needs(task, "float64"), needs(task, precision)
        wanted = max(checkers * checking.total, timing.total)
        if wanted > free_bytes:
            processes, each = (checkers, checking) if checkers * checking.total >= timing.total else (1, timing)
            several = f"{processes} processes of {gib(each.total)}" if processes > 1 else "1 process"
            raise TooLarge(
                f"{name} does not fit: it needs up to {gib(wanted)}, and {gib(free_bytes)} are free "
                f"({several}: {each}); reduce the model or batch_size, or use fewer --threads: the parity check "
                "runs one process per thread"
            )


def gib(count: int) -> str:
    """Return a number of bytes as text in GiB, such as `1.5 GiB`."""
    return f"{count / 2**30:.1f} GiB"
