"""What a trained model has learned: its outputs for the rows that are shown, and which classes it confuses. Pure."""

from __future__ import annotations

import numpy as np

from backends.contract import Array, Trainer
from bench.lessons.shown import class_numbers, class_probabilities, classes_of, rounded, shown_rows, sides
from bench.records.schema import Learned, Snapshot
from bench.tasks import Task
from bench.tasks.datasets.base import Split
from bench.tasks.training import Training

SNAPSHOTS = 8  # beside the one before the first step


def learned_of(task: Task, test: Split, outputs: Array) -> Learned:
    """Return what outputs [evaluation rows, outputs] say; the metric by pass is not in it."""
    ids, classes = shown_rows(task.data, test), classes_of(task.data)
    with np.errstate(invalid="ignore", over="ignore"):  # the outputs of a training that diverged
        shown = class_probabilities(outputs, test.targets)[ids] if classes else outputs[ids]
    return Learned(
        outputs=tuple(tuple(rounded(output) for output in row) for row in shown.tolist()),
        confusion=confusion(outputs, test.targets) if classes and np.isfinite(outputs).all() else (),
    )


def confusion(outputs: Array, targets: Array) -> tuple[tuple[int, ...], ...]:
    """Return how many rows of each class were given each class [classes][classes], decided as the metric decides."""
    right = class_numbers(targets)
    if targets.dtype.kind == "i":
        given, classes = outputs.argmax(axis=1), outputs.shape[1]
    else:
        given, classes = sides(outputs, targets), 2
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (right, given), 1)
    return tuple(map(tuple, counts.tolist()))


def snapshots(trainer: Trainer, training: Training, ids: Array) -> tuple[Snapshot, ...]:
    """Train from the beginning to the end; return the first output of the rows `ids` after some numbers of steps.

    The training is cut into parts, which a compiled mode would compile one by one: this is for the reference.
    """
    order = np.concatenate(training.orders) if len(training.orders) > 1 else training.orders[0]
    trainer.reset(training.initial)
    found: list[Snapshot] = []
    done = 0
    for step in snapshot_steps(len(order)):
        if step > done:
            trainer.train(order[done:step])
        with np.errstate(invalid="ignore", over="ignore"):
            outputs = trainer.predict(training.test.inputs)[ids, 0]
        found.append(Snapshot(step=step, outputs=tuple(rounded(output) for output in outputs.tolist())))
        done = step
    return tuple(found)


def snapshot_steps(steps: int) -> list[int]:
    """Return the numbers of steps after which outputs are kept: 0, then closer at the beginning, to the last."""
    return [0, *np.unique(np.rint(np.geomspace(1, steps, SNAPSHOTS)).astype(int)).tolist()]
