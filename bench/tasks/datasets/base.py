"""A loaded dataset, its size, and the protocol of classes that load one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from backends.contract import Array, Inputs, Shape
from bench.errors import UserError
from bench.tasks.datasets.fetch import Collection


class BadData(UserError):
    """Raised for a data file that is not in its format; the message says what is wrong."""


@dataclass(frozen=True)
class Split:
    """Training or test rows, in float64."""

    inputs: Inputs  # [rows, ...], or word counts of as many documents as rows
    targets: Array  # float64 [rows, outputs], or class numbers int32 [rows]


@dataclass(frozen=True)
class Dataset:
    """Training and test rows of a task."""

    train: Split
    test: Split  # the training rows when the dataset has no test rows
    outputs: int  # number of outputs of the last layer
    truth: tuple[float, ...] = ()  # weights and bias that generated the data; empty when unknown
    ids: int = 0  # if inputs are ids of words: how many there are, the padding included


@dataclass(frozen=True)
class Size:
    """Size of a task's data, known before the data are loaded."""

    rows: int  # training rows
    test_rows: int  # 0 when the training rows are evaluated
    shape: Shape  # of the inputs of one row; for word counts, the size of the vocabulary
    outputs: int  # number of outputs of the last layer
    words: int | None = None  # stored counts, training and test together; None for arrays
    ids: int = 0  # if inputs are ids of words, int32 [rows, positions]: how many there are, the padding included


Find = Callable[[Collection], dict[str, Path]]
"""Returns the path of each file of a collection, by file name. Raises `DataMissing`."""


class Data(Protocol):
    """A dataset before loading. Its fields are the settings `data.*` of a task."""

    @property
    def collection(self) -> Collection | None:
        """The data files to read; None for data that need no download."""

    @property
    def size(self) -> Size:
        """The size of the data; an upper bound when settings other than the default select rows from the files."""

    def load(self, rng: np.random.Generator, find: Find) -> Dataset:
        """Generate or read the rows. Only generated data use `rng`."""


def untested(inputs: Array, targets: Array, *, outputs: int = 1, truth: tuple[float, ...] = ()) -> Dataset:
    """Return a dataset without test rows: the training rows serve as test rows."""
    split = Split(inputs, targets)
    return Dataset(train=split, test=split, outputs=outputs, truth=truth)
