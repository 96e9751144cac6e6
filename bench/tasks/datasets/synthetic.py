"""Synthetic data from a formula: planes and curves with noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

from backends.contract import Array
from bench.tasks.datasets.base import Dataset, Find, Size, untested
from bench.tasks.fields import Count, NotNegative


@dataclass(frozen=True, kw_only=True)
class Plane:
    """y = weights · x + bias + U(-noise, noise), where each feature of x ~ U(-spread, spread) and U is uniform."""

    collection = None
    weights: Annotated[tuple[float, ...], Meta(min_length=1)]
    bias: float
    rows: Count = 1000
    noise: NotNegative = 0.1
    spread: NotNegative = 10.0

    @property
    def size(self) -> Size:
        """The number of rows that is set, without test rows."""
        return Size(self.rows, 0, shape=(len(self.weights),), outputs=1)

    def load(self, rng: np.random.Generator, find: Find) -> Dataset:
        """Draw inputs [rows, len(weights)] and targets [rows, 1]."""
        x = rng.uniform(-self.spread, self.spread, (self.rows, len(self.weights)))
        y = x @ np.array(self.weights) + self.bias + rng.uniform(-self.noise, self.noise, self.rows)
        return untested(x, y[:, None], truth=(*self.weights, self.bias))


@dataclass(frozen=True, kw_only=True)
class Curve:
    """y = f(x) + U(0, noise), where x ~ U(0, 1), U is uniform and f(x) is sin(x) x^3 + 3x or x^4."""

    collection = None
    formula: Literal["sine_cube_line", "fourth_power"]
    noise: NotNegative
    rows: Count = 100

    @property
    def size(self) -> Size:
        """The number of rows that is set, without test rows."""
        return Size(self.rows, 0, shape=(1,), outputs=1)

    def load(self, rng: np.random.Generator, find: Find) -> Dataset:
        """Draw inputs [rows, 1] and targets [rows, 1]."""
        x = rng.uniform(0, 1, (self.rows, 1))
        return untested(x, self.value(x) + rng.uniform(0, self.noise, x.shape))

    def value(self, x: Array) -> Array:
        """Return f(x) for x of any shape, without noise."""
        y: Array = np.sin(x) * x**3 + 3 * x if self.formula == "sine_cube_line" else x**4
        return y
