"""Parameters in files of arrays: each part of each layer has a name of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from backends.contract import Array, LayerParams, Params


def save_arrays(path: Path, arrays: dict[str, Array]) -> None:
    """Write arrays to a .npz file."""
    np.savez(path, allow_pickle=False, **arrays)


def named(kind: str, params: Params) -> dict[str, Array]:
    """Return the parts of `params` by name, such as `gradient.0.weights` for the kind `gradient`."""
    return {
        f"{kind}.{number}.{name}": part for number, layer in enumerate(params) for name, part in layer._asdict().items()
    }


def params_named(kind: str, arrays: np.lib.npyio.NpzFile) -> Params:
    """Return the parameters of a kind from a file that has the names of `named`."""
    layers = sum(name.startswith(f"{kind}.") for name in arrays) // len(LayerParams._fields)
    return tuple(
        LayerParams(*(arrays[f"{kind}.{number}.{name}"] for name in LayerParams._fields)) for number in range(layers)
    )
