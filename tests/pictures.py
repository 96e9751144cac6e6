"""Made-up images, for tests of convolutional models that need no data file."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bench.tasks import TASKS, Task
from bench.tasks.datasets.base import Dataset, Find, Size, untested

SIDE = 12


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Three classes of images on an empty background: a patch of random values in one of three places."""

    collection = None
    rows: int = 48

    @property
    def size(self) -> Size:
        return Size(self.rows, 0, shape=(SIDE, SIDE, 1), outputs=3)

    def load(self, rng: np.random.Generator, find: Find) -> Dataset:
        classes = rng.integers(0, 3, self.rows).astype(np.int32)
        images = np.zeros((self.rows, SIDE, SIDE, 1))
        for image, place in zip(images, classes, strict=True):
            image[3 * place : 3 * place + 4, 4:9] = rng.random((4, 5, 1))
        return untested(images, classes, outputs=3)


def small_convolutional(pool: str) -> Task:
    """Return mnist_cnn on made-up images, with small layers."""
    model = replace(TASKS["mnist_cnn"].model, filters=(3, 4), kernel=3, hidden=(8,), pool=pool)  # type: ignore[type-var]
    return replace(TASKS["mnist_cnn"], data=Pictures(), model=model, batch_size=8, epochs=6, check_epochs=6)
