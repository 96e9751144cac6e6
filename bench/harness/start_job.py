"""The job of a process that only starts: it imports the framework, sets up, and trains the first pass."""

from __future__ import annotations

import time

from bench.harness.measure import Stopwatch
from bench.harness.protocol import JobRequest, Place, StartReply
from bench.harness.time_job import open_job
from bench.harness.workbench import Workbench


class StartRequest(JobRequest[StartReply], frozen=True, kw_only=True):
    """A request to start a training, and to keep the code that is compiled for it where the framework can."""

    @property
    def place(self) -> Place:
        """Where the code of the backend is, and what makes its framework keep compiled code."""
        return super().place._replace(keeping=self.backend.keeping)

    def answer(self, workbench: Workbench) -> StartReply:
        """Start, and time it."""
        watch = Stopwatch(time.perf_counter)
        opened = open_job(self, watch)
        watch.lap()
        opened.trainer.train(opened.training.orders[0])
        return StartReply(import_s=opened.import_s, setup_s=opened.setup_s, first_pass_s=watch.lap())
