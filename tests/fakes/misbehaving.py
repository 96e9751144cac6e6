"""A backend of another package, right but for one fault, which its mode names. Put this folder on PYTHONPATH."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from backends.contract import Array, Inputs, Params, Placement, Predictor, Problem, Unsupported
from backends.numpy_backend import NumpyTrainer, open_product
from backends.registry import Entry

__all__ = ["ENTRY", "open_product", "open_trainer"]

LEFT_S = 0.02  # of work, by a pass that does not wait for it: many times what the pass takes
MODES = (
    "right",
    "hangs",
    "exits",
    "killed",
    "raises",
    "talks",
    "nan",
    "too_fast",
    "single",
    "unsupported",
    "tells_gpus",
    "fails_at_open",
    "lingers",
    "unfinished",
    "dies_in_turn",
    "hangs_in_turn",
    "raises_in_turn",
    *("raises_in_service", "dies_in_service"),
    *("raises_in_lesson", "dies_in_lesson"),
    "helped",
    "leaves_running",
    *("pipe_text", "pipe_bytes", "pipe_no_reply", "pipe_forged", "pipe_endless", "pipe_drips"),
    *("real_time_signal", "shouts", "long_reason", "told_why"),
    "removes_temporary",
)
ROW = {
    "task": "thermometer_raw",
    "backend": "misbehaving",
    "mode": "pipe_forged",
    "device": "cpu",
    "precision": "float32",
}
FORGED = {"key": "", "reply": {"type": "record", "job": {"row": ROW, "threads": 1, "block": 0}, "status": "ok"}}
TO_PIPE = {
    "pipe_text": b"hello\n",
    "pipe_bytes": b"\xff\xfe\x00\n",
    "pipe_no_reply": b'{"type":"done"}\n',
    "pipe_forged": json.dumps(FORGED).encode() + b"\n",
}
FIRST_TRAININGS = 4  # trainings after which these modes misbehave: the timed one, its repeated pass, and a turn's first
ENTRY = Entry(
    name="misbehaving",
    module="misbehaving",
    modes=MODES,
    framework="numpy",
    distributions=("numpy",),
    install="",
)


class Misbehaving(NumpyTrainer):
    """Trains as NumPy does, with a fault."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        super().__init__(problem, placement)
        self.mode = placement.mode
        self.done_s = 0.0  # when the last pass really is
        self.trained = 0
        self.predicted = 0
        if self.mode == "helped":  # by a process that is busy all the time
            self.helper = subprocess.Popen([sys.executable, "-c", "while True: pass"])

        if self.mode == "leaves_running":
            self.children = [subprocess.Popen(["sleep", "777"]) for _ in range(200)]
            self.daemon = subprocess.Popen(["sleep", "778"], start_new_session=True)

    def train(self, order: Array) -> Array:
        self.trained += 1
        if self.trained > FIRST_TRAININGS:
            self.misbehave_in_turn()
        match self.mode:
            case "hangs":
                hang()
            case "lingers":
                threading.Thread(target=time.sleep, args=(1000,)).start()
                sys.exit(3)
            case "exits":
                os._exit(7)
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "raises":
                raise ZeroDivisionError("nobody divides by zero")
            case "removes_temporary":
                shutil.rmtree(tempfile.gettempdir())
            case "talks":
                print(json.dumps({"type": "record", "status": "ok"}), flush=True)
                print("to standard error", file=sys.stderr, flush=True)
        self.misbehave_to_parent()
        losses = super().train(order)
        if self.mode == "unfinished":
            self.done_s = time.monotonic() + LEFT_S
        return np.full_like(losses, np.nan) if self.mode == "nan" else losses

    def misbehave_to_parent(self) -> None:
        if self.mode in TO_PIPE:
            os.write(int(sys.argv[1]), TO_PIPE[self.mode])
        match self.mode:
            case "pipe_endless":
                while True:
                    os.write(int(sys.argv[1]), bytes(2**20))
            case "pipe_drips":
                while True:
                    os.write(int(sys.argv[1]), b" ")
                    time.sleep(0.01)
            case "real_time_signal":
                os.kill(os.getpid(), 40)
            case "shouts":
                print("x" * 10**8, flush=True)
                os._exit(1)
            case "long_reason":
                raise Unsupported("x" * 2 * 10**7)
            case "told_why":
                print("2026-01-01: F0000 parse_flags.cc:1] Unknown flag in XLA_FLAGS: --xla_foo=1", flush=True)
                print("*** Check failure stack trace: ***\n    @ 0x7f00 (unknown)", flush=True)
                os._exit(1)

    def misbehave_in_turn(self) -> None:
        match self.mode:
            case "hangs_in_turn":
                hang()
            case "dies_in_turn":
                os.kill(os.getpid(), signal.SIGKILL)
            case "raises_in_turn":
                raise ZeroDivisionError("nobody divides by zero")

    def predict(self, inputs: Inputs) -> Array:
        self.predicted += 1
        if self.predicted > 1:  # the first time it is the evaluation after the first training
            match self.mode:
                case "raises_in_lesson":
                    raise ZeroDivisionError("nobody divides by zero")
                case "dies_in_lesson":
                    os.kill(os.getpid(), signal.SIGKILL)
        return super().predict(inputs)

    def predictor(self, rows: int) -> Predictor:
        match self.mode:
            case "raises_in_service":
                raise ZeroDivisionError("nobody divides by zero")
            case "dies_in_service":
                return lambda _: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[func-returns-value, return-value]
        return super().predictor(rows)

    def params(self) -> Params:
        if self.mode == "unfinished":  # even a sleep of no time lets other processes go first
            time.sleep(max(0.0, self.done_s - time.monotonic()))
        return super().params()


def hang() -> None:
    """Hang, and leave a file for who waits for that, if a variable names one."""
    if file := os.environ.get("TELLS_THAT_IT_HANGS"):
        Path(file).touch()
    time.sleep(1000)


def open_trainer(problem: Problem, placement: Placement) -> Misbehaving:
    if placement.mode == "unsupported":
        raise Unsupported("this one never works")
    if placement.mode == "tells_gpus":
        raise Unsupported(
            " ".join(f"{name}={os.environ.get(name)}" for name in ("CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS"))
        )
    if placement.mode == "fails_at_open":
        raise RuntimeError("no room left")
    if placement.mode == "too_fast":
        faster = replace(problem.optimizer, learning_rate=problem.optimizer.learning_rate * 1.01)
        problem = replace(problem, optimizer=faster)
    if placement.mode == "single":
        placement = replace(placement, precision="float32")
    return Misbehaving(problem, placement)
