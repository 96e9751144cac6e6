"""The state of the machine in each round of a run, as arrays: as objects, their loops take four times the memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from backends.contract import Array
from bench.records.columns import AT_ONCE
from bench.records.lists import Gathered, Lists
from bench.records.schema import Block, Calibration


@dataclass(frozen=True, eq=False)
class Blocks(Sequence[Block]):
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
        collector = BlockCollector()
        for block in blocks:
            collector.add(block)
        return collector.all()

    def __len__(self) -> int:
        """Return the number of rounds."""
        return len(self.block)

    @overload
    def __getitem__(self, key: int) -> Block: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Block, ...]: ...
    def __getitem__(self, key: int | slice) -> Block | tuple[Block, ...]:
        """Return the state in one round, or several."""
        places = range(len(self))[key]
        return self._at(places) if isinstance(places, int) else tuple(map(self._at, places))

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

    def __eq__(self, other: object) -> bool:
        """Return whether the other object is a sequence of the same states."""
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]


class BlockCollector:
    """Takes states apart, some at a time."""

    def __init__(self) -> None:
        self.tasks: dict[str, int] = {}
        self.pending: list[Block] = []
        self.gathered = Gathered()

    def add(self, block: Block) -> None:
        """Add a state."""
        self.pending.append(block)
        if len(self.pending) == AT_ONCE:
            self._take_apart()

    def _take_apart(self) -> None:
        self.gathered.add(*_taken_apart(self.pending, self.tasks))
        self.pending.clear()

    def all(self) -> Blocks:
        """Return all states so far."""
        self._take_apart()
        arrays, lists = self.gathered.arrays(), self.gathered.lists()
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
