"""Which rows of a task are alive side by side in a round: all, or as many as fit into memory. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backends.contract import Device
from bench.analysis.turns import middle, timed
from bench.records.columns import DEVICE_MEMORY, Columns
from bench.records.schema import Record, Row
from bench.tasks.memory import needs
from bench.tasks.names import find_task
from bench.tasks.settings import override

NO_PLACES = np.array([], int)
USABLE_SHARE = 0.9  # of the free memory: the rest is for the harness and what processes take after their first training
DEVICE_CONTEXT_BYTES = 2**29  # of GPU memory that a process takes besides what its framework reports


@dataclass(frozen=True)
class Space:
    """Memory in bytes: of the machine, and of its GPU."""

    host: float
    device: float

    def holds(self, parts: Iterable[Space]) -> bool:
        """Return whether all parts fit at the same time."""
        parts = list(parts)
        return sum(part.host for part in parts) <= self.host and sum(part.device for part in parts) <= self.device


def usable(free: Mapping[Device, int | None]) -> Space:
    """Return the memory that rows may take, from what is free; unknown memory is not limited."""
    host, device = (float("inf") if free[kind] is None else USABLE_SHARE * (free[kind] or 0) for kind in ("cpu", "gpu"))
    return Space(host, device)


def space_of(row: Row, changes: Mapping[str, Any], records: Columns) -> Space:
    """Return the memory that a row takes: the most that a process of it took so far, else an upper bound."""
    places = records.by_row().get(row, NO_PLACES)
    known = places[records["timed"][places]]
    if not len(known):
        bound = needs(override(find_task(row.task), changes), row.precision).total
        return Space(bound, bound if row.device == "gpu" else 0)
    return _taken(row, *(int(records[name][known].max(initial=0)) for name in ("peak_memory_bytes", DEVICE_MEMORY)))


def space_taken(record: Record) -> Space:
    """Return the memory that a process has taken; none if it has ended without times."""
    if record.timing is None:
        return Space(0, 0)
    return _taken(record.job.row, record.timing.peak_memory_bytes, record.timing.peak_device_memory_bytes or 0)


def _taken(row: Row, host: int, device: int) -> Space:
    return Space(host, device + DEVICE_CONTEXT_BYTES if row.device == "gpu" else 0)


def fastest(records: Columns, unranked: Collection[Row]) -> Row | None:
    """Return the row with the shortest pass so far, by the median of its processes; None if no row has times."""
    known = timed(records)
    times = {row: middle(known.pass_s[places]) for row, places in known.columns.by_row().items() if row not in unranked}
    return min(times, key=lambda row: (times[row], row), default=None)


def side_by_side(
    rows: Sequence[Row], best: Row | None, records: Columns, spaces: Mapping[Row, Space], free: Space
) -> tuple[Row, ...]:
    """Return those of `rows` that run in the next round, in the same order: all that fit into the `free` memory.

    Where not all fit, the others follow in later rounds: rows that had fewer rounds come first, and `best`, which they
    are compared with, is in every round. A row that fits with no other runs alone.
    """
    if free.holds(spaces[row] for row in rows):
        return tuple(rows)
    places = records.by_row()
    rounds = {row: len(places.get(row, NO_PLACES)) for row in rows}
    waiting = sorted((row for row in rows if row != best), key=lambda row: rounds[row])
    chosen = [row for row in rows if row == best]
    for row in waiting:
        if free.holds(spaces[each] for each in (*chosen, row)):
            chosen.append(row)
    if waiting and not set(chosen) & set(waiting):
        chosen = [min(rows, key=lambda row: rounds[row])]
    return tuple(row for row in rows if row in chosen)
