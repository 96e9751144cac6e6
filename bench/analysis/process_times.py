"""What the processes of a run recorded, each beside the others of its round: what flags are raised from. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from backends.contract import Array
from backends.registry import FRAMEWORKS
from bench.analysis.claims import unlike_row
from bench.analysis.steadiness import Trend, trends
from bench.analysis.turns import Timed
from bench.records.schema import Record, Resources, Row, Timing, Turns

Bounds = Mapping[tuple[str, str], float]  # rate of the fastest matrix product in FLOP/s, by device and precision


@dataclass(frozen=True)
class ProcessTimes:
    """What one process of a row recorded, and what it was granted."""

    timing: Timing
    resources: Resources
    threads: int
    bound_flops_per_s: float  # rate of the fastest matrix product of any framework in the run, on the same device
    pass_s: float  # typical one
    trend: Trend | None  # over its turns, beyond that of the rows beside it; None if it had too few of them
    beside: tuple[Turns, ...] = ()  # what the processes of other rows did in the same round
    unlike_row: str = ""  # in which ways it was not what its row says


def process_times(known: Sequence[Timed], bounds: Bounds) -> dict[Row, list[ProcessTimes]]:
    """Return what the processes of each row recorded, each beside the others of its round."""
    rounds = _rounds(known)
    found_trends = _trends(rounds)
    found: dict[Row, list[ProcessTimes]] = {}
    for each in known:
        row, block, resources = each.record.job.row, each.record.job.block, each.record.resources
        if resources is not None:
            beside = rounds.get((row.task, block), {})
            times = ProcessTimes(
                timing=each.timing,
                resources=resources,
                threads=each.record.job.threads,
                bound_flops_per_s=bounds[row.device, row.precision],
                pass_s=each.pass_s,
                trend=found_trends.get((block, row)),
                beside=tuple(turns for other, (turns, _) in beside.items() if other != row),
                unlike_row=unlike_row(each.record.job, resources.used),
            )
            found.setdefault(row, []).append(times)
    return found


_Rounds = dict[tuple[str, int], dict[Row, tuple[Turns, Array]]]  # turns and their times, by task, round and row


def _rounds(known: Iterable[Timed]) -> _Rounds:
    found: _Rounds = {}
    for each in known:
        if each.timing.turns is not None:
            job = each.record.job
            found.setdefault((job.row.task, job.block), {})[job.row] = each.timing.turns, each.wall
    return found


def _trends(rounds: _Rounds) -> dict[tuple[int, Row], Trend | None]:
    """Return the trend of each process, by number of the round and row."""
    found = trends([[times for _, times in processes.values()] for processes in rounds.values()])
    return {
        (number, row): each
        for ((_, number), processes), of_round in zip(rounds.items(), found, strict=True)
        for row, each in zip(processes, of_round, strict=True)
    }


def product_bounds(records: Iterable[Record]) -> dict[tuple[str, str], float]:
    """Return the rate of the fastest matrix product, in FLOP/s, by device and precision.

    Only the frameworks in `FRAMEWORKS` count: a product that a guest or another package says it has computed must not
    raise the bound that its own row is held against. Others count where the run has none of these. A product that is
    faster than the processor can be counts as what the processor can reach.
    """
    own: dict[tuple[str, str], float] = {}
    others: dict[tuple[str, str], float] = {}
    for record in records:
        if record.timing is not None:
            row, timing = record.job.row, record.timing
            found = own if row.backend in FRAMEWORKS else others
            rate = min(timing.product_flops_per_s, timing.product_limit_flops_per_s or math.inf)
            found[row.device, row.precision] = max(found.get((row.device, row.precision), 0.0), rate)
    return others | own
