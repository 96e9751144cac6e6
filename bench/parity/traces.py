"""Trains for the parity check, untimed, and passes the results between processes in files.

Trainings that are passed together share their problem and differ in weights and order, so one trainer is enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from backends.contract import SGD, Array, Backend, LayerParams, Params, Placement, Trainer
from bench.tasks.arrays import named, params_named, save_arrays
from bench.tasks.training import Training, evaluate


@dataclass(frozen=True)
class Trace:
    """What a backend computed in the first epochs, in float64."""

    gradient: Params  # of the first batch
    losses: Array  # of each step, before its update
    params: Params  # after these steps


@dataclass(frozen=True)
class TrainingResult:
    """The result of a whole training."""

    losses: Array  # [steps], before each update
    params: Params  # after the last step
    metric: float


def traces(backend: Backend, placement: Placement, trainings: Sequence[Training], epochs: int) -> Iterator[Trace]:
    """Yield the trace of the first `epochs` epochs of each training."""
    gradients = first_gradients(backend, placement, trainings)
    trainer = backend.open_trainer(trainings[0].problem, placement)
    for gradient, training in zip(gradients, trainings, strict=True):
        losses = _losses(trainer, training.initial, training.shortened(epochs).orders)
        yield Trace(gradient, losses, trainer.params())


def first_gradients(backend: Backend, placement: Placement, trainings: Sequence[Training]) -> list[Params]:
    """Return the gradient of the first batch of each: what one step of SGD at rate 1 subtracts from the parameters."""
    trainer = backend.open_trainer(replace(trainings[0].problem, optimizer=SGD(1.0)), placement)
    found = []
    for training in trainings:
        _losses(trainer, training.initial, (training.orders[0][:1],))
        pairs = zip(training.initial, trainer.params(), strict=True)
        found.append(tuple(LayerParams(*(old - new for old, new in zip(*pair, strict=True))) for pair in pairs))
    return found


def training_results(backend: Backend, placement: Placement, trainings: Sequence[Training]) -> Iterator[TrainingResult]:
    """Train each training to its end; yield the results."""
    trainer = backend.open_trainer(trainings[0].problem, placement)
    for training in trainings:
        yield train_to_end(trainer, training)


def train_to_end(trainer: Trainer, training: Training) -> TrainingResult:
    """Train to the end; return the result."""
    losses = _losses(trainer, training.initial, training.orders)
    value = evaluate(training.metric, trainer.predict(training.test.inputs), training.test.targets)
    return TrainingResult(losses, trainer.params(), value)


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


def save_trace(path: Path, trace: Trace) -> None:
    """Write a trace to a .npz file."""
    save_arrays(path, {**named("gradient", trace.gradient), **named("params", trace.params), "losses": trace.losses})


def load_trace(path: Path) -> Trace:
    """Read a trace from a .npz file."""
    with np.load(path, allow_pickle=False) as arrays:
        return Trace(params_named("gradient", arrays), arrays["losses"], params_named("params", arrays))


def save_training_result(path: Path, result: TrainingResult) -> None:
    """Write a training result to a .npz file."""
    metric = np.array(result.metric)
    save_arrays(path, {**named("params", result.params), "losses": result.losses, "metric": metric})


def load_training_result(path: Path) -> TrainingResult:
    """Read a training result from a .npz file."""
    with np.load(path, allow_pickle=False) as arrays:
        return TrainingResult(arrays["losses"], params_named("params", arrays), float(arrays["metric"]))


def save_params(path: Path, params: Params) -> None:
    """Write parameters to a .npz file."""
    save_arrays(path, named("params", params))


def load_params(path: Path) -> Params:
    """Read parameters from a .npz file."""
    with np.load(path, allow_pickle=False) as arrays:
        return params_named("params", arrays)
