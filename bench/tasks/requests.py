"""Requests to a trained model: evaluation rows, each changed a little, so that no request is made twice. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backends.contract import Array, Inputs, WordCounts

CHANGE = 1 / 64  # of a row, by a factor: far more than rounding, and too little to make another kind of row of it


def changed_rows(inputs: Inputs, ids: Array, rng: np.random.Generator) -> Inputs:
    """Return the rows `ids` of `inputs`, each changed by a draw of its own; their shape stays the same.

    Numbers and word counts are multiplied by a factor for the row, between 1 - `CHANGE` and 1 + `CHANGE`. The words of
    a sequence, int [rows, positions], are put into another order; 0, which is padding, keeps its place.
    """
    factors = 1 + rng.uniform(-CHANGE, CHANGE, len(ids))
    if isinstance(inputs, WordCounts):
        texts = inputs.rows(ids)
        counts = texts.counts * np.repeat(factors, texts.lengths()).astype(texts.counts.dtype)
        return WordCounts(texts.starts, texts.words, counts, texts.vocabulary)
    rows = inputs[ids]
    if rows.dtype.kind != "f":
        return np.stack([_shuffled(row, rng) for row in rows])
    changed: Array = rows * factors.astype(rows.dtype).reshape(-1, *(1,) * (rows.ndim - 1))
    return changed


def joined(requests: Sequence[Inputs]) -> Inputs:
    """Return the rows of all requests as one."""
    texts = [each for each in requests if isinstance(each, WordCounts)]
    if not texts:
        return np.concatenate([each for each in requests if not isinstance(each, WordCounts)])
    starts = np.cumsum([0, *np.concatenate([each.lengths() for each in texts])], dtype=np.int64)
    words, counts = (np.concatenate([getattr(each, name) for each in texts]) for name in ("words", "counts"))
    return WordCounts(starts, words, counts, texts[0].vocabulary)


def _shuffled(words: Array, rng: np.random.Generator) -> Array:
    found, places = words.copy(), np.flatnonzero(words)
    found[places] = rng.permutation(words[places])
    return found


def shape_of(inputs: Inputs) -> int:
    """Return what tells the shapes of requests of as many rows apart: the power of two of the entries of word counts.

    Arrays have one shape only.
    """
    return (len(inputs.words) - 1).bit_length() if isinstance(inputs, WordCounts) else 0
