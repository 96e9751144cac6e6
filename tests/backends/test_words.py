"""Word counts: what is stored, and the flat and padded forms that frameworks are given."""

from __future__ import annotations

import numpy as np
import pytest

from backends.words import Bags, WordCounts

MATRIX = np.array(
    [
        [0, 2, 0, 1, 0],
        [0, 0, 0, 0, 0],
        [3, 0, 0, 0, 0],
        [1, 1, 1, 1, 4],
        [0, 0, 0, 0, 0],
    ],
    np.float64,
)


def counts_of(matrix: np.ndarray) -> WordCounts:
    starts = np.concatenate([[0], np.cumsum((matrix > 0).sum(axis=1))]).astype(np.int64)
    rows, words = np.nonzero(matrix)
    return WordCounts(starts, words.astype(np.int32), matrix[rows, words], matrix.shape[1])


def summed(bags: Bags, documents: int, vocabulary: int) -> np.ndarray:
    """Add the entries up as a framework does."""
    matrix = np.zeros((documents, vocabulary))
    np.add.at(matrix, (bags.documents, bags.words), bags.counts)
    return matrix


def random_matrix(seed: int, documents: int = 30, vocabulary: int = 17) -> np.ndarray:
    rng = np.random.default_rng(seed)
    matrix = rng.poisson(0.4, (documents, vocabulary)).astype(np.float64)
    matrix[rng.integers(documents, size=4)] = 0
    return matrix


def test_there_are_as_many_documents_as_rows() -> None:
    assert len(counts_of(MATRIX)) == 5


def test_lengths_count_different_words() -> None:
    assert counts_of(MATRIX).lengths().tolist() == [2, 0, 1, 5, 0]


@pytest.mark.parametrize("seed", range(5))
def test_dense_gives_the_matrix_back(seed: int) -> None:
    matrix = random_matrix(seed)
    np.testing.assert_array_equal(counts_of(matrix).dense(), matrix)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_astype_casts_the_counts_alone(dtype: str) -> None:
    counts = counts_of(MATRIX)
    cast = counts.astype(dtype)
    assert cast.counts.dtype == np.dtype(dtype)
    assert cast.dense().dtype == np.dtype(dtype)
    assert cast.words.dtype == np.int32
    assert cast.vocabulary == 5
    assert counts.counts.dtype == np.float64
    np.testing.assert_array_equal(cast.dense(), MATRIX)


@pytest.mark.parametrize(
    "rows", [[0], [3, 0], [4, 3, 2, 1, 0], [1, 4], [1, 0, 1, 3, 4], [2, 2, 2], []], ids=lambda rows: str(rows)
)
def test_bags_hold_the_chosen_documents_in_that_order(rows: list[int]) -> None:
    chosen = np.array(rows, np.int32)
    bags = counts_of(MATRIX).bags(chosen)
    np.testing.assert_array_equal(summed(bags, len(rows), 5), MATRIX[chosen])
    assert len(bags.words) == len(bags.counts) == len(bags.documents) == np.count_nonzero(MATRIX[chosen])


@pytest.mark.parametrize("seed", range(5))
def test_documents_of_bags_ascend(seed: int) -> None:
    matrix = random_matrix(seed)
    rows = np.random.default_rng(seed).permutation(len(matrix)).astype(np.int32)
    bags = counts_of(matrix).bags(rows)
    assert (np.diff(bags.documents) >= 0).all()
    np.testing.assert_array_equal(summed(bags, len(rows), matrix.shape[1]), matrix[rows])


def test_bags_of_empty_documents_are_empty_and_keep_their_types() -> None:
    bags = counts_of(MATRIX).bags(np.array([1, 4], np.int32))
    assert bags.words.shape == bags.counts.shape == bags.documents.shape == (0,)
    assert bags.words.dtype == bags.documents.dtype == np.int32
    assert bags.counts.dtype == np.float64


def test_documents_without_any_word_at_all_are_a_matrix_of_zeros() -> None:
    counts = counts_of(np.zeros((3, 4)))
    np.testing.assert_array_equal(counts.dense(), np.zeros((3, 4)))
    assert counts.capacity(2) == 1
    padded = counts.padded_bags(np.array([[0, 1]], np.int32), 1)
    assert padded.counts.tolist() == [[0.0]]


@pytest.mark.parametrize("capacity", [6, 7, 50])
def test_padded_bags_keep_a_capacity_that_suffices(capacity: int) -> None:
    order = np.array([[3, 2], [1, 4], [0, 2]], np.int32)  # 6, 0 and 3 entries
    padded = counts_of(MATRIX).padded_bags(order, capacity)
    assert all(part.shape == (3, capacity) for part in padded)


@pytest.mark.parametrize(("capacity", "expected"), [(1, 8), (2, 8), (3, 6), (5, 10), (4, 8)])
def test_padded_bags_double_the_capacity_until_the_largest_step_fits(capacity: int, expected: int) -> None:
    order = np.array([[1, 4], [3, 2]], np.int32)  # 0 and 6 entries
    padded = counts_of(MATRIX).padded_bags(order, capacity)
    assert all(part.shape == (2, expected) for part in padded)


@pytest.mark.parametrize("capacity", [1, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_padded_bags_hold_every_step(seed: int, capacity: int) -> None:
    matrix = random_matrix(seed)
    order = np.random.default_rng(seed).permutation(len(matrix)).astype(np.int32).reshape(5, 6)
    padded = counts_of(matrix).padded_bags(order, capacity)
    for step, rows in enumerate(order):
        bags = Bags(*(part[step] for part in padded))
        np.testing.assert_array_equal(summed(bags, 6, matrix.shape[1]), matrix[rows])
        assert (np.diff(bags.documents) >= 0).all()


def test_padding_is_word_zero_no_times_in_the_last_document() -> None:
    padded = counts_of(MATRIX).padded_bags(np.array([[0, 2, 1]], np.int32), 5)  # 3 entries
    assert padded.words[0, 3:].tolist() == [0, 0]
    assert padded.counts[0, 3:].tolist() == [0, 0]
    assert padded.documents[0, 3:].tolist() == [2, 2]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_padded_bags_keep_their_types(dtype: str) -> None:
    padded = counts_of(MATRIX).astype(dtype).padded_bags(np.array([[0, 1]], np.int32), 4)
    assert [part.dtype for part in padded] == [np.dtype("int32"), np.dtype(dtype), np.dtype("int32")]


@pytest.mark.parametrize("batch", [1, 2, 5, 29, 30])
@pytest.mark.parametrize("seed", range(3))
def test_capacity_never_exceeds_what_the_longest_documents_hold_together(seed: int, batch: int) -> None:
    counts = counts_of(random_matrix(seed))
    assert 1 <= counts.capacity(batch) <= np.sort(counts.lengths())[-batch:].sum()


def test_capacity_for_all_documents_is_what_they_hold() -> None:
    assert counts_of(MATRIX).capacity(5) == 8


def test_capacity_for_documents_of_one_length_is_exact() -> None:
    assert counts_of(np.ones((9, 4))).capacity(3) == 12


def test_hardly_any_random_batch_exceeds_the_capacity() -> None:
    rng = np.random.default_rng(0)
    counts = counts_of((rng.random((400, 60)) < rng.random((400, 1))).astype(np.float64))
    capacity = counts.capacity(20)
    batches = np.stack([rng.permutation(400)[:20] for _ in range(500)])
    assert counts.lengths()[batches].sum(axis=1).max() <= capacity
    assert capacity < np.sort(counts.lengths())[-20:].sum()  # so that the bound is not what held
