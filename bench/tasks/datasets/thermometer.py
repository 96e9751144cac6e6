"""Eleven readings of a thermometer with an unknown unit, and the same temperatures in degrees Celsius.

From the chapter "The mechanics of learning" in Stevens, Antiga and Viehmann, Deep Learning with PyTorch (Manning 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.tasks.datasets.base import Dataset, Find, Size, untested

CELSIUS = (0.5, 14.0, 15.0, 28.0, 11.0, 8.0, 3.0, -4.0, 6.0, 13.0, 21.0)
READING = (35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4)


@dataclass(frozen=True, kw_only=True)
class Thermometer:
    """The readings unscaled, multiplied by 0.1, or standardized (standard deviation with n - 1)."""

    collection = None
    size = Size(rows=11, test_rows=0, shape=(1,), outputs=1)
    scaling: Literal["raw", "tenth", "standardized"]

    def load(self, rng: np.random.Generator, find: Find) -> Dataset:
        """Return inputs [11, 1], the scaled readings, and targets [11, 1] in degrees Celsius."""
        reading = np.array(READING)[:, None]
        scaled = {
            "raw": reading,
            "tenth": reading * 0.1,
            "standardized": (reading - reading.mean()) / reading.std(ddof=1),
        }
        return untested(scaled[self.scaling], np.array(CELSIUS)[:, None])
