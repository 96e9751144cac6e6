"""The jobs of a worker process in a round: its turns, and handing over what it has computed in them."""

from __future__ import annotations

from pathlib import Path

from bench.harness.protocol import Done, Request, TurnReply
from bench.harness.repetition import save_repetition
from bench.harness.turns import TURN_S, Repeater
from bench.harness.workbench import Workbench

REPETITION_FILE = "repetition.npz"


class TurnRequest(Request[TurnReply], frozen=True, kw_only=True):
    """A request to train on for one turn, with the trainer that a `TimeRequest` has left."""

    turn: int  # number of the turn in its round, from 0
    least_s: float = TURN_S

    def answer(self, workbench: Workbench) -> TurnReply:
        """Train whole passes and time them."""
        return workbench.get(Repeater).turn(self.least_s)


class HandOverRequest(Request[Done], frozen=True, kw_only=True):
    """A request to write the last watched repetition to a folder; there is no file if none was completed."""

    folder: str

    def answer(self, workbench: Workbench) -> Done:
        """Write the file."""
        kept = workbench.get(Repeater).kept
        if kept is not None:
            save_repetition(Path(self.folder) / REPETITION_FILE, kept)
        return Done()
