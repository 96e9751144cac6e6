"""Small synthetic trainings of several kinds, for checks that take milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from backends.contract import (
    SGD,
    Adam,
    Array,
    Attention,
    AveragePool2d,
    Conv2d,
    Dense,
    Embedding,
    EmbeddingSum,
    Flatten,
    Inputs,
    LayerNorm,
    MaxPool2d,
    MeanPool,
    Momentum,
    Params,
    Precision,
    Problem,
    Residual,
    RMSNorm,
    WordCounts,
    map_params,
)
from bench.tasks.seeding import epoch_order, full_order, initial_params

STEPS = 5  # of a pass: an odd number, so that alternating behaviour is noticed


@dataclass(frozen=True)
class Case:
    """A training with initial weights and order. Its arrays are writable, so that a backend that writes is found."""

    name: str
    problem: Problem
    initial: Params
    order: Array  # of one pass, int32 [STEPS, batch]
    unseen: Inputs  # rows to predict; their number differs from the batch size

    def request(self, rows: int, first: int) -> Inputs:
        """Return so many rows from `first` on, counted on from the beginning after the last one."""
        ids = (first + np.arange(rows)) % len(self.unseen)
        return self.unseen.rows(ids) if isinstance(self.unseen, WordCounts) else self.unseen[ids]

    def other_params(self) -> Params:
        """Return other initial parameters."""
        return map_params(lambda part: 0.5 * part + 0.1, self.initial)

    def other_order(self) -> Array:
        """Return another order of the rows, int32 [STEPS, batch]; the same one if each step takes all rows."""
        return self.order if self.problem.full_batch else self.order[::-1].copy()


def _params(problem: Problem, dtype: Precision) -> Params:
    initial = initial_params(problem.layers, "uniform", seed=0)
    return map_params(lambda part: part.astype(dtype), initial)


def _case(name: str, problem: Problem, unseen: Inputs, precision: Precision) -> Case:
    rows = len(problem.inputs)
    if problem.full_batch:
        order = full_order(rows, STEPS).copy()
    else:
        epochs = [epoch_order(rows, problem.batch_size, seed=0, epoch=epoch) for epoch in range(STEPS)]
        order = np.concatenate(epochs)[:STEPS]
    return Case(name, problem, _params(problem, precision), order, unseen)


def classification(precision: Precision) -> Case:
    """Return a softmax classifier in mini-batches, with momentum: 48 rows, 5-7-3, 16 a step."""
    rng = np.random.default_rng(1)
    inputs = rng.standard_normal((48, 5)).astype(precision)
    targets = rng.integers(0, 3, 48, dtype=np.int32)
    layers = (Dense(5, 7, "relu"), Dense(7, 3, "identity"))
    problem = Problem(inputs, targets, layers, "softmax_cross_entropy", Momentum(0.1), batch_size=16)
    return _case("classes in mini-batches, Momentum", problem, inputs[:11].copy(), precision)


def regression(precision: Precision) -> Case:
    """Return a regression that takes all rows in every step, with Adam: 20 rows, 3-4-2."""
    rng = np.random.default_rng(2)
    inputs = rng.standard_normal((20, 3)).astype(precision)
    targets = rng.standard_normal((20, 2)).astype(precision)
    layers = (Dense(3, 4, "sigmoid"), Dense(4, 2, "identity"))
    problem = Problem(inputs, targets, layers, "mse", Adam(0.01), batch_size=20)
    return _case("numbers by all rows, Adam", problem, np.concatenate([inputs, inputs[:5]]), precision)


def line(precision: Precision) -> Case:
    """Return the smallest training: a line, all rows in every step, with SGD: 12 rows, 2-1."""
    rng = np.random.default_rng(4)
    inputs = rng.standard_normal((12, 2)).astype(precision)
    targets = rng.standard_normal((12, 1)).astype(precision)
    problem = Problem(inputs, targets, (Dense(2, 1, "identity"),), "half_mse", SGD(0.1), batch_size=12)
    return _case("a line by all rows, SGD", problem, inputs[:7].copy(), precision)


def words(precision: Precision) -> Case:
    """Return a classifier of documents by sums of word embeddings, with Adam: 24 documents, 30-6-3, 8 a step."""
    rng = np.random.default_rng(3)
    targets = rng.integers(0, 3, 24, dtype=np.int32)
    layers = (EmbeddingSum(30, 6, "relu"), Dense(6, 3, "identity"))
    problem = Problem(
        _documents(rng, 24).astype(precision), targets, layers, "softmax_cross_entropy", Adam(0.01), batch_size=8
    )
    return _case("word counts, Adam", problem, _documents(rng, 5).astype(precision), precision)


def images(precision: Precision) -> Case:
    """Return a classifier of images by convolutions and pools, with momentum: 24 images of 8 by 8, 8 a step.

    The second convolution has another stride, a kernel that is not square, and padding at two sides only.
    """
    rng = np.random.default_rng(5)
    inputs = rng.standard_normal((24, 8, 8, 2)).astype(precision)
    targets = rng.integers(0, 3, 24, dtype=np.int32)
    layers = (
        Conv2d(inputs=2, outputs=3, kernel=(3, 3), stride=1, padding=(1, 1, 1, 1), activation="relu"),
        MaxPool2d(2),
        Conv2d(inputs=3, outputs=4, kernel=(3, 2), stride=2, padding=(0, 1, 1, 0), activation="tanh"),
        AveragePool2d(2),
        Flatten(),
        Dense(4, 3, "identity"),
    )
    problem = Problem(inputs, targets, layers, "softmax_cross_entropy", Momentum(0.1), batch_size=8)
    return _case("images, Momentum", problem, inputs[:5].copy(), precision)


def sequences(precision: Precision) -> Case:
    """Return a classifier of documents by attention, with momentum: 24 documents of up to 10 words, 8 a step.

    It is not Adam, which would make steps of rounding for the bias of the key (see `Attention`).
    """
    rng = np.random.default_rng(6)
    width, norm = 8, LayerNorm(width=8, epsilon=1e-5)
    layers = (
        Embedding(words=20, positions=10, width=width),
        Residual((norm, Attention(width=width, heads=2))),
        Residual((norm, Dense(width, 12, "gelu"), Dense(12, width, "identity"))),
        norm,
        MeanPool(),
        Dense(width, 3, "identity"),
    )
    drawn = rng.integers(1, 20, (29, 10), dtype=np.int32)
    ids = np.where(np.arange(10) < rng.integers(1, 11, (29, 1)), drawn, 0).astype(np.int32)
    targets = rng.integers(0, 3, 24, dtype=np.int32)
    problem = Problem(ids[:24].copy(), targets, layers, "softmax_cross_entropy", Momentum(0.1), batch_size=8)
    return _case("sequences, Momentum", problem, ids[24:].copy(), precision)


def normalized(precision: Precision) -> Case:
    """Return a regression with a normalization by the root mean square, with momentum: 24 rows, 5-8-2, 8 a step."""
    rng = np.random.default_rng(7)
    inputs = rng.standard_normal((24, 5)).astype(precision)
    targets = rng.standard_normal((24, 2)).astype(precision)
    layers = (Dense(5, 8, "tanh"), RMSNorm(width=8, epsilon=1e-3), Dense(8, 2, "identity"))
    problem = Problem(inputs, targets, layers, "mse", Momentum(0.1), batch_size=8)
    return _case("numbers normalized, Momentum", problem, inputs[:5].copy(), precision)


def _documents(rng: np.random.Generator, documents: int, vocabulary: int = 30) -> WordCounts:
    lengths = rng.integers(2, 9, documents)
    chosen = [np.sort(rng.choice(vocabulary, length, replace=False)) for length in lengths]
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    counts = rng.integers(1, 4, int(starts[-1])).astype(np.float64)
    return WordCounts(starts, np.concatenate(chosen).astype(np.int32), counts, vocabulary)


CASES: tuple[Callable[[Precision], Case], ...] = (
    *(classification, regression, line),
    *(words, images, sequences, normalized),
)


def copied(case: Case) -> Case:
    """Return the case with copies of its arrays."""
    problem = replace(case.problem, inputs=_copy(case.problem.inputs), targets=case.problem.targets.copy())
    initial = map_params(np.copy, case.initial)
    return replace(case, problem=problem, initial=initial, order=case.order.copy(), unseen=_copy(case.unseen))


def arrays(case: Case) -> dict[str, Array]:
    """Return every array that a backend gets, by a name for people."""
    found = {"problem.targets": case.problem.targets, "order": case.order}
    for name, inputs in (("problem.inputs", case.problem.inputs), ("inputs of predict", case.unseen)):
        if isinstance(inputs, WordCounts):
            found |= {f"{name}.{part}": getattr(inputs, part) for part in ("starts", "words", "counts")}
        else:
            found[name] = inputs
    for number, layer in enumerate(case.initial, start=1):
        found |= {f"params, {part} of layer {number}": array for part, array in layer.items()}
    return found


def _copy(inputs: Inputs) -> Inputs:
    if isinstance(inputs, WordCounts):
        return WordCounts(inputs.starts.copy(), inputs.words.copy(), inputs.counts.copy(), inputs.vocabulary)
    return inputs.copy()
