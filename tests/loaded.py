"""A job of a worker process: train a small task by a backend, and tell what the process has loaded."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.harness.job import placement_of, task_of
from bench.harness.protocol import Done, JobRequest
from bench.harness.workbench import Workbench
from bench.tasks.training import make_training

FILE = "loaded.json"


class LoadedRequest(JobRequest[Done], frozen=True, kw_only=True):
    """A request to train one pass, predict, and write the names of all packages that are loaded."""

    folder: str

    def answer(self, workbench: Workbench) -> Done:
        """Train, predict, and write the file."""
        training = make_training(task_of(self.job), self.job.row.precision, None)
        trainer = self.backend.load().open_trainer(training.problem, placement_of(self.job))
        trainer.reset(training.initial)
        trainer.train(training.orders[0])
        trainer.predict(training.test.inputs)
        Path(self.folder, FILE).write_text(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
        return Done()
