"""How much memory a training takes, estimated before it is begun, so that a size that cannot fit is refused. Pure.

An upper bound: the arrays that are in memory at the same time are counted. `tests/tasks/test_memory.py` compares it
with what workers used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from backends.contract import Precision
from bench.errors import UserError
from bench.tasks import Task
from bench.tasks.names import find_task
from bench.tasks.settings import override

FRAMEWORK_BYTES = 2**30  # what the largest framework takes before it has any data, its compiler included
DRAWN_BYTES = 8  # data and weights are made in float64 and cast
COPIES_OF_DATA = 2  # this suite's, and the framework's on its device
COPIES_OF_PARAMETERS = 8  # initial, model, gradient, update, those of a functional step, three that are read back
COPIES_OF_STATE = 2  # old and new
COPIES_OF_FLOW = 4  # outputs, before the activation and after it, and the gradients of both


class TooLarge(UserError):
    """Raised where a task cannot be trained in the memory that there is; the message says what takes it."""


@dataclass(frozen=True)
class Needs:
    """Bytes that a process takes at its peak, by what for."""

    framework: int
    data: int
    parameters: int
    batch: int

    @property
    def total(self) -> int:
        """All together."""
        return sum(getattr(self, field.name) for field in fields(self))

    def __str__(self) -> str:
        return ", ".join(f"{field.name} {gib(getattr(self, field.name))}" for field in fields(self))


def needs(task: Task, precision: Precision) -> Needs:
    """Return what a process needs at most to train a task on the CPU."""
    size, word = task.data.size, np.dtype(precision).itemsize
    layers = task.model.layers(size.features, size.outputs)
    sparse = size.words is not None and task.model.first_layer == "embedding_sum"
    numbers = size.words if sparse else (size.rows + size.test_rows) * size.features
    parameters = sum((layer.inputs + 1) * layer.outputs for layer in layers)
    batch = size.rows if task.batch_size == "all" else task.batch_size
    width = sum(layer.outputs for layer in layers)
    gathered = (numbers or 0) * batch // max(size.rows, 1)
    if sparse:  # an embedding for each word of the batch, and its gradient
        gathered *= 2 * layers[0].outputs
    flow = COPIES_OF_FLOW * max(batch, size.test_rows) * width
    return Needs(
        framework=FRAMEWORK_BYTES,
        data=(DRAWN_BYTES + COPIES_OF_DATA * word) * (numbers or 0),
        parameters=parameters * (DRAWN_BYTES + word * (COPIES_OF_PARAMETERS + COPIES_OF_STATE * task.optimizer.slots)),
        batch=word * (gathered + flow),
    )


def require_memory(
    names: Iterable[str], changes: Mapping[str, Any], precision: Precision, checkers: int, free_bytes: int
) -> None:
    """Raise `TooLarge` for the first task of these that does not fit.

    It is timed by one process, and checked before that by NumPy and by `checkers` processes at a time in float64.
    """
    for name in names:
        task = override(find_task(name), changes)
        checking, timing = needs(task, "float64"), needs(task, precision)
        wanted = max(checkers * checking.total, timing.total)
        if wanted > free_bytes:
            processes, each = (checkers, checking) if checkers * checking.total >= timing.total else (1, timing)
            several = f"{processes} processes of {gib(each.total)}" if processes > 1 else "a process"
            raise TooLarge(
                f"{name} does not fit: it needs up to {gib(wanted)}, and {gib(free_bytes)} are free "
                f"({several}: {each}); make model.hidden or batch_size smaller, or take fewer --threads, since as many "
                "are checked at a time"
            )


def gib(count: int) -> str:
    """Return a number of bytes for people."""
    return f"{count / 2**30:.1f} GiB"
