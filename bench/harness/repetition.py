"""One repetition of a training in the turns of a round, as the worker hands it to its parent to be checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backends.contract import Array, Params
from bench.tasks.arrays import load_arrays, named, params_named, save_arrays


@dataclass(frozen=True)
class Repetition:
    """What a backend computed in repetition `number`, whose start and order are those of `repetition_seed`."""

    number: int  # from 1; 0 would be the first training, from the task's own start
    losses: Array  # [steps] of the whole training, each before its update
    outputs: Array  # [test rows, outputs] after the last step
    params: Params  # after the last step


def save_repetition(path: Path, repetition: Repetition) -> None:
    """Write a repetition to a .npz file."""
    arrays = {"number": np.array(repetition.number), "losses": repetition.losses, "outputs": repetition.outputs}
    save_arrays(path, {**arrays, **named("params", repetition.params)})


def load_repetition(path: Path) -> Repetition:
    """Read a repetition from a .npz file."""
    arrays = load_arrays(path)
    number, losses, outputs = int(arrays["number"]), arrays["losses"], arrays["outputs"]
    return Repetition(number, losses, outputs, params_named("params", arrays))
