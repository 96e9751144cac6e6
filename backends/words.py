"""Word counts of many documents, stored as the words that occur (compressed sparse rows)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Bags(NamedTuple):
    """The words of a batch as three flat arrays of equal length, so that every framework can gather and sum.

    Entry i says that document `documents[i]` of the batch holds word `words[i]` `counts[i]` times. Documents ascend.
    A leading axis of steps may stand before the entries. Padding is word 0, zero times, in the last document.
    """

    words: Array
    counts: Array
    documents: Array


@dataclass(frozen=True)
class WordCounts:
    """Counts [documents, vocabulary], of which only those above zero are stored.

    Document d holds the words `words[starts[d]:starts[d + 1]]`, each once, ascending, and `counts` beside them.
    """

    starts: Array  # int64 [documents + 1]
    words: Array  # int32 [entries]
    counts: Array  # float [entries]
    vocabulary: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    def astype(self, dtype: npt.DTypeLike) -> WordCounts:
        """Return the same counts in another float type."""
        return WordCounts(self.starts, self.words, self.counts.astype(dtype), self.vocabulary)

    def lengths(self) -> Array:
        """Return how many different words each document holds, int64 [documents]."""
        return np.diff(self.starts)

    def dense(self) -> Array:
        """Return the whole matrix [documents, vocabulary], zeros included."""
        matrix = np.zeros((len(self), self.vocabulary), self.counts.dtype)
        bags = self.bags(np.arange(len(self)))
        matrix[bags.documents, bags.words] = bags.counts
        return matrix

    def bags(self, rows: Array) -> Bags:
        """Return the entries of the documents `rows` [batch], in that order, without padding."""
        lengths = self.lengths()[rows]
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(rows) else 0
        # Entry i of the batch is entry i - (begin of its document in the batch) + (its begin in the whole).
        entries = np.arange(total) + np.repeat(self.starts[rows] - (ends - lengths), lengths)
        documents = np.repeat(np.arange(len(rows), dtype=np.int32), lengths)
        return Bags(self.words[entries], self.counts[entries], documents)

    def padded_bags(self, order: Array, capacity: int) -> Bags:
        """Return the entries of every step of `order` [steps, batch], each padded: arrays [steps, capacity].

        Compilers want one shape for all steps. Where a step holds more entries than `capacity`, the capacity doubles.
        """
        needed = int(self.lengths()[order].sum(axis=1).max())
        while capacity < needed:
            capacity *= 2
        shape = (len(order), capacity)
        padded = Bags(
            np.zeros(shape, np.int32),
            np.zeros(shape, self.counts.dtype),
            np.full(shape, order.shape[1] - 1, np.int32),
        )
        for step, rows in enumerate(order):
            for target, source in zip(padded, self.bags(rows), strict=True):
                target[step, : len(source)] = source
        return padded

    def capacity(self, batch: int) -> int:
        """Return a number of entries that hardly any random batch exceeds: six standard deviations above the mean.

        Never more than the `batch` longest documents hold together, which no batch can exceed.
        """
        lengths = self.lengths()
        likely = batch * lengths.mean() + 6 * np.sqrt(batch) * lengths.std()
        largest = int(np.sort(lengths)[-batch:].sum())
        return max(1, min(int(np.ceil(likely)), largest))
