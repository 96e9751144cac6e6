"""Fisher's Iris dataset: 150 flowers of 3 species, 4 lengths in centimetres for each flower (Fisher 1936).

`iris.csv` is scikit-learn's copy, which has the values of the original paper. A test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.tasks.datasets.base import Dataset, Find, Size, untested


@dataclass(frozen=True, kw_only=True)
class Iris:
    """All rows, each feature standardized to mean 0 and standard deviation 1."""

    collection = None
    size = Size(rows=150, test_rows=0, shape=(4,), outputs=3)

    def load(self, rng: np.random.Generator, find: Find) -> Dataset:
        """Return inputs [150, 4] and class numbers [150]."""
        table = np.loadtxt(Path(__file__).with_name("iris.csv"), delimiter=",", skiprows=1)
        lengths, species = table[:, :4], table[:, 4].astype(np.int32)
        return untested((lengths - lengths.mean(axis=0)) / lengths.std(axis=0), species, outputs=3)
