"""Trains as NumPy does, and lets one fault happen."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np

from backends.contract import Array, Params, Placement, Problem
from backends.numpy_backend import NumpyTrainer, open_product

__all__ = ["open_product", "open_trainer"]

FIRST_TRAININGS = 2  # the timed one of one pass, and its repeated pass; the next is in a turn
MEGABYTES = 20
FORGED = {"type": "record", "status": "failed", "reason": "made up"}
BY_HAND = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(1000)\n"


class Injected(NumpyTrainer):
    """Trains as NumPy does; what its mode names happens at the moment that it names."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        super().__init__(problem, placement)
        self.act, _, self.when = placement.mode.rpartition("_")
        self.mode = placement.mode
        self.trained = 0
        if self.mode == "never_exits":
            os._exit = lambda code: time.sleep(1000)  # type: ignore[assignment,return-value]
        if self.mode == "daemon":
            subprocess.run([sys.executable, "-c", BY_HAND], check=True)

    def reset(self, initial: Params) -> None:
        super().reset(initial)
        if self.when == "reset":
            happen(self.act, self.mode)

    def train(self, order: Array) -> Array:
        self.trained += 1
        if self.when == ("train" if self.trained <= FIRST_TRAININGS else "turn"):
            happen(self.act, self.mode)
        losses = super().train(order)
        wrong = {"nan": np.nan, "infinity": np.inf}.get(self.mode)
        return losses if wrong is None else np.full_like(losses, wrong)


def forged(mode: str) -> str:
    """Return a made-up reply about a job of this mode; all of it is right but the key."""
    row = {"task": "thermometer_raw", "backend": "injected", "mode": mode, "device": "cpu", "precision": "float32"}
    return json.dumps({"key": "", "reply": {**FORGED, "job": {"row": row, "threads": 1, "block": 0}}}) + "\n"


def happen(act: str, mode: str) -> None:
    """Let a fault happen to this process, in this mode."""
    match act:
        case "hang":
            time.sleep(1000)
        case "memory":
            resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
            np.ones(2**30)
        case "megabytes":
            print("x" * (MEGABYTES * 2**20), flush=True)
        case "forged":
            print(forged(mode), flush=True)
            os.write(int(sys.argv[1]), forged(mode).encode())
        case "garbage":
            os.write(int(sys.argv[1]), os.urandom(1000) + b"\n")
        case "leaves":
            os._exit(0)
        case "raises":
            raise ZeroDivisionError("nobody divides by zero")
        case _:
            os.kill(os.getpid(), getattr(signal, act))


def open_trainer(problem: Problem, placement: Placement) -> Injected:
    """Return a trainer with the fault that its mode names."""
    return Injected(problem, placement)
