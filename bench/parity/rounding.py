"""NumPy's training with rounding errors drawn at random: where another framework's errors may come from.

Monte Carlo arithmetic (Parker 1997, Monte Carlo Arithmetic: exploiting randomness in floating-point arithmetic) adds to
each result a random error as large as rounding's own, so that runs spread as implementations do. Here it is added where
it matters: to the start; to the optimizer's settings; at the loss, whose gradient is a difference of numbers that come
to be nearly the same; and to the sums over inputs and over a batch, which others add up in another order than NumPy.
Without the errors at the loss right backends were found 40 times as far off as the spread, without those of sums 18.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np

from backends.contract import Array, LayerParams, Placement
from backends.numpy_backend import NumpyTrainer
from backends.numpy_layers import Batch, LocalCounts, NumpyLayer
from bench.parity.envelope import Envelope, envelope_of
from bench.parity.traces import TrainingResult, train_to_end
from bench.tasks.seeding import stream
from bench.tasks.training import Training

RUNS = 5


def surrounded(centre: Training, training: Training, placement: Placement, seed: int) -> Envelope:
    """Return the envelope of a training, in the precision of `placement`, around `centre`, the same in float64."""
    exact = NumpyTrainer(centre.problem, replace(placement, precision="float64"))
    runs = [rounded_result(training, placement, seed, number) for number in range(RUNS)]
    return envelope_of(train_to_end(exact, centre), runs, len(centre.test.targets))


def rounded_result(training: Training, placement: Placement, seed: int, number: int) -> TrainingResult:
    """Return what a training comes to with other rounding errors; each number draws others."""
    rng = stream(seed, "rounding", number)
    training = nudged(training, rng)
    trainer = NumpyTrainer(training.problem, placement)
    trainer.loss = blurred(trainer.loss, training.problem.loss == "softmax_cross_entropy", rng)
    for layer in trainer.layers:
        layer.forward = summed(layer, rng)  # type: ignore[method-assign]
        layer.backward = added_up(layer, rng)  # type: ignore[assignment, method-assign]
    return train_to_end(trainer, training)


def nudged(training: Training, rng: np.random.Generator) -> Training:
    """Return a training whose start and whose optimizer's settings are off by one unit in the last place, or by none.

    The settings too, because frameworks keep them, and what they compute of them, in the precision of the training:
    1 - beta^t near 0 is where Adam's rounding errors are largest.
    """
    initial = tuple(LayerParams(*(_nudged(part, rng) for part in layer)) for layer in training.initial)
    optimizer, dtype = training.problem.optimizer, initial[0].weights.dtype
    settings = {field.name: np.array(getattr(optimizer, field.name), dtype) for field in fields(optimizer)}
    changes: dict[str, Any] = {name: float(_nudged(value, rng)) for name, value in settings.items()}
    problem = replace(training.problem, optimizer=replace(optimizer, **changes))
    return replace(training, initial=initial, problem=problem)


def _nudged(part: Array, rng: np.random.Generator) -> Array:
    towards = rng.choice([-np.inf, np.nan, np.inf], part.shape).astype(part.dtype)
    return np.where(np.isnan(towards), part, np.nextafter(part, towards))


Loss = Callable[[Array, Array, Array], float]


def blurred(loss: Loss, takes_softmax: bool, rng: np.random.Generator) -> Loss:
    """Return a loss (see `backends.numpy_layers`) of outputs that are off by up to a unit in the last place.

    A softmax gives probabilities, from which 1 is subtracted at the class: they are off by as much.
    """

    def blurred_loss(outputs: Array, targets: Array, gradient: Array) -> float:
        unit = np.finfo(outputs.dtype).eps
        value = loss(_off(outputs, unit, rng), targets, gradient)
        value *= 1 + rng.uniform(-1, 1) * _of_a_sum(len(targets), unit)
        if takes_softmax:
            rows = np.arange(len(targets))
            at_class = 1 + gradient[rows, targets] * len(targets)  # the probability
            gradient[rows, targets] += (_off(at_class, unit, rng) - at_class) / len(targets)
        return value

    return blurred_loss


def summed(layer: NumpyLayer, rng: np.random.Generator) -> Callable[..., Array]:
    """Return the layer's forward pass, its sums over the inputs off by what adding up term by term loses.

    That decides on which side of its kink a ReLU comes to lie. Where terms mostly cancel, a sum is off in units of its
    root mean square, times the root of their number; zeros lose nothing.
    """
    plain, activate = layer.forward, layer.activate
    share = 0.0

    def blurred_activate(z: Array) -> None:
        z += (share * np.sqrt(np.mean(z * z)) * rng.uniform(-1, 1, z.shape)).astype(z.dtype)
        activate(z)

    def forward(inputs: Batch, out: Array | None = None) -> Array:
        nonlocal share
        terms = inputs.counts if isinstance(inputs, LocalCounts) else inputs
        share = _of_a_sum(np.count_nonzero(terms) / max(len(terms), 1), np.finfo(terms.dtype).eps)
        return plain(inputs, out)

    layer.activate = blurred_activate
    return forward


def added_up(layer: NumpyLayer, rng: np.random.Generator) -> Callable[[Batch, Array], None]:
    """Return the layer's backward pass, its sums over the batch off by what adding up term by term loses.

    That is the root of the number of terms times their absolute sum, times a third of a unit in the last place (the
    deviation of a random walk; Higham and Mary 2019, A new approach to probabilistic rounding error analysis).
    """
    plain = layer.backward

    def backward(inputs: Batch, gradient: Array) -> None:
        plain(inputs, gradient)
        sizes, dtype = np.abs(gradient), gradient.dtype
        share = _of_a_sum(len(gradient), np.finfo(dtype).eps)

        def drawn(count: int) -> Array:
            numbers: Array = rng.uniform(-1, 1, count).astype(dtype)
            return numbers

        layer.bias_gradient += share * drawn(layer.outputs.shape[1]) * sizes.sum(axis=0)
        present, terms = (inputs.present, inputs.counts) if isinstance(inputs, LocalCounts) else (slice(None), inputs)
        # A draw for each row and one for each column, multiplied: one for each number would take longer than the step.
        rows, columns = share * drawn(terms.shape[1]), drawn(sizes.shape[1])
        layer.weights_gradient[present] += (np.abs(terms) * rows).T @ (sizes * columns)

    return backward


def _of_a_sum(terms: float, unit: float) -> float:
    return float(np.sqrt(terms) * unit / 3)


def _off(numbers: Array, unit: float, rng: np.random.Generator) -> Array:
    off: Array = numbers + (numbers * rng.uniform(-unit, unit, numbers.shape)).astype(numbers.dtype)
    return off
