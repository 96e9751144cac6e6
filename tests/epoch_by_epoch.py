"""A job of a worker process: train the tasks of the thermometer lesson, and tell what was seen of each epoch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from backends.contract import Params, Placement, Precision
from backends.registry import Entry
from bench.harness.protocol import Done, JobRequest
from bench.harness.workbench import Workbench
from bench.parity.traces import first_gradients
from bench.tasks import TASKS
from bench.tasks.settings import override
from bench.tasks.training import make_training

FILE = "epochs.json"
# Every epoch is one step on all rows. A training is cut after these; the last is where it ends.
CUTS: dict[Precision, dict[str, tuple[int, ...]]] = {
    "float64": {
        "thermometer_raw": (1, 99, 100),
        "thermometer": (1, 4999, 5000),
        "thermometer_standardized": (1, 99, 100),
    },
    "float32": {"thermometer_raw": (1, 100), "thermometer_standardized": (1, 100)},
}


def followed(entry: Entry, mode: str, task: str, precision: Precision) -> dict[str, object]:
    """Return the loss of each epoch, weight and bias after each cut, and NumPy's first gradient.

    Parity holds every row's first gradient against NumPy's.
    """
    training = make_training(override(TASKS[task], {"epochs": CUTS[precision][task][-1]}), precision, None)
    backend = entry.load()
    placement = Placement(mode=mode, device="cpu", precision=precision, threads=1)
    trainer = backend.open_trainer(training.problem, placement)
    trainer.reset(training.initial)
    losses, params = [], {0: numbers(training.initial)}
    for epoch, part in zip(CUTS[precision][task], np.split(training.orders[0], CUTS[precision][task]), strict=False):
        losses += trainer.train(part).tolist()
        params[epoch] = numbers(trainer.params())
    gradient = numbers(first_gradients(backend, placement, [training])[0]) if entry.name == "numpy" else None
    return {"losses": losses, "params": params, "gradient": gradient}


def numbers(params: Params) -> tuple[float, float]:
    """Return the weight and the bias of the one layer."""
    (layer,) = params
    return float(layer["weights"][0, 0]), float(layer["bias"][0])


class EpochsRequest(JobRequest[Done], frozen=True, kw_only=True):
    """A request to train all tasks in all modes of a backend; writes what it saw by mode, task and precision."""

    folder: str
    left_out: tuple[tuple[str, str], ...]  # mode and task of what is not trained

    def answer(self, workbench: Workbench) -> Done:
        """Train, and write the file."""
        found = {
            f"{mode} {task} {precision}": followed(self.backend, mode, task, precision)
            for mode in self.backend.modes
            for precision, tasks in CUTS.items()
            for task in tasks
            if (mode, task) not in self.left_out
        }
        Path(self.folder, FILE).write_text(json.dumps(found))
        return Done()
