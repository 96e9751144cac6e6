"""What the processes of a run recorded, each beside the others of its round: what flags are raised from. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from backends.contract import Array
from backends.registry import FRAMEWORKS
from bench.analysis.claims import unlike_row
from bench.analysis.steadiness import Trends, long_passes, trends
from bench.analysis.turns import Timed
from bench.records.columns import UNKNOWN, Columns
from bench.records.lists import Lists, alike
from bench.records.schema import Job, Resources, Row

Bounds = Mapping[tuple[str, str], float]  # rate of the fastest matrix product in FLOP/s, by device and precision


@dataclass(frozen=True)
class ProcessTimes:
    """What processes recorded, and what they were granted: arrays and lists with an entry for each process."""

    columns: Columns
    pass_s: Array  # typical one
    bound_flops_per_s: Array  # rate of the fastest matrix product of any framework in the run, on the same device
    trends: Trends  # over the turns, beyond those of the rows beside it
    long_passes: Lists  # numbers of the turns with a pass that took far longer than usual
    unlike_row: Array  # texts: in which ways it was not what its row says

    def __len__(self) -> int:
        """Return the number of processes."""
        return len(self.pass_s)

    def take(self, places: Array) -> ProcessTimes:
        """Return the processes at these places, in their order."""
        return ProcessTimes(
            columns=self.columns.take(places),
            pass_s=self.pass_s[places],
            bound_flops_per_s=self.bound_flops_per_s[places],
            trends=self.trends.take(places),
            long_passes=self.long_passes.take(places),
            unlike_row=self.unlike_row[places],
        )


def process_times(known: Timed, bounds: Bounds) -> dict[Row, ProcessTimes]:
    """Return what the processes of each row recorded, each beside the others of its round."""
    columns = known.columns
    rounds = rounds_of(columns)
    everyone = ProcessTimes(
        columns=columns,
        pass_s=known.pass_s,
        bound_flops_per_s=bounds_of(columns, bounds),
        trends=trends(known.wall, np.where(columns["turns"], rounds, UNKNOWN)),
        long_passes=long_passes(columns, rounds),
        unlike_row=_unlike_rows(columns),
    )
    told = everyone.take(np.flatnonzero(columns["resources"] != UNKNOWN))
    return {row: told.take(places) for row, places in told.columns.by_row().items()}


def rounds_of(columns: Columns) -> Array:
    """Return a number for each process that it shares with the others of its round."""
    numbers: dict[str, int] = {}
    tasks = np.array([numbers.setdefault(row.task, len(numbers)) for row in columns.rows], int)
    return alike(tasks[columns["row"]], columns["block"])[0]


def _unlike_rows(columns: Columns) -> Array:
    """Return in which ways each process was not what its row says; there are few different cases."""
    row, threads, resources = (columns[name] for name in ("row", "threads", "resources"))
    cases, firsts = alike(row, threads, resources)
    sentences = [
        _unlike_row(columns.rows[row[at]], int(threads[at]), columns.resources_of(at)) for at in firsts.tolist()
    ]
    found: Array = np.array(sentences, object)[cases]
    return found


def _unlike_row(row: Row, threads: int, resources: Resources | None) -> str:
    return unlike_row(Job(row=row, threads=threads, block=0), resources.used) if resources else ""


def bounds_of(columns: Columns, bounds: Bounds) -> Array:
    """Return the bound of the device and precision of each process."""
    by_row = np.array([bounds.get((row.device, row.precision), math.nan) for row in columns.rows])
    found: Array = by_row[columns["row"]]
    return found


def product_bounds(columns: Columns) -> dict[tuple[str, str], float]:
    """Return the rate of the fastest matrix product, in FLOP/s, by device and precision.

    Only the frameworks in `FRAMEWORKS` count: a product that a guest or another package says it has computed must not
    raise the bound that its own row is held against. Others count where the run has none of these. A product that is
    faster than the processor can be counts as what the processor can reach.
    """
    own: dict[tuple[str, str], float] = {}
    others: dict[tuple[str, str], float] = {}
    known = columns.take(np.flatnonzero(columns["timed"]))
    rates = np.fmin(known["product_flops_per_s"], known["product_limit_flops_per_s"])  # which may be unknown
    for row, places in known.by_row().items():
        found = own if row.backend in FRAMEWORKS else others
        kind = row.device, row.precision
        found[kind] = max(found.get(kind, 0.0), float(rates[places].max()))
    return others | own
