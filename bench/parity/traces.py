"""Trains for the parity check, untimed.

Trainings that are passed together share their problem and differ in weights and order, so one trainer is enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backends.contract import SGD, Array, Backend, Params, Placement, Trainer, map_params
from backends.numpy_reference import LOSSES
from bench.tasks.training import Training, evaluate


@dataclass(frozen=True)
class Trace:
    """What a backend computed in the first epochs, in float64."""

    gradient: Params  # of the first batch
    losses: Array  # of each step, before its update
    params: Params  # after these steps
    evaluation: Evaluation  # after these steps


@dataclass(frozen=True)
class Evaluation:
    """What a model predicts for the evaluation rows."""

    outputs: Array  # [rows, outputs]
    loss: float  # of these outputs, in float64


@dataclass(frozen=True)
class TrainingResult:
    """The result of a whole training."""

    losses: Array  # [steps], before each update
    params: Params  # after the last step
    evaluation: Evaluation
    metric: float
    start: Params
    first_pass: Params  # after the first pass


def traces(backend: Backend, placement: Placement, trainings: Sequence[Training], epochs: int) -> Iterator[Trace]:
    """Yield the trace of the first `epochs` epochs of each training."""
    gradients = first_gradients(backend, placement, trainings)
    trainer = backend.open_trainer(trainings[0].problem, placement)
    for gradient, training in zip(gradients, trainings, strict=True):
        losses = _losses(trainer, training.initial, training.shortened(epochs).orders)
        yield Trace(gradient, losses, trainer.params(), evaluated(trainer, training))


def first_gradients(backend: Backend, placement: Placement, trainings: Sequence[Training]) -> list[Params]:
    """Return the gradient of the first batch of each: what one step of SGD at rate 1 subtracts from the parameters."""
    trainer = backend.open_trainer(replace(trainings[0].problem, optimizer=SGD(1.0)), placement)
    found = []
    for training in trainings:
        _losses(trainer, training.initial, (training.orders[0][:1],))
        found.append(map_params(np.subtract, training.initial, trainer.params()))
    return found


def training_results(backend: Backend, placement: Placement, trainings: Sequence[Training]) -> Iterator[TrainingResult]:
    """Train each training to its end; yield the results."""
    trainer = backend.open_trainer(trainings[0].problem, placement)
    for training in trainings:
        yield train_to_end(trainer, training)


def train_to_end(trainer: Trainer, training: Training) -> TrainingResult:
    """Train to the end; return the result."""
    losses = [_losses(trainer, training.initial, training.orders[:1])]
    first_pass = trainer.params()
    losses += [trainer.train(order) for order in training.orders[1:]]
    evaluation = evaluated(trainer, training)
    value = evaluate(training.metric, evaluation.outputs, training.test.targets)
    return TrainingResult(np.concatenate(losses), trainer.params(), evaluation, value, training.initial, first_pass)


def evaluated(trainer: Trainer, training: Training) -> Evaluation:
    """Return what a trainer predicts now for the evaluation rows."""
    outputs = trainer.predict(training.test.inputs)
    with np.errstate(over="ignore", invalid="ignore"):  # the outputs of a training that diverged
        loss, _ = LOSSES[training.problem.loss](outputs.astype(np.float64), training.test.targets)
    return Evaluation(outputs, loss)


def params_after(backend: Backend, placement: Placement, training: Training, steps: int) -> Params:
    """Return the parameters after `steps` steps."""
    trainer = backend.open_trainer(training.problem, placement)
    orders, left = [], steps
    for order in training.orders:
        orders.append(order[:left])
        left -= len(orders[-1])
        if left == 0:
            break
    _losses(trainer, training.initial, orders)
    return trainer.params()


def _losses(trainer: Trainer, initial: Params, orders: Iterable[Array]) -> Array:
    trainer.reset(initial)
    return np.concatenate([trainer.train(order) for order in orders])
