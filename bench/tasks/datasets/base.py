"""What a dataset is once loaded, and what can load one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from backends.contract import Array, Inputs
from bench.tasks.datasets.fetch import Collection


@dataclass(frozen=True)
class Split:
    """Rows to train or to evaluate on, in float64."""

    inputs: Inputs  # [rows, features], or word counts of as many documents
    targets: Array  # float64 [rows, outputs], or class numbers int32 [rows]


@dataclass(frozen=True)
class Dataset:
    """All rows of a task."""

    train: Split
    test: Split  # the training rows again where the data have no others
    outputs: int  # of the last layer of a model for it
    truth: tuple[float, ...] = ()  # weights and bias that the data were made with, where they were made so


@dataclass(frozen=True)
class Size:
    """How much there is of a task's data, told before any are loaded."""

    rows: int  # to train on
    test_rows: int  # to evaluate beside those
    features: int
    outputs: int  # of the last layer of a model for it
    words: int | None = None  # numbers that word counts hold, train and test together; None for arrays


Find = Callable[[Collection], dict[str, Path]]
"""Finds the files of a collection by name; raises `DataMissing`."""


class Data(Protocol):
    """Where a task's data come from; its fields are the settings `data.*`."""

    @property
    def collection(self) -> Collection | None:
        """The files it is read from, None where it needs none."""

    @property
    def size(self) -> Size:
        """How much there is; for files that other settings select from, what it is at most."""

    def load(self, rng: np.random.Generator, find: Find) -> Dataset:
        """Make or read the rows; `rng` is for data that are drawn."""


def untested(inputs: Array, targets: Array, *, outputs: int = 1, truth: tuple[float, ...] = ()) -> Dataset:
    """Return a dataset that is evaluated on the rows it was trained on."""
    split = Split(inputs, targets)
    return Dataset(train=split, test=split, outputs=outputs, truth=truth)
