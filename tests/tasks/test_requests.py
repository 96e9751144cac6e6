"""Requests: evaluation rows that are never twice the same, and always of the same shape."""

from __future__ import annotations

import numpy as np

from backends.contract import WordCounts
from bench.tasks.requests import CHANGE, changed_rows, joined, shape_of

IDS = np.array([2, 0, 2])
TEXTS = WordCounts(
    np.array([0, 2, 3, 6], np.int64), np.array([1, 4, 2, 0, 1, 3], np.int32), np.ones(6, np.float32), vocabulary=5
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_numbers_are_multiplied_by_a_factor_of_the_row_that_is_far_from_rounding() -> None:
    inputs = np.ones((3, 2, 4), np.float32)
    found = changed_rows(inputs, IDS, rng())
    assert isinstance(found, np.ndarray)
    assert (found.shape, found.dtype) == ((3, 2, 4), inputs.dtype)
    factors = found[:, 0, 0]
    assert np.array_equal(found, np.broadcast_to(factors[:, None, None], found.shape))
    assert np.all(np.abs(factors - 1) <= CHANGE)
    assert len(set(factors)) == len(IDS)  # the same row twice is two requests
    assert not np.array_equal(found, changed_rows(inputs, IDS, rng(1)))


def test_words_stay_and_their_counts_change() -> None:
    found = changed_rows(TEXTS, IDS, rng())
    assert isinstance(found, WordCounts)
    assert found.words.tolist() == [0, 1, 3, 1, 4, 0, 1, 3]
    assert found.starts.tolist() == [0, 3, 5, 8]
    assert found.counts.dtype == np.float32
    assert len(set(found.counts.tolist())) == len(IDS)
    assert shape_of(found) == 3
    assert shape_of(TEXTS.rows(np.array([1]))) == 0
    assert shape_of(np.ones((3, 4))) == 0


def test_the_words_of_a_sequence_change_places_and_padding_keeps_its_own() -> None:
    words = np.array([[1, 2, 3, 4, 5, 6, 7, 8, 0, 0], [0, 9, 0, 0, 0, 0, 0, 0, 0, 0]], np.int32)
    found = changed_rows(words, np.array([0, 0, 1]), rng())
    assert isinstance(found, np.ndarray)
    assert [sorted(row) for row in found.tolist()] == [sorted(words[0].tolist())] * 2 + [sorted(words[1].tolist())]
    assert len({tuple(row) for row in [words[0].tolist(), *found[:2].tolist()]}) == 3
    assert np.array_equal(found == 0, words[[0, 0, 1]] == 0)


def test_joined_requests_are_their_rows_in_order() -> None:
    assert np.array_equal(joined([np.zeros((1, 2)), np.ones((3, 2))]), np.array([[0.0, 0], *[[1, 1]] * 3]))
    texts = joined([TEXTS.rows(np.array([1])), TEXTS.rows(np.array([2, 0]))])
    assert isinstance(texts, WordCounts)
    assert np.array_equal(texts.dense(), TEXTS.dense()[[1, 2, 0]])
