"""The reference, line by line: gradients by finite differences, losses and optimizers by the contract for scalars.

Each kind of check is shown to fail on a planted mistake.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from gradients import worst_gradient
from support import draw_params

from backends import numpy_reference
from backends.contract import (
    SGD,
    Adam,
    Dense,
    EmbeddingSum,
    Momentum,
    Optimizer,
    Placement,
    Problem,
    Unsupported,
    WordCounts,
    map_params,
    views,
)
from backends.numpy_reference import (
    LOSSES,
    OPTIMIZERS,
    ReferenceTrainer,
    adam,
    arithmetic_of,
    flat,
    loss_and_gradients,
    one_minus_power,
)
from backends.numpy_reference_affine import ACTIVATIONS, Activation, Arithmetic, affine, affine_gradients
from backends.numpy_reference_layers import forward, take
from backends.registry import BACKENDS, REFERENCE

ROWS, FEATURES, CLASSES = 7, 5, 3
EXACT = Placement(mode="plain", device="cpu", precision="float64", threads=1)
ALL = np.arange(ROWS, dtype=np.int32)
ORDER = np.array([[6, 2, 0], [1, 5, 3], [4, 0, 6], [3, 3, 1]], np.int32)
PLAIN = Arithmetic(affine, affine_gradients, LOSSES["mse"], one_minus_power)


def word_counts() -> WordCounts:
    """Return counts of seven documents, one without a word; word 1 occurs in none."""
    starts = np.array([0, 2, 2, 5, 6, 7, 11, 13])
    words = np.array([0, 3, 0, 2, 4, 4, 2, 0, 2, 3, 4, 0, 3], np.int32)
    counts = np.array([1, 2, 3, 1, 2, 1, 2, 3, 1, 1, 2, 2, 1], float)
    return WordCounts(starts, words, counts, FEATURES)


def make_problem(
    activation: str = "tanh",
    loss: str = "mse",
    *,
    words: bool = False,
    optimizer: Optimizer = SGD(0.1),  # noqa: B008
    batch_size: int = ROWS,
) -> Problem:
    rng = np.random.default_rng(1)
    inputs = word_counts() if words else rng.normal(size=(ROWS, FEATURES))
    classifies = loss == "softmax_cross_entropy"
    targets = rng.integers(0, CLASSES, ROWS).astype(np.int32) if classifies else rng.normal(size=(ROWS, CLASSES))
    first = EmbeddingSum if words else Dense
    layers = (
        first(FEATURES, 4, activation),
        Dense(4, 2, activation),
        Dense(2, CLASSES, "identity" if classifies else activation),
    )
    return Problem(inputs, targets, layers, loss, optimizer, batch_size)


def started(problem: Problem) -> ReferenceTrainer:
    trainer = numpy_reference.open_trainer(problem, EXACT)
    trainer.reset(draw_params(problem))
    return trainer


def worst(problem: Problem, arithmetic: Arithmetic | None = None) -> float:
    return worst_gradient(problem, draw_params(problem), arithmetic)


RIGHT, WRONG = 1e-7, 1e-3  # what a right gradient keeps below, and a wrong one exceeds


@pytest.mark.parametrize("words", [False, True], ids=["dense", "words"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_are_those_of_finite_differences(activation: str, loss: str, words: bool) -> None:
    assert worst(make_problem(activation, loss, words=words)) < RIGHT


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "gelu"])
def test_a_wrong_derivative_is_seen(activation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Activation(ACTIVATIONS[activation].function, lambda _, y: np.ones_like(y))
    monkeypatch.setitem(ACTIVATIONS, activation, wrong)
    assert worst(make_problem(activation)) > WRONG


@pytest.mark.parametrize("loss", LOSSES)
def test_a_wrong_gradient_of_a_loss_is_seen(loss: str) -> None:
    problem = make_problem(loss=loss)
    plain = arithmetic_of(problem)

    def doubled(outputs: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = plain.loss(outputs, targets)
        return value, 2 * gradient

    assert worst(problem, replace(plain, loss=doubled)) > WRONG


@pytest.mark.parametrize("words", [False, True], ids=["dense", "words"])
@pytest.mark.parametrize("part", [0, 1], ids=["weights", "bias"])
def test_a_wrong_gradient_of_a_layer_is_seen(part: int, words: bool) -> None:
    problem = make_problem(words=words)
    plain = arithmetic_of(problem)

    def kept(x: np.ndarray, gradient: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(
            0 * each if number == part else each for number, each in enumerate(plain.affine_gradients(x, gradient))
        )

    assert worst(problem, replace(plain, affine_gradients=kept)) > WRONG


@pytest.mark.parametrize(
    ("name", "outputs", "derivatives"),
    [
        ("identity", [-3.0, 0.0, 2.0], [1, 1, 1]),
        (
            "sigmoid",
            [1 / (1 + math.exp(3)), 0.5, 1 / (1 + math.exp(-2))],
            [0.04517665973091213, 0.25, 0.1049935854035065],
        ),
        ("tanh", [math.tanh(-3), 0.0, math.tanh(2)], [1 - math.tanh(3) ** 2, 1, 1 - math.tanh(2) ** 2]),
        ("relu", [0.0, 0.0, 2.0], [0, 0, 1]),
        (
            "gelu",
            [-3 * (1 + math.erf(-3 / math.sqrt(2))) / 2, 0.0, 1 + math.erf(math.sqrt(2))],
            [-0.011945647204184, 0.5, 1.085231801078197],  # with tanh: -0.01158, 0.5, 1.08610
        ),
    ],
)
def test_activations_are_their_formulas(name: str, outputs: list[float], derivatives: list[float]) -> None:
    z = np.array([-3.0, 0.0, 2.0])
    y = ACTIVATIONS[name].function(z)
    np.testing.assert_allclose(y, outputs, rtol=1e-14)
    np.testing.assert_allclose(ACTIVATIONS[name].derivative(z, y), derivatives, rtol=1e-12)


def test_a_sigmoid_far_from_zero_is_finite() -> None:
    with np.errstate(all="raise"):
        assert ACTIVATIONS["sigmoid"].function(np.array([-1e4, 1e4])).tolist() == [0, 1]


OUTPUTS = np.array([[1.0, 2.0, 4.0], [0.0, -1.0, 3.0]])


@pytest.mark.parametrize(("name", "loss", "gradient"), [("mse", 31 / 6, 1 / 3), ("half_mse", 31 / 12, 1 / 6)])
def test_squared_losses_are_their_formulas(name: str, loss: float, gradient: float) -> None:
    off = np.array([[1.0, -2.0, 3.0], [0.0, -4.0, 1.0]])  # squares: 1 + 4 + 9 + 16 + 1
    found, slope = LOSSES[name](OUTPUTS, OUTPUTS - off)
    assert found == pytest.approx(loss, rel=1e-15)
    np.testing.assert_allclose(slope, off * gradient, rtol=1e-15)


def test_cross_entropy_is_its_formula() -> None:
    classes = [2, 0]
    found, slope = LOSSES["softmax_cross_entropy"](OUTPUTS, np.array(classes, np.int32))
    rows = [[math.exp(z) for z in row] for row in OUTPUTS.tolist()]
    terms = [math.log(sum(row)) - z[c] for row, z, c in zip(rows, OUTPUTS.tolist(), classes, strict=True)]
    assert found == pytest.approx(sum(terms) / 2, rel=1e-14)
    wanted = [
        [(power / sum(row) - (number == c)) / 2 for number, power in enumerate(row)]
        for row, c in zip(rows, classes, strict=True)
    ]
    np.testing.assert_allclose(slope, wanted, rtol=1e-14)


def test_cross_entropy_of_large_outputs_is_finite() -> None:
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loss, slope = LOSSES["softmax_cross_entropy"](np.array([[1e4, -1e4], [-2e4, -1e4]]), np.array([0, 0]))
    assert loss == 5e3
    np.testing.assert_array_equal(slope, [[0, 0], [-0.5, 0.5]])


def follow(optimizer: Optimizer, gradients: list[float], p: float) -> list[list[float]]:
    """Return the state after each step, of an optimizer that works on one parameter beside another."""
    zeros = [np.zeros(2)] * optimizer.slots
    state, found = (np.array([p, 7.0]), *zeros), []
    for t, g in enumerate(gradients, start=1):
        state = OPTIMIZERS[type(optimizer)](optimizer, t, PLAIN, np.array([g, 0.5]), *state)
        found.append([float(each[0]) for each in state])
    return found


def scalar_sgd(s: SGD, gradients: list[float], p: float) -> list[list[float]]:
    found = []
    for g in gradients:
        p -= s.learning_rate * g
        found.append([p])
    return found


def scalar_momentum(s: Momentum, gradients: list[float], p: float) -> list[list[float]]:
    found, v = [], 0.0
    for g in gradients:
        v = s.momentum * v + g
        p -= s.learning_rate * v
        found.append([p, v])
    return found


def scalar_adam(s: Adam, gradients: list[float], p: float) -> list[list[float]]:
    found, m, v = [], 0.0, 0.0
    for t, g in enumerate(gradients, start=1):
        m = s.beta1 * m + (1 - s.beta1) * g
        v = s.beta2 * v + (1 - s.beta2) * g**2
        p -= s.learning_rate * (m / (1 - s.beta1**t)) / (math.sqrt(v / (1 - s.beta2**t)) + s.epsilon)
        found.append([p, m, v])
    return found


GRADIENTS = [0.5, -1.25, 3.0, 0.01, -0.2, 2.0]
FORMULAS: list[tuple[Any, Any]] = [
    (SGD(0.3), scalar_sgd),
    (Momentum(0.3, 0.7), scalar_momentum),
    (Adam(0.3, 0.8, 0.9, 0.25), scalar_adam),
    (Adam(0.3), scalar_adam),
    (Adam(0.3, 0.0, 0.25), scalar_adam),
]


@pytest.mark.parametrize(("optimizer", "formula"), FORMULAS, ids=[repr(optimizer) for optimizer, _ in FORMULAS])
def test_optimizers_are_the_formulas_of_the_contract(optimizer: Optimizer, formula: Any) -> None:
    wanted = formula(optimizer, GRADIENTS, 1.5)
    np.testing.assert_allclose(follow(optimizer, GRADIENTS, 1.5), wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("optimizer", "planted"),
    [
        (SGD(0.3), lambda s, t, _, g, p: (p - 1.01 * s.learning_rate * g,)),
        (Momentum(0.3, 0.7), lambda s, t, _, g, p, v: (p - s.learning_rate * v, s.momentum * v + g)),
        (Adam(0.3, 0.8, 0.9, 0.25), lambda s, t, *state: adam(s, t + 1, *state)),
    ],
    ids=["another rate", "the velocity of the step before", "corrected for another step"],
)
def test_a_wrong_optimizer_is_seen(optimizer: Optimizer, planted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    formula = next(formula for each, formula in FORMULAS if each == optimizer)
    monkeypatch.setitem(OPTIMIZERS, type(optimizer), planted)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(follow(optimizer, GRADIENTS, 1.5), formula(optimizer, GRADIENTS, 1.5), rtol=1e-12)


@pytest.mark.parametrize("beta", [0.999, 0.9, 0.75, 0.5, 0.25, 0.0, -1e-45])
@pytest.mark.parametrize("t", [1, 2, 1000])
def test_one_minus_a_power_keeps_all_digits(beta: float, t: int) -> None:
    exact = 1 - Fraction(beta) ** t
    assert abs(Fraction(one_minus_power(beta, t)) / exact - 1) < 4e-16


def test_one_minus_a_power_by_plain_subtraction_would_not() -> None:
    beta = 0.999999
    assert abs(Fraction(1 - beta**3) / (1 - Fraction(beta) ** 3) - 1) > 1e-12
    assert abs(Fraction(one_minus_power(beta, 3)) / (1 - Fraction(beta) ** 3) - 1) < 4e-16


def test_a_batch_of_word_counts_holds_the_words_that_occur_in_it() -> None:
    words = word_counts()
    present, counts = take(words, np.array([6, 1, 3]))
    assert present.tolist() == [0, 3, 4]
    assert counts.tolist() == [[2, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert take(words.astype(np.float32), ALL).counts.dtype == np.float32


def test_word_counts_train_as_the_same_matrix_with_its_zeros() -> None:
    words = make_problem(words=True, optimizer=Momentum(0.1), batch_size=3)
    layers = (Dense(FEATURES, 4, "tanh"), *words.layers[1:])
    dense = replace(words, inputs=word_counts().dense(), layers=layers)
    sparse_trainer, dense_trainer = started(words), started(dense)
    np.testing.assert_allclose(sparse_trainer.train(ORDER), dense_trainer.train(ORDER), rtol=1e-13)
    np.testing.assert_allclose(flat(sparse_trainer.params()), flat(dense_trainer.params()), rtol=1e-12)
    np.testing.assert_allclose(sparse_trainer.predict(words.inputs), dense_trainer.predict(dense.inputs), rtol=1e-13)


def test_layers_and_parameters_come_in_equal_numbers() -> None:
    problem = make_problem()
    with pytest.raises(ValueError, match="shorter"):
        forward(problem.layers, draw_params(problem)[:2], take(problem.inputs, ALL), arithmetic_of(problem), None)


def test_parameters_become_one_vector_and_back() -> None:
    layers = (Dense(2, 3, "relu"), Dense(3, 1, "identity"))
    params = (
        {"weights": np.array([[0.0, 1, 2], [3, 4, 5]]), "bias": np.array([6.0, 7, 8])},
        {"weights": np.array([[9.0], [10], [11]]), "bias": np.array([12.0])},
    )
    assert flat(params).tolist() == list(range(13))
    for found, wanted in zip(views(flat(params), layers), params, strict=True):
        np.testing.assert_array_equal(found["weights"], wanted["weights"])
        np.testing.assert_array_equal(found["bias"], wanted["bias"])


@pytest.mark.parametrize("optimizer", [SGD(0.1), Momentum(0.1), Adam(0.1)], ids=repr)
def test_a_training_takes_the_rows_in_their_order_and_gives_each_loss_before_its_step(optimizer: Optimizer) -> None:
    problem = make_problem(optimizer=optimizer, batch_size=3)
    p, slots, wanted = flat(draw_params(problem)), [np.zeros(43)] * optimizer.slots, []
    for t, rows in enumerate(ORDER, start=1):
        params = views(p, problem.layers)
        outputs = problem.inputs[rows]
        for layer in params:
            outputs = np.tanh(outputs @ layer["weights"] + layer["bias"])
        wanted.append(np.mean((outputs - problem.targets[rows]) ** 2))
        batch = take(problem.inputs, rows)
        _, gradients = loss_and_gradients(problem.layers, params, batch, problem.targets[rows], arithmetic_of(problem))
        p, *slots = OPTIMIZERS[type(optimizer)](optimizer, t, PLAIN, flat(gradients), p, *slots)
    trainer = started(problem)
    # In two calls: the steps go on counting.
    losses = np.concatenate([trainer.train(ORDER[:1]), trainer.train(ORDER[1:])])
    np.testing.assert_allclose(losses, wanted, rtol=1e-13)
    np.testing.assert_allclose(flat(trainer.params()), p, rtol=1e-12)


def test_a_reset_starts_afresh_from_a_copy() -> None:
    problem = make_problem(optimizer=Adam(0.1), batch_size=3)
    trainer, params = numpy_reference.open_trainer(problem, EXACT), draw_params(problem)
    runs = []
    for _ in range(2):
        trainer.reset(params)
        np.testing.assert_array_equal(trainer.state, [flat(params), np.zeros(43), np.zeros(43)], strict=True)
        runs.append((trainer.train(ORDER), flat(trainer.params())))
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    np.testing.assert_array_equal(runs[0][1], runs[1][1])
    trainer.reset(params)
    params[0]["weights"][:] = 0
    np.testing.assert_array_equal(flat(trainer.params()), flat(draw_params(problem)))


def test_parameters_are_given_as_copies() -> None:
    trainer = started(make_problem())
    before = flat(trainer.params())
    trainer.params()[0]["weights"][:] = 0
    np.testing.assert_array_equal(flat(trainer.params()), before)


def test_no_array_is_changed_in_place() -> None:
    problem = make_problem(loss="softmax_cross_entropy", optimizer=Adam(0.1), batch_size=3)
    trainer = started(problem)
    for array in (problem.inputs, problem.targets, *trainer.state):
        array.flags.writeable = False
    before = trainer.state
    trainer.train(ORDER)
    assert all(old is not new for old, new in zip(before, trainer.state, strict=True))


@pytest.mark.parametrize("words", [False, True], ids=["dense", "words"])
def test_rows_are_predicted_a_batch_at_a_time(words: bool) -> None:
    problem = make_problem("sigmoid", words=words, batch_size=3)
    plain, sizes = arithmetic_of(problem), []

    def affine(x: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
        sizes.append(len(x))
        return plain.affine(x, weights, bias)

    trainer = ReferenceTrainer(problem, replace(plain, affine=affine))
    trainer.reset(draw_params(problem))
    found = trainer.predict(problem.inputs)
    assert sizes == [3, 3, 3, 3, 3, 3, 1, 1, 1]
    outputs = word_counts().dense() if words else problem.inputs
    for layer in draw_params(problem):
        outputs = 1 / (1 + np.exp(-(outputs @ layer["weights"] + layer["bias"])))
    np.testing.assert_allclose(found, outputs, rtol=1e-13)


def test_where_every_step_takes_all_rows_they_are_gathered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    monkeypatch.setattr(numpy_reference, "take", lambda inputs, rows: taken.append(len(rows)) or take(inputs, rows))
    for batch_size, wanted in ((ROWS, [ROWS]), (3, [3, 3])):
        taken.clear()
        problem = make_problem(batch_size=batch_size)
        started(problem).train(np.tile(ALL[:batch_size], (2, 1)))
        assert taken == wanted


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("words", [False, True], ids=["dense", "words"])
def test_a_training_stays_in_the_precision_of_its_arrays(words: bool, loss: str) -> None:
    exact = make_problem("sigmoid", loss, words=words, optimizer=Adam(0.01), batch_size=3)
    targets = exact.targets if loss == "softmax_cross_entropy" else exact.targets.astype(np.float32)
    single = replace(exact, inputs=exact.inputs.astype(np.float32), targets=targets)
    trainer = numpy_reference.open_trainer(single, replace(EXACT, precision="float32"))
    trainer.reset(map_params(lambda part: part.astype(np.float32), draw_params(single)))
    losses = trainer.train(ORDER)
    found = (losses, *trainer.state, trainer.predict(single.inputs))
    assert {array.dtype for array in found} == {np.dtype(np.float32)}
    np.testing.assert_allclose(losses, started(exact).train(ORDER), rtol=1e-5)


def test_it_computes_on_the_cpu_only() -> None:
    with pytest.raises(Unsupported, match=r"^NumPy computes on the CPU only$"):
        numpy_reference.open_trainer(make_problem(), replace(EXACT, device="gpu"))
    assert started(make_problem()).peak_device_memory_bytes() is None


def test_it_stands_in_no_list_of_backends_and_workers_find_it() -> None:
    assert REFERENCE.name not in BACKENDS
    assert REFERENCE.load() is numpy_reference  # type: ignore[comparison-overlap]
