"""NumPy written for speed against the reference: the same numbers to rounding, in every setting."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support import draw_params

from backends import numpy_backend, numpy_layers, numpy_reference
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
    parts,
)
from backends.numpy_affine import ACTIVATE, BACK_THROUGH
from backends.numpy_backend import PREDICT_ROWS
from backends.numpy_layers import BLOCK, LOSSES

CPU = Placement(mode="loop", device="cpu", precision="float64", threads=1)
ROWS, FEATURES, CLASSES = 7, 5, 3
STEPS = 4
OPTIMIZERS = [SGD(0.1), Momentum(0.1, 0.7), Adam(0.01), Adam(0.01, 0.8, 0.9, 1e-3), Adam(0.01, 0.0)]


def make_problem(
    activation: str = "tanh",
    loss: str = "mse",
    *,
    words: bool = False,
    optimizer: Optimizer = SGD(0.1),  # noqa: B008
    batch_size: int = ROWS,
    rows: int = ROWS,
    features: int = FEATURES,
) -> Problem:
    rng = np.random.default_rng(1)
    inputs: Any = rng.normal(size=(rows, features))
    if words:
        lengths = rng.integers(0, features, rows)
        numbers = np.concatenate([np.sort(rng.choice(features, n, replace=False)) for n in lengths])
        counts = rng.integers(1, 4, lengths.sum()).astype(float)
        inputs = WordCounts(np.concatenate([[0], np.cumsum(lengths)]), numbers.astype(np.int32), counts, features)
    classifies = loss == "softmax_cross_entropy"
    targets = rng.integers(0, CLASSES, rows).astype(np.int32) if classifies else rng.normal(size=(rows, CLASSES))
    first = EmbeddingSum if words else Dense
    last = "identity" if classifies else activation
    layers = (first(features, 4, activation), Dense(4, 2, activation), Dense(2, CLASSES, last))
    return Problem(inputs, targets, layers, loss, optimizer, batch_size)


def orders(problem: Problem) -> np.ndarray:
    """Return the rows of each step, int32 [steps, batch]."""
    rng = np.random.default_rng(3)
    rows = len(problem.inputs)
    steps = [np.arange(rows) if problem.full_batch else rng.permutation(rows) for _ in range(STEPS)]
    return np.array(steps, np.int32)[:, : problem.batch_size]


def results(backend: Any, problem: Problem) -> list[np.ndarray]:
    """Return losses, predictions, weights and biases after a few steps in two calls."""
    trainer = backend.open_trainer(problem, CPU)
    trainer.reset(draw_params(problem))
    order = orders(problem)
    losses = np.concatenate([trainer.train(order[:1]), trainer.train(order[1:])])
    return [losses, trainer.predict(problem.inputs), *parts(trainer.params())]


def assert_same(problem: Problem) -> None:
    """Raise `AssertionError` unless NumPy's training is the reference's, to 1e-12 of each array's largest number."""
    for mine, right in zip(results(numpy_backend, problem), results(numpy_reference, problem), strict=True):
        np.testing.assert_allclose(mine, right, rtol=0, atol=1e-12 * np.abs(right).max())


@pytest.mark.parametrize("batch_size", [3, ROWS])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("words", [False, True], ids=["dense", "words"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATE)
def test_it_trains_as_the_reference_does(
    activation: str, loss: str, words: bool, optimizer: Optimizer, batch_size: int
) -> None:
    assert_same(make_problem(activation, loss, words=words, optimizer=optimizer, batch_size=batch_size))


def test_more_parameters_than_a_block_of_adam_are_trained_alike() -> None:
    problem = make_problem(optimizer=Adam(0.01), features=BLOCK // 4 + 10)
    assert (problem.layers[0].inputs + 1) * problem.layers[0].outputs > BLOCK
    assert_same(problem)


@pytest.mark.parametrize("words", [False, True], ids=["dense", "words"])
def test_more_rows_than_are_predicted_at_once_are_predicted_alike(words: bool) -> None:
    assert_same(make_problem(words=words, batch_size=3, rows=PREDICT_ROWS + 5))


def _doubled_loss(outputs: np.ndarray, targets: np.ndarray, gradient: np.ndarray) -> float:
    return 2 * numpy_layers.mse(outputs, targets, gradient)


def _leaking(gradient: np.ndarray, outputs: np.ndarray) -> None:
    gradient *= (outputs > 0) + 1e-9


@pytest.mark.parametrize(
    ("table", "name", "planted"),
    [
        pytest.param(LOSSES, "mse", _doubled_loss, id="a loss that is twice as large"),
        pytest.param(BACK_THROUGH, "relu", _leaking, id="a derivative off by 1e-9"),
        pytest.param(ACTIVATE, "relu", lambda z: np.abs(z, out=z), id="another activation"),
    ],
)
def test_a_departure_from_the_reference_is_seen(
    table: dict[str, Any], name: str, planted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(table, name, planted)
    with pytest.raises(AssertionError):
        assert_same(make_problem("relu"))


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_another_optimizer_than_the_references_is_seen(optimizer: Optimizer, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = numpy_layers.make_update

    def planted(settings: Optimizer, p: np.ndarray, g: np.ndarray) -> Any:
        return plain(replace(settings, learning_rate=settings.learning_rate * (1 + 1e-9)), p, g)

    monkeypatch.setattr(numpy_backend, "make_update", planted)
    with pytest.raises(AssertionError):
        assert_same(make_problem(optimizer=optimizer))


def test_cross_entropy_of_large_outputs_is_finite() -> None:
    problem = make_problem("identity", "softmax_cross_entropy")
    trainer = numpy_backend.open_trainer(problem, CPU)
    trainer.reset(tuple({**layer, "weights": layer["weights"] * 1e4} for layer in draw_params(problem)))
    losses = trainer.train(orders(problem)[:1])
    assert np.isfinite(losses).all()
    assert all(np.isfinite(part).all() for part in parts(trainer.params()))


def test_reset_clears_the_optimizer_so_that_training_repeats_bit_for_bit() -> None:
    problem = make_problem(optimizer=Adam(0.01))
    trainer = numpy_backend.open_trainer(problem, CPU)
    runs = []
    for _ in range(2):
        trainer.reset(draw_params(problem))
        runs.append((trainer.train(orders(problem)), trainer.params()))
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    for first, second in zip(runs[0][1], runs[1][1], strict=True):
        np.testing.assert_array_equal(first["weights"], second["weights"])
        np.testing.assert_array_equal(first["bias"], second["bias"])


def test_a_gpu_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="CPU only"):
        numpy_backend.open_trainer(make_problem(), replace(CPU, device="gpu"))
