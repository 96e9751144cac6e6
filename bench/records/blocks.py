"""The state of the machine in each round of a run, as arrays: as objects, their loops take four times the memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backends.contract import Array
from bench.records.lists import Collector, Lists, OnDemand
from bench.records.schema import Block, Calibration


@dataclass(frozen=True, eq=False)
class Blocks(OnDemand[Block]):
    """States of the machine: each as an object on demand, and all as arrays [rounds]. NaN is what is not known."""

    tasks: tuple[str, ...]
    task: Array  # counts in `tasks`
    block: Array
    wall_s: Array
    foreign_cores: Array
    stolen_cores: Array
    before: Lists  # times of the loops of a calibration in seconds; an empty list if it failed
    after: Lists

    @classmethod
    def of(cls, blocks: Iterable[Block]) -> Blocks:
        """Return these states."""
        so_far = BlocksSoFar()
        for block in blocks:
            so_far.add(block)
        return so_far.all()

    def __len__(self) -> int:
        """Return the number of rounds."""
        return len(self.block)

    def read(self, places: Sequence[int]) -> Iterator[Block]:
        """Yield the states in these rounds, in their order."""
        return map(self._at, places)

    def _at(self, place: int) -> Block:
        return Block(
            task=self.tasks[self.task[place]],
            block=int(self.block[place]),
            wall_s=float(self.wall_s[place]),
            before=_calibration(self.before[place]),
            after=_calibration(self.after[place]),
            foreign_cores=_or_none(self.foreign_cores[place]),
            stolen_cores=_or_none(self.stolen_cores[place]),
        )


class BlocksSoFar:
    """States of the machine, to which others are added."""

    def __init__(self) -> None:
        self.tasks: dict[str, int] = {}
        self.collector = Collector[Block](lambda blocks: _taken_apart(blocks, self.tasks))
        self.add = self.collector.add

    def all(self) -> Blocks:
        """Return all states so far."""
        gathered = self.collector.gathered()
        arrays, lists = gathered.arrays(), gathered.lists()
        return Blocks(
            tasks=tuple(self.tasks),
            task=arrays["task"],
            block=arrays["block"],
            wall_s=arrays["wall_s"],
            foreign_cores=arrays["foreign_cores"],
            stolen_cores=arrays["stolen_cores"],
            before=lists["before"],
            after=lists["after"],
        )


def _taken_apart(blocks: Sequence[Block], tasks: dict[str, int]) -> tuple[dict[str, Array], dict[str, Lists]]:
    """Return the arrays and lists that `Blocks` consists of; new tasks are given the next number."""
    arrays = {
        "task": np.array([tasks.setdefault(each.task, len(tasks)) for each in blocks], int),
        "block": np.array([each.block for each in blocks], int),
        "wall_s": np.array([each.wall_s for each in blocks], float),
        "foreign_cores": np.array([each.foreign_cores for each in blocks], float),  # None becomes NaN
        "stolen_cores": np.array([each.stolen_cores for each in blocks], float),
    }
    return arrays, {
        "before": Lists.of(_loops_s(each.before) for each in blocks),
        "after": Lists.of(_loops_s(each.after) for each in blocks),
    }


def _loops_s(calibration: Calibration | None) -> tuple[float, ...]:
    return calibration.loops_s if calibration else ()


def _calibration(loops_s: Array) -> Calibration | None:
    return Calibration(loops_s=tuple(loops_s.tolist())) if len(loops_s) else None


def _or_none(number: float) -> float | None:
    return None if math.isnan(number) else float(number)
