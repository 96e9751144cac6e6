"""Trains the reference with random errors of the size of rounding errors, to see how far correct backends may depart.

Monte Carlo arithmetic (Parker 1997, Monte Carlo Arithmetic: exploiting randomness in floating-point arithmetic) adds a
random error of the size of its rounding error to each result, so that runs spread as different implementations do.
Here errors are added where they matter: to the initial parameters; to the optimizer's settings; to the outputs that the
loss is computed from, whose gradient is a difference of nearly equal numbers; and to the sums over inputs and over the
batch, which frameworks add up in different orders; and to the powers of Adam's betas, which some keep as a running
product. Without the errors at the loss, correct backends departed by up to 40 times the spread; without those of the
sums, by up to 18 times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np

from backends.contract import Array, dtype_of, map_params
from backends.numpy_reference import ReferenceTrainer, arithmetic_of
from backends.numpy_reference_affine import Arithmetic, LossAndGradient
from bench.parity.envelope import Envelope, envelope_of
from bench.parity.traces import TrainingResult, train_to_end
from bench.tasks.seeding import stream
from bench.tasks.training import Training

RUNS = 5


def surrounded(centre: Training, training: Training, seed: int) -> Envelope:
    """Return the envelope of `training`, in its own precision, around `centre`, the same training in float64."""
    return envelope_of(exact_result(centre), [rounded_result(training, seed, number) for number in range(RUNS)])


def exact_result(training: Training) -> TrainingResult:
    """Return the result of a training as the reference computes it."""
    return train_to_end(ReferenceTrainer(training.problem, arithmetic_of(training.problem)), training)


def rounded_result(training: Training, seed: int, number: int) -> TrainingResult:
    """Return the result of a training with random errors; each `number` gives different errors."""
    rng = stream(seed, "rounding", number)
    training = nudged(training, rng)
    arithmetic = blurred(arithmetic_of(training.problem), dtype_of(training.initial), rng)
    return train_to_end(ReferenceTrainer(training.problem, arithmetic), training)


def nudged(training: Training, rng: np.random.Generator) -> Training:
    """Return a training with each initial parameter and optimizer setting off by -1, 0 or 1 unit in the last place.

    The settings are included because frameworks keep them, and numbers computed from them, in the precision of the
    training: Adam's rounding errors are largest where 1 - beta^t is near 0.
    """
    initial = map_params(lambda part: _nudged(part, rng), training.initial)
    optimizer, dtype = training.problem.optimizer, dtype_of(initial)
    settings = {field.name: np.array(getattr(optimizer, field.name), dtype) for field in fields(optimizer)}
    changes: dict[str, Any] = {name: float(_nudged(value, rng)) for name, value in settings.items()}
    problem = replace(training.problem, optimizer=replace(optimizer, **changes))
    return replace(training, initial=initial, problem=problem)


def _nudged(part: Array, rng: np.random.Generator) -> Array:
    towards = rng.choice([-np.inf, np.nan, np.inf], part.shape).astype(part.dtype)
    return np.where(np.isnan(towards), part, np.nextafter(part, towards))


def blurred(plain: Arithmetic, dtype: np.dtype[Any], rng: np.random.Generator) -> Arithmetic:
    """Return the same operations with random errors from `rng`, of the size of the rounding errors of `dtype`."""
    return Arithmetic(
        affine=blurred_affine(plain.affine, rng),
        affine_gradients=blurred_affine_gradients(plain.affine_gradients, rng),
        loss=blurred_loss(plain.loss, rng),
        one_minus_power=blurred_power(plain.one_minus_power, np.finfo(dtype).eps, rng),
    )


def blurred_affine(plain: Callable[[Array, Array, Array], Array], rng: np.random.Generator) -> Callable[..., Array]:
    """Return a function for x W + b with a random error as large as that of summing over the inputs term by term.

    The error decides on which side of its kink a ReLU is. Its size is the square root of the number of nonzero terms,
    times the root mean square of all sums [batch, outputs] (the terms of a single sum may cancel), times a third of a
    unit in the last place.
    """

    def affine(x: Array, weights: Array, bias: Array) -> Array:
        z = plain(x, weights, bias)
        share = _of_a_sum(np.count_nonzero(x) / max(len(x), 1), np.finfo(x.dtype).eps)
        root_mean_square = np.sqrt(np.vdot(z, z) / z.size)
        blurred: Array = z + (share * root_mean_square * rng.uniform(-1, 1, z.shape)).astype(z.dtype)
        return blurred

    return affine


def blurred_affine_gradients(
    plain: Callable[[Array, Array], tuple[Array, Array]], rng: np.random.Generator
) -> Callable[[Array, Array], tuple[Array, Array]]:
    """Return a function for the gradients of W and b with random errors as large as those of summing over the batch.

    Their size is the square root of the number of terms, times the sum of their absolute values, times a third of a
    unit in the last place (the standard deviation of a random walk; Higham and Mary 2019, A new approach to
    probabilistic rounding error analysis).
    """

    def affine_gradients(x: Array, gradient: Array) -> tuple[Array, Array]:
        weights, bias = plain(x, gradient)
        sizes, dtype = np.abs(gradient), gradient.dtype
        share = _of_a_sum(len(gradient), np.finfo(dtype).eps)

        def drawn(count: int) -> Array:
            numbers: Array = rng.uniform(-1, 1, count).astype(dtype)
            return numbers

        bias = bias + share * drawn(len(bias)) * sizes.sum(axis=0)
        # One random number per row times one per column: one per weight would take longer than the step.
        rows, columns = share * drawn(x.shape[1]), drawn(sizes.shape[1])
        return weights + np.outer(rows, columns) * (np.abs(x).T @ sizes), bias

    return affine_gradients


def blurred_loss(
    plain: Callable[[Array, Array], LossAndGradient], rng: np.random.Generator
) -> Callable[[Array, Array], LossAndGradient]:
    """Return a function for the loss and gradient of outputs that are off by up to one unit in the last place.

    With softmax, so is the probability of the true class before 1 is subtracted from it for the gradient.
    """

    def loss(outputs: Array, targets: Array) -> LossAndGradient:
        unit = np.finfo(outputs.dtype).eps
        value, gradient = plain(_off(outputs, unit, rng), targets)
        value *= 1 + rng.uniform(-1, 1) * _of_a_sum(len(targets), unit)
        if targets.ndim == 1:  # class numbers: softmax_cross_entropy
            at_class = np.arange(len(targets)), targets
            probability = 1 + gradient[at_class] * len(targets)
            gradient[at_class] += (_off(probability, unit, rng) - probability) / len(targets)
        return value, gradient

    return loss


def blurred_power(
    plain: Callable[[float, int], float], unit: float, rng: np.random.Generator
) -> Callable[[float, int], float]:
    """Return a function for 1 - beta^t with an error as large as that of beta^t as a running product.

    Each multiplication rounds by up to half a unit in the last place, and its error stays in the product. Where beta^t
    is near 1, what is left of the difference has a far larger relative error.
    """
    errors: dict[float, float] = {}  # relative, of beta^t, at the last step of each beta

    def one_minus_power(beta: float, t: int) -> float:
        exact = plain(beta, t)
        before = errors.get(beta, 0.0) if t > 1 else 0.0
        errors[beta] = before + rng.uniform(-unit, unit) / 2
        return exact - (1 - exact) * errors[beta]

    return one_minus_power


def _of_a_sum(terms: float, unit: float) -> float:
    return float(np.sqrt(terms) * unit / 3)


def _off(numbers: Array, unit: float, rng: np.random.Generator) -> Array:
    off: Array = numbers + (numbers * rng.uniform(-unit, unit, numbers.shape)).astype(numbers.dtype)
    return off
