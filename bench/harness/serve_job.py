"""The jobs of a worker process after its turns: it opens a service with what it has trained, and answers requests."""

from __future__ import annotations

import time

import numpy as np

from bench.harness.protocol import Done, Request, ServingReply
from bench.harness.serving import Server
from bench.harness.turns import Repeater
from bench.harness.workbench import Workbench
from bench.tasks.training import Training


class OpenRequest(Request[Done], frozen=True, kw_only=True):
    """A request to compile what answers requests, with the trainer that a `TimeRequest` has left."""

    seed: int  # of the requests

    def answer(self, workbench: Workbench) -> Done:
        """Open the service; it stays on the workbench."""
        trainer, training = workbench.get(Repeater).trainer, workbench.get(Training)
        inputs, draw = training.test.inputs, np.random.default_rng()
        server = Server(trainer, training.problem, inputs, time.perf_counter, self.seed, draw)
        server.open()
        workbench.put(server)
        return Done()


class ServeRequest(Request[ServingReply], frozen=True, kw_only=True):
    """A request to answer requests for one turn."""

    turn: int  # from 0

    def answer(self, workbench: Workbench) -> ServingReply:
        """Answer and time."""
        return workbench.get(Server).turn(self.turn)
