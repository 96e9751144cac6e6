"""The plan of a run: its jobs and their order. Pure."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np

from bench.errors import BadChoice, quoted
from bench.records.schema import Goal, Job, Row
from bench.tasks.names import find_task, threads_of
from bench.tasks.settings import override, settings

EFFECT = 0.05  # the smallest difference that matters
TIME_S = 7.5 * 60.0  # with the parity check before it, the headline tasks take 12 minutes on two fast cores
MAX_MINUTES = 10**6
SPANS = 10  # a process does not repeat a training half a million times


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run times, how, and until when."""

    rows: tuple[Row, ...]
    threads: int
    settings: Mapping[str, Any]
    goal: Goal
    seed: int
    inference: bool = False  # whether the processes answer requests after their turns
    learned: bool = False  # whether it is kept what the models learn
    warm_cache: bool = False  # whether first calls with the cache of a compiler are measured too
    followed: bool = True  # whether parity first follows each row in float64; otherwise it checks the timed runs only

    @property
    def tasks(self) -> dict[str, tuple[Row, ...]]:
        """The rows of each task, in the order of the run."""
        names = dict.fromkeys(row.task for row in self.rows)
        return {name: tuple(row for row in self.rows if row.task == name) for name in names}

    def watched(self, task: str) -> tuple[int, ...]:
        """Return the repetitions of a task that may be checked."""
        return watched_repetitions(self.seed, task)

    def job(self, row: Row, block: int) -> Job:
        """Return the job of a row in a round."""
        return Job(row=row, threads=threads_of(row.task, self.threads), block=block, settings=dict(self.settings))


def round_order(rows: Sequence[Row], *, seed: int, block: int) -> tuple[Row, ...]:
    """Return the rows of one task in the order in which round `block` begins them: a new random order for each round.

    The order depends only on the seed, the round and `rows`, so it is the same for the others when some rows are
    skipped in the round.
    """
    return _drawn(rows, seed, block)


def turn_order(rows: Sequence[Row], *, seed: int, block: int, turn: int) -> tuple[Row, ...]:
    """Return the rows of one task in the order in which they train in a turn of round `block`: new for each turn."""
    return _drawn(rows, seed, block, 1 + turn)  # 0 would be drawn as the order of the round is


def _drawn(rows: Sequence[Row], seed: int, *numbers: int) -> tuple[Row, ...]:
    if not rows:
        return ()
    rng = np.random.default_rng([seed, crc32(rows[0].task.encode()), *numbers])
    return tuple(rows[i] for i in rng.permutation(len(rows)))


def watched_repetitions(seed: int, task: str) -> tuple[int, ...]:
    """Return the numbers of the repetitions that may be checked: the first, and one drawn in each of 2-7, 8-31, ...

    The last one that a process has completed is checked. So slow rows, which repeat a training three times, have one,
    and fast ones, which repeat it a thousand times, have a late one. No repetition but the first is known to be checked
    or not to be checked. The spans are that wide because each number that is checked costs an envelope of its own.
    """
    rng = np.random.default_rng([seed, crc32(task.encode()), crc32(b"watched")])
    return (1, *(int(rng.integers(2 * 4**span, 8 * 4**span)) for span in range(SPANS)))


def resolved(rows: Iterable[Row], changes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return all settings of each task as it will be trained."""
    names = dict.fromkeys(row.task for row in rows)
    return {name: settings(override(find_task(name), changes)) for name in names}


def percent(text: str, option: str) -> float:
    """Return 0.05 for '5%', '5 %' or '5', the value of an option. Raises `BadChoice` unless it is a number above 0."""
    try:
        share = float(text.strip().removesuffix("%")) / 100
    except ValueError:
        share = 0.0
    if not 0 < share < math.inf:
        raise BadChoice(f"{option} wants a percentage above 0, such as 5%; got {quoted(text)}")
    return share


def random_seed() -> int:
    """Return a seed that no other run is likely to have."""
    return secrets.randbelow(10**6)
