"""How many operations a model needs, held against numbers worked out by hand."""

from __future__ import annotations

import numpy as np

from backends.contract import SGD, Array, Dense, EmbeddingSum, Inputs, Layer, Problem, WordCounts
from bench.tasks import TASKS
from bench.tasks.flops import flops_per_pass
from bench.tasks.seeding import full_order


def problem(inputs: Inputs, *layers: Layer, batch_size: int = 2) -> Problem:
    """Return a problem; neither targets nor optimizer have matrix products."""
    return Problem(inputs, np.zeros(len(inputs)), layers, "mse", SGD(0.1), batch_size)


def zeros(rows: int, features: int) -> Array:
    """Return inputs in the memory of one number."""
    return np.broadcast_to(np.float32(0), (rows, features))


def order(steps: int, batch: int) -> Array:
    return np.zeros((steps, batch), np.int32)


def test_mnist_takes_27_gflop_a_pass() -> None:
    layers = Dense(784, 128, "relu"), Dense(128, 64, "relu"), Dense(64, 10, "identity")
    rows = 60_000 // 64 * 64  # the others fill no batch
    forward = 2 * (784 * 128 + 128 * 64 + 64 * 10)
    by_weights = forward
    by_inputs = 2 * (128 * 64 + 64 * 10)  # not by the images
    assert rows == 59_968
    assert rows * (forward + by_weights + by_inputs) == rows * (4 * 784 * 128 + 6 * 128 * 64 + 6 * 64 * 10)
    found = flops_per_pass(problem(zeros(60_000, 784), *layers, batch_size=64), order(937, 64))
    assert found == rows * (forward + by_weights + by_inputs) == 27_249_459_200


def test_lenet_takes_136_gflop_a_pass() -> None:
    images = np.broadcast_to(np.float32(0), (60_000, 28, 28, 1))
    first, second = 2 * 28 * 28 * 6 * (5 * 5 * 1), 2 * 10 * 10 * 16 * (5 * 5 * 6)
    dense = 2 * (400 * 120 + 120 * 84 + 84 * 10)
    found = flops_per_pass(problem(images, *TASKS["mnist_cnn"].layers, batch_size=64), order(937, 64))
    assert found == 59_968 * (2 * first + 3 * (second + dense)) == 135_762_754_560


def test_a_single_layer_needs_no_gradient_by_its_inputs() -> None:
    assert flops_per_pass(problem(zeros(10, 7), Dense(7, 3, "identity")), order(5, 2)) == 4 * 7 * 3 * 5 * 2


def test_a_second_layer_needs_it() -> None:
    layers = Dense(7, 3, "tanh"), Dense(3, 2, "identity")
    assert flops_per_pass(problem(zeros(10, 7), *layers), order(5, 2)) == (4 * 7 * 3 + 6 * 3 * 2) * 10


def test_a_full_batch_takes_all_rows_in_every_step() -> None:
    whole = problem(zeros(100, 1), Dense(1, 10, "sigmoid"), Dense(10, 1, "identity"), batch_size=100)
    assert flops_per_pass(whole, full_order(100, 1000)) == 100 * 1000 * (4 * 10 + 6 * 10)


def test_only_the_rows_that_are_trained_with_count() -> None:
    assert flops_per_pass(problem(zeros(1000, 7), Dense(7, 3, "identity")), order(1, 2)) == 4 * 7 * 3 * 2


def words(*lengths: int) -> WordCounts:
    """Return documents of so many different words, each of which occurs three times."""
    starts = np.cumsum((0, *lengths))
    return WordCounts(starts, np.concatenate([np.arange(length) for length in lengths]), np.full(starts[-1], 3.0), 50)


def test_of_word_counts_only_the_words_that_occur_count() -> None:
    counts = words(4, 0, 9)
    taken = np.array([[0, 1], [2, 2], [0, 2]], np.int32)  # 4 + 0, 9 + 9, 4 + 9 words
    layers = EmbeddingSum(50, 5, "relu"), Dense(5, 3, "identity")
    assert flops_per_pass(problem(counts, *layers), taken) == 4 * 35 * 5 + 6 * 5 * 3 * 6


def test_the_same_words_as_a_matrix_count_with_their_zeros() -> None:
    counts = words(4, 0, 9)
    layers = Dense(50, 5, "relu"), Dense(5, 3, "identity")
    assert flops_per_pass(problem(counts.dense(), *layers), order(3, 2)) == (4 * 50 * 5 + 6 * 5 * 3) * 6


def test_the_number_is_whole_and_of_any_size() -> None:
    found = flops_per_pass(problem(zeros(2, 10**6), Dense(10**6, 10**6, "identity")), order(10**6, 2))
    assert found == 8 * 10**18
    assert type(found) is int
    assert type(flops_per_pass(problem(words(1, 2), EmbeddingSum(50, 5, "relu")), order(1, 2))) is int
