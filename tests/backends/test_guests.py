"""The guests: what their worker processes load, and what is used of others' code that its authors may change."""

from __future__ import annotations

import json

import numpy as np
import pytest
from loaded import FILE, LoadedRequest
from support import Tracer, a_job, a_row, no_files, require

from backends import numpy_backend
from backends.contract import (
    SGD,
    Dense,
    EmbeddingSum,
    Momentum,
    Params,
    Placement,
    Problem,
    Unsupported,
    WordCounts,
    parts,
)
from backends.registry import BUILT_IN
from bench.harness.protocol import Done
from bench.tasks import TASKS
from bench.tasks.training import make_training


@pytest.mark.parametrize(
    ("name", "mode"), [(f"keras-{framework}", "fit") for framework in ("tensorflow", "jax", "torch")]
)
def test_keras_trains_on_the_framework_it_is_to_and_loads_neither_of_the_two_large_ones_beside_it(
    name: str, mode: str, tracer: Tracer
) -> None:
    """In the process in which all other tests train by it."""
    row = a_row("linear_fit_minibatch", name, mode)
    require(row)
    request = LoadedRequest(job=a_job(row), backend=BUILT_IN[name], folder=str(tracer.folder))
    assert tracer.worker(row).run(request, 120) == Done()
    loaded = set(json.loads((tracer.folder / FILE).read_text()))
    (framework,) = BUILT_IN[name].also_needs
    # Keras itself loads jax where it is installed, by way of a callback for checkpoints, and does not use it.
    assert loaded & {"tensorflow", "torch"} == {framework} - {"jax"}
    assert {"keras", framework} <= loaded


def some_params(layers: tuple[Dense | EmbeddingSum, ...], rng: np.random.Generator) -> Params:
    return tuple({name: rng.normal(size=shape) for name, shape in layer.shapes().items()} for layer in layers)


def placed(mode: str) -> Placement:
    return Placement(mode=mode, device="cpu", precision="float64", threads=1)


def test_the_losses_that_scikit_learn_is_made_to_keep_have_the_mean_that_it_keeps_itself() -> None:
    sklearn_backend = pytest.importorskip("backends.sklearn_backend")
    training = make_training(TASKS["linear_fit_minibatch"], "float64", no_files)
    trainer = sklearn_backend.open_trainer(training.problem, placed("partial_fit"))
    trainer.reset(training.initial)
    losses = trainer.train(training.orders[0])
    assert len(losses) == training.steps_per_pass
    assert losses[0] > 2 * losses[-1]
    assert trainer.estimator.loss_ == pytest.approx(losses.mean(), rel=1e-12)


def problem(*layers: Dense, loss: str) -> Problem:
    rows = np.zeros((4, layers[0].inputs))
    targets = np.arange(4, dtype=np.int32) if loss == "softmax_cross_entropy" else np.zeros((4, layers[-1].outputs))
    return Problem(rows, targets, layers, loss, SGD(0.1), 4)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("layers", "loss", "reason"),
    [
        ((Dense(2, 3, "relu"), Dense(3, 3, "tanh"), Dense(3, 1, "identity")), "mse", "one activation"),
        ((Dense(2, 2, "identity"),), "softmax_cross_entropy", "fewer than three classes"),
        ((Dense(2, 1, "relu"),), "half_mse", "no relu at the output"),
    ],
)
def test_scikit_learn_refuses_combinations_that_it_has_not(layers: tuple[Dense, ...], loss: str, reason: str) -> None:
    sklearn_backend = pytest.importorskip("backends.sklearn_backend")
    assert reason in sklearn_backend.refusal(problem(*layers, loss=loss))


def test_scikit_learn_refuses_an_activation_that_it_has_not() -> None:
    sklearn_backend = pytest.importorskip("backends.sklearn_backend")
    with pytest.raises(Unsupported, match="backend of scikit-learn has no gelu"):
        sklearn_backend.open_trainer(
            problem(Dense(2, 3, "gelu"), Dense(3, 1, "identity"), loss="mse"), placed("partial_fit")
        )


@pytest.mark.parametrize("loss", ["mse", "half_mse"])
@pytest.mark.parametrize("optimizer", [SGD(0.1), Momentum(0.1)])
def test_scikit_learn_averages_over_several_outputs_as_the_contract_does(loss: str, optimizer: object) -> None:
    sklearn_backend = pytest.importorskip("backends.sklearn_backend")
    rng = np.random.default_rng(0)
    layers = (Dense(5, 4, "tanh"), Dense(4, 3, "identity"))
    inputs, targets = rng.normal(size=(12, 5)), rng.normal(size=(12, 3))
    given = Problem(inputs, targets, layers, loss, optimizer, 6)  # type: ignore[arg-type]
    start = some_params(layers, rng)
    order = rng.permutation(12).reshape(2, 6).astype(np.int32)
    ends = []
    for backend in (sklearn_backend, numpy_backend):
        trainer = backend.open_trainer(given, placed("loop"))
        trainer.reset(start)
        losses = np.concatenate([trainer.train(order), trainer.train(order)])
        ends.append((losses, trainer.predict(inputs), *(part for part in parts(trainer.params()))))
    for mine, right in zip(*ends, strict=True):
        np.testing.assert_allclose(mine, right, rtol=1e-12, atol=1e-14)


def test_scikit_learn_takes_word_counts_as_a_sparse_matrix() -> None:
    sklearn_backend = pytest.importorskip("backends.sklearn_backend")
    rng = np.random.default_rng(0)
    starts = np.array([0, 2, 2, 5, 6, 8, 9])
    words = np.array([0, 3, 1, 2, 3, 4, 0, 4, 2], np.int32)
    counts = WordCounts(starts, words, rng.integers(1, 5, len(words)).astype(float), 5)
    layers = (EmbeddingSum(5, 4, "relu"), Dense(4, 3, "identity"))
    given = Problem(counts, np.array([0, 1, 2, 0, 1, 2], np.int32), layers, "softmax_cross_entropy", SGD(0.1), 3)
    start = some_params(layers, rng)
    order = rng.permutation(6).reshape(2, 3).astype(np.int32)
    ends = []
    for backend in (sklearn_backend, numpy_backend):
        trainer = backend.open_trainer(given, placed("loop"))
        trainer.reset(start)
        ends.append((trainer.train(order), trainer.predict(counts), trainer.params()[0]["weights"]))
    for mine, right in zip(*ends, strict=True):
        np.testing.assert_allclose(mine, right, rtol=1e-12, atol=1e-14)
