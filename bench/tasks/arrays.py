"""Files of arrays, and parameters in them: each part of each layer has a name of its own."""

from __future__ import annotations

import io
import math
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from backends.contract import Array, Params

MOST_LAYERS = 10_000
LAYERS = "layers"  # name of the number of layers


def save_arrays(path: Path, arrays: dict[str, Array]) -> None:
    """Write arrays to a .npz file."""
    np.savez(path, allow_pickle=False, **arrays)


class BadArrays(ValueError):
    """Raised for a file that is not one of `save_arrays`; the message says why."""


def load_arrays(path: Path) -> dict[str, Array]:
    """Return the arrays of a file that `save_arrays` wrote, by name. Raises `BadArrays` for another, or a damaged one.

    Nothing larger than the file itself is made of it: `numpy.load` believes what a file says of its sizes.
    """
    if path.exists() and not path.is_file():  # opening a pipe would wait for somebody to write
        raise BadArrays(f"{path} is no file")
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            size = os.fstat(file.fileno()).st_size
            return {each.filename.removesuffix(".npy"): _array(archive, each, size) for each in archive.infolist()}
    except BadArrays:
        raise
    except FileNotFoundError:
        raise
    except Exception as error:  # of a damaged file, zipfile and NumPy raise a dozen kinds
        raise BadArrays(f"{path} is damaged: {type(error).__name__}: {error}") from error


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, size: int) -> Array:
    if member.compress_type != zipfile.ZIP_STORED or not member.compress_size == member.file_size <= size:
        raise BadArrays(f"{member.filename} is compressed, or larger than its file")
    content = io.BytesIO(archive.read(member))
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    shape, _, dtype = readers[npy.read_magic(content)](content)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != member.file_size - content.tell():
        raise BadArrays(f"{member.filename} says that it has {dtype} {shape}, which it has not")
    content.seek(0)
    return npy.read_array(content, allow_pickle=False)


def named(kind: str, params: Params) -> dict[str, Array]:
    """Return the parts of `params` by name, such as `gradient.0.weights` for the kind `gradient`, and how many layers.

    The last layers may have no parameters, so their number is not that of the names.
    """
    parts = {f"{kind}.{number}.{name}": part for number, layer in enumerate(params) for name, part in layer.items()}
    return {f"{kind}.{LAYERS}": np.array(len(params)), **parts}


def params_named(kind: str, arrays: Mapping[str, Array]) -> Params:
    """Return the parameters of a kind from a file that has the names of `named`. Raises `ValueError` for others."""
    count = arrays.get(f"{kind}.{LAYERS}", np.array(None))
    if count.shape or count.dtype.kind not in "iu" or not 0 <= count <= MOST_LAYERS:
        raise ValueError(f"{kind} does not say how many layers it has")
    found: list[dict[str, Array]] = [{} for _ in range(int(count))]
    for key, array in arrays.items():
        prefix, _, rest = key.partition(".")
        if prefix == kind and rest != LAYERS:
            number, _, name = rest.partition(".")
            if not 0 <= int(number) < len(found):
                raise ValueError(f"{kind} has {len(found)} layers, and parameters of layer {number}")
            found[int(number)][name] = array
    return tuple(found)
