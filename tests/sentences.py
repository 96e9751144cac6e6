"""Made-up documents as ids of words, for tests of models of sequences that need no data file."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bench.tasks import TASKS, Task
from bench.tasks.datasets.base import Dataset, Find, Size, Split


@dataclass(frozen=True, kw_only=True)
class Sentences:
    """Three classes; each has some words more often than the others, most of all at the beginning."""

    collection = None
    rows: int = 48
    positions: int = 10
    words: int = 30  # the padding included
    shortest: int = 1  # words of the shortest document

    @property
    def size(self) -> Size:
        return Size(self.rows, 0, shape=(self.positions,), outputs=3, ids=self.words)

    def load(self, rng: np.random.Generator, find: Find) -> Dataset:
        classes = rng.integers(0, 3, self.rows).astype(np.int32)
        drawn = rng.integers(1, self.words, (self.rows, self.positions))
        drawn[:, 0] = 1 + classes + 3 * rng.integers(0, 3, self.rows)
        ends = rng.integers(self.shortest, self.positions + 1, (self.rows, 1))
        split = Split(np.where(np.arange(self.positions) < ends, drawn, 0).astype(np.int32), classes)
        return Dataset(split, split, outputs=3, ids=self.words)


def small_transformer() -> Task:
    """Return text_transformer on made-up documents, with small layers."""
    model = replace(TASKS["text_transformer"].model, width=8, heads=2, hidden=12)  # type: ignore[type-var]
    return replace(TASKS["text_transformer"], data=Sentences(), model=model, batch_size=8, epochs=6, check_epochs=6)
