"""Word counts of documents in compressed sparse row format (CSR), and batches of them as flat arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Bags(NamedTuple):
    """The words of a batch as three flat arrays of equal length, which every framework can gather and sum.

    Entry i means: document `documents[i]` of the batch contains word `words[i]` `counts[i]` times. `documents` is in
    ascending order. The arrays are [entries] or [steps, entries]. A padding entry is word 0 with count 0 in the last
    document.
    """

    words: Array
    counts: Array
    documents: Array


@dataclass(frozen=True)
class WordCounts:
    """A matrix of word counts [documents, vocabulary] of which only values above zero are stored.

    Document d has the words `words[starts[d]:starts[d + 1]]`, each once, in ascending order. The same slice of `counts`
    has their counts.
    """

    starts: Array  # int64 [documents + 1]
    words: Array  # int32 [entries]
    counts: Array  # float [entries]
    vocabulary: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    def astype(self, dtype: npt.DTypeLike) -> WordCounts:
        """Return the same counts with another float dtype."""
        return WordCounts(self.starts, self.words, self.counts.astype(dtype), self.vocabulary)

    def rows(self, ids: Array) -> WordCounts:
        """Return the documents `ids`, in this order."""
        starts = np.concatenate([[0], np.cumsum(self.lengths()[ids])]).astype(np.int64)
        words, counts, _ = self.bags(ids)
        return WordCounts(starts, words, counts, self.vocabulary)

    def lengths(self) -> Array:
        """Return the number of different words in each document, int64 [documents]."""
        return np.diff(self.starts)

    def dense(self) -> Array:
        """Return the dense matrix [documents, vocabulary]."""
        matrix = np.zeros((len(self), self.vocabulary), self.counts.dtype)
        bags = self.bags(np.arange(len(self)))
        matrix[bags.documents, bags.words] = bags.counts
        return matrix

    def bags(self, rows: Array) -> Bags:
        """Return the entries of the documents `rows` [batch], in this order, without padding."""
        lengths = self.lengths()[rows]
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(rows) else 0
        # Entry i of the batch is entry i - (start of its document in the batch) + (start of its document in self).
        entries = np.arange(total) + np.repeat(self.starts[rows] - (ends - lengths), lengths)
        documents = np.repeat(np.arange(len(rows), dtype=np.int32), lengths)
        return Bags(self.words[entries], self.counts[entries], documents)

    def padded_bags(self, order: Array, capacity: int) -> Bags:
        """Return the entries of each step of `order` [steps, batch], padded to arrays [steps, capacity].

        Compilers need one shape for all steps. `capacity` is doubled until every step fits.
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

    def rounded_bags(self) -> Bags:
        """Return the entries of all documents, padded to the next power of two.

        Requests have any number of words. In this way a compiler needs as many programs as there are powers of two.
        """
        padded = self.padded_bags(np.arange(len(self))[None], 1)
        return Bags(*(part[0] for part in padded))

    def capacity(self, batch: int) -> int:
        """Return a number of entries that a random batch of `batch` documents hardly ever exceeds.

        It is six standard deviations above the mean, but at most the number of entries in the `batch` longest
        documents, which no batch can exceed.
        """
        lengths = self.lengths()
        likely = batch * lengths.mean() + 6 * np.sqrt(batch) * lengths.std()
        largest = int(np.sort(lengths)[-batch:].sum())
        return max(1, min(int(np.ceil(likely)), largest))
