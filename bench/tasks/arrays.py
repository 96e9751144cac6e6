"""Parameters in files of arrays: each part of each layer has a name of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from backends.contract import Array, Params


def save_arrays(path: Path, arrays: dict[str, Array]) -> None:
    """Write arrays to a .npz file."""
    np.savez(path, allow_pickle=False, **arrays)


def named(kind: str, params: Params) -> dict[str, Array]:
    """Return the parts of `params` by name, such as `gradient.0.weights` for the kind `gradient`."""
    return {f"{kind}.{number}.{name}": part for number, layer in enumerate(params) for name, part in layer.items()}


def params_named(kind: str, arrays: np.lib.npyio.NpzFile) -> Params:
    """Return the parameters of a kind from a file that has the names of `named`."""
    found: list[dict[str, Array]] = []
    for key in arrays:
        prefix, _, rest = key.partition(".")
        if prefix == kind:
            number, _, name = rest.partition(".")
            found += [{} for _ in range(len(found), int(number) + 1)]
            found[int(number)][name] = arrays[key]
    return tuple(found)
