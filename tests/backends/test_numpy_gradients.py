"""The reference itself: hand-written gradients against finite differences, optimizers against their formulas."""

from __future__ import annotations

import numpy as np
import pytest

from backends.contract import (
    SGD,
    Adam,
    Dense,
    EmbeddingSum,
    LayerParams,
    Momentum,
    Optimizer,
    Placement,
    Problem,
    Unsupported,
    WordCounts,
)
from backends.numpy_backend import NumpyTrainer, open_trainer
from backends.numpy_layers import BLOCK, make_update

CPU = Placement(mode="loop", device="cpu", precision="float64", threads=1)
ROWS, FEATURES, CLASSES = 7, 5, 3


def make_problem(activation: str, loss: str, *, words: bool = False, optimizer: Optimizer = SGD(1.0)) -> Problem:  # noqa: B008
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(ROWS, FEATURES))
    if words:
        lengths = np.array([2, 0, 3, 1, 1, 4, 2])
        numbers = np.concatenate([np.sort(rng.choice(FEATURES, n, replace=False)) for n in lengths])
        counts = rng.integers(1, 4, lengths.sum()).astype(float)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        inputs = WordCounts(starts, numbers.astype(np.int32), counts, FEATURES)
    classifies = loss == "softmax_cross_entropy"
    targets = rng.integers(0, CLASSES, ROWS).astype(np.int32) if classifies else rng.normal(size=(ROWS, CLASSES))
    first = EmbeddingSum if words else Dense
    layers = (first(FEATURES, 4, activation), Dense(4, CLASSES, "identity" if classifies else activation))
    return Problem(inputs, targets, layers, loss, optimizer, ROWS)


def draw_params(problem: Problem) -> tuple[LayerParams, ...]:
    rng = np.random.default_rng(2)
    return tuple(
        LayerParams(rng.normal(size=(layer.inputs, layer.outputs)), rng.normal(size=layer.outputs))
        for layer in problem.layers
    )


def one_step(problem: Problem, params: tuple[LayerParams, ...]) -> tuple[float, tuple[LayerParams, ...]]:
    trainer = open_trainer(problem, CPU)
    trainer.reset(params)
    losses = trainer.train(np.arange(ROWS, dtype=np.int32)[None])
    return float(losses[0]), trainer.params()


@pytest.mark.parametrize("words", [False, True], ids=["dense", "words"])
@pytest.mark.parametrize("loss", ["mse", "half_mse", "softmax_cross_entropy"])
@pytest.mark.parametrize("activation", ["identity", "sigmoid", "tanh", "relu"])
def test_gradients_are_those_of_finite_differences(activation: str, loss: str, words: bool) -> None:
    problem = make_problem(activation, loss, words=words)
    params = draw_params(problem)
    _, after = one_step(problem, params)
    step = 1e-6
    for layer, (before, moved) in enumerate(zip(params, after, strict=True)):
        for name in LayerParams._fields:
            gradient = getattr(before, name) - getattr(moved, name)
            numeric = np.empty_like(gradient)
            for index in np.ndindex(gradient.shape):
                ends = []
                for sign in (1, -1):
                    shifted = [LayerParams(part.weights.copy(), part.bias.copy()) for part in params]
                    getattr(shifted[layer], name)[index] += sign * step
                    ends.append(one_step(problem, tuple(shifted))[0])
                numeric[index] = (ends[0] - ends[1]) / (2 * step)
            np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-8)


def test_losses_are_those_of_their_formulas() -> None:
    for loss in ("mse", "half_mse", "softmax_cross_entropy"):
        problem = make_problem("identity", loss)
        params = draw_params(problem)
        trainer = open_trainer(problem, CPU)
        trainer.reset(params)
        outputs, targets = trainer.predict(problem.inputs), problem.targets
        if loss == "softmax_cross_entropy":
            expected = np.mean(np.log(np.exp(outputs).sum(axis=1)) - outputs[np.arange(ROWS), targets])
        else:
            expected = np.mean((outputs - targets) ** 2) / (2 if loss == "half_mse" else 1)
        assert one_step(problem, params)[0] == pytest.approx(expected, rel=1e-13)


def test_cross_entropy_of_large_outputs_is_finite() -> None:
    problem = make_problem("identity", "softmax_cross_entropy")
    params = tuple(LayerParams(layer.weights * 1e4, layer.bias) for layer in draw_params(problem))
    loss, after = one_step(problem, params)
    assert np.isfinite(loss)
    assert all(np.isfinite(part).all() for layer in after for part in layer)


def follow(optimizer: Optimizer, gradients: np.ndarray) -> np.ndarray:
    """Apply an optimizer to one vector by NumPy's update, and return where it ends."""
    p, g = np.linspace(-1, 1, gradients.shape[1]), np.empty(gradients.shape[1])
    update = make_update(optimizer, p, g)
    for gradient in gradients:
        g[:] = gradient
        update()
    return p


def test_sgd_follows_its_formula() -> None:
    gradients = np.random.default_rng(3).normal(size=(6, 8))
    np.testing.assert_allclose(follow(SGD(0.1), gradients), np.linspace(-1, 1, 8) - 0.1 * gradients.sum(axis=0))


def test_momentum_follows_its_formula() -> None:
    gradients = np.random.default_rng(3).normal(size=(6, 8))
    p, v = np.linspace(-1, 1, 8), np.zeros(8)
    for g in gradients:
        v = 0.7 * v + g
        p = p - 0.1 * v
    np.testing.assert_allclose(follow(Momentum(0.1, 0.7), gradients), p, rtol=1e-14)


@pytest.mark.parametrize("size", [8, BLOCK + 5], ids=["one block", "more than a block"])
def test_adam_follows_its_formula(size: int) -> None:
    gradients = np.random.default_rng(3).normal(size=(6, size))
    p, m, v = np.linspace(-1, 1, size), np.zeros(size), np.zeros(size)
    for t, g in enumerate(gradients, start=1):
        m = 0.8 * m + 0.2 * g
        v = 0.9 * v + 0.1 * g**2
        p = p - 0.01 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.9**t)) + 1e-3)
    np.testing.assert_allclose(follow(Adam(0.01, 0.8, 0.9, 1e-3), gradients), p, rtol=1e-12)


def test_reset_clears_the_optimizer_so_that_training_repeats_bit_for_bit() -> None:
    problem = make_problem("tanh", "mse", optimizer=Adam(0.01))
    params, order = draw_params(problem), np.tile(np.arange(ROWS, dtype=np.int32), (5, 1))
    trainer = open_trainer(problem, CPU)
    runs = []
    for _ in range(2):
        trainer.reset(params)
        runs.append((trainer.train(order), trainer.params()))
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    for first, second in zip(runs[0][1], runs[1][1], strict=True):
        np.testing.assert_array_equal(first.weights, second.weights)


def test_predicting_many_rows_at_once_gives_what_predicting_each_gives() -> None:
    problem = make_problem("relu", "mse", words=True)
    trainer = NumpyTrainer(problem, CPU)
    trainer.reset(draw_params(problem))
    outputs = trainer.predict(problem.inputs)
    dense = problem.inputs.dense()
    params = trainer.params()
    hidden = np.maximum(dense @ params[0].weights + params[0].bias, 0)
    np.testing.assert_allclose(outputs, np.maximum(hidden @ params[1].weights + params[1].bias, 0), rtol=1e-13)


def test_a_gpu_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="CPU only"):
        open_trainer(make_problem("relu", "mse"), Placement(mode="loop", device="gpu", precision="float64", threads=1))
