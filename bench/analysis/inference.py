"""What it costs to use a trained model: latency of one row, and time of a row in batches, compared as passes are. Pure.

A process is a sample here too, and turns that lie side by side are compared (see `bench.analysis.turns`). The latency
of a row is that of the best row, by its own processes, times the ratio to it, as for passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import msgspec
import numpy as np

from backends.contract import Array
from bench.analysis.comparison import groups, typical
from bench.analysis.standing import Standing, standings_of
from bench.analysis.summary import Versus, title
from bench.analysis.tolerance import MULTIPLE
from bench.analysis.turns import Grid, level, log_time
from bench.records.runfile import Run
from bench.records.schema import Inference, Record, Row


@dataclass(frozen=True)
class Cost:
    """The cost of one kind of requests."""

    time_s: float  # typical; NaN if unknown
    to_best: Versus | None = None  # None for a row that is not ranked


@dataclass(frozen=True, kw_only=True)
class InferenceSummary:
    """What it costs to use the model that a row has trained. Numbers are NaN if they are unknown."""

    run: str  # path of the run file
    row: Row
    reason: str  # why the row is not ranked; empty if it is
    processes: int  # that answered requests
    calls: int  # of one row, in all of them
    latency: Cost  # of a request of one row
    latency_p95_s: float  # median over processes
    latency_p99_s: float
    batch_rows: int
    in_batches: Cost  # of one row in a batch

    @property
    def name(self) -> str:
        """Backend and mode, and the device where it is not the CPU."""
        return self.row.name

    @property
    def throughput_rows_per_s(self) -> float:
        """Rows per second in batches."""
        return 1 / self.in_batches.time_s


def inference_of(runs: Iterable[Run]) -> tuple[InferenceSummary, ...]:
    """Return a summary of every row that was asked to answer requests, in the order of the rows of each run."""
    return tuple(each for run in runs for each in _of_run(run))


def _of_run(run: Run) -> list[InferenceSummary]:
    asked: dict[Row, list[Record]] = {}
    for record in run.last_records.take(np.flatnonzero(run.last_records.columns["inference"])):
        asked.setdefault(record.job.row, []).append(record)
    if not asked:
        return []
    standings = standings_of(run)
    reasons = {row: _reason(standings[row], records) for row, records in asked.items()}
    costs = [_costs(asked, reasons, run.header.goal.effect, times_of) for times_of in (_latencies, _of_batches)]
    return [
        _summary(run, row, asked[row], reasons[row], *(each[row] for each in costs))
        for row in run.header.rows
        if row in asked
    ]


def _reason(standing: Standing, records: Sequence[Record]) -> str:
    """Return why a row is not ranked for inference; empty if it is."""
    if not standing.ranked:
        return standing.why_not
    return next((why for record in records if (why := fault(record.inference))), "")


def fault(inference: Inference | None) -> str:
    """Return what is wrong with the inference of a process; empty if nothing is."""
    if inference is None or inference.reason:
        return f"did not answer: {inference.reason}" if inference else ""
    if not inference.calls:
        return "did not answer: no request was timed"
    if inference.predicted is None or inference.predicted <= MULTIPLE:
        return ""
    return (
        f"its answers are not those of its parameters: off by {inference.predicted:.2g} times what rounding explains, "
        f"{MULTIPLE:g} is allowed"
    )


def _latencies(found: Inference) -> Array:
    return np.array([log_time(time_s) for time_s in found.latency_s])


def _of_batches(found: Inference) -> Array:
    return np.array([log_time(time_s) - math.log(found.rows) for time_s in found.batch_s])


def _costs(
    asked: Mapping[Row, Sequence[Record]],
    reasons: Mapping[Row, str],
    effect: float,
    times_of: Callable[[Inference], Array],
) -> dict[Row, Cost]:
    """Return what each row costs, and compare those that are ranked."""
    times = {
        row: Grid.of_rounds({record.job.block: times_of(found) for record in records if (found := _answered(record))})
        for row, records in asked.items()
    }
    costs = {row: Cost(typical(rounds).ratio) for row, rounds in times.items()}
    for group in groups({row: rounds for row, rounds in times.items() if rounds and not reasons[row]}, effect):
        compared, best = group.compared_with_fastest(), group.fastest
        costs[best] = Cost(costs[best].time_s, Versus(best, title(compared.values()), None))
        for row, each in compared.items():
            costs[row] = Cost(costs[best].time_s * each.ratio, Versus(best, each.judged.verdict, each))
    return costs


def _answered(record: Record) -> Inference | None:
    """Return how a process answered requests; None if it did not."""
    return record.inference if record.inference is not None and record.inference.calls else None


def _summary(
    run: Run, row: Row, records: Sequence[Record], reason: str, latency: Cost, in_batches: Cost
) -> InferenceSummary:
    found = [each for record in records if (each := _answered(record))]
    return InferenceSummary(
        run=run.name,
        row=row,
        reason=reason,
        processes=len(found),
        calls=sum(each.calls for each in found),
        latency=latency,
        latency_p95_s=_median(each.latency_p95_s for each in found),
        latency_p99_s=_median(each.latency_p99_s for each in found),
        batch_rows=found[0].rows if found else 0,
        in_batches=in_batches,
    )


def _median(values: Iterable[float | None]) -> float:
    """Return the median; NaN unless all are known: the tail of some processes is not that of the row."""
    found = list(values)
    known = [value for value in found if value is not None]
    return median(known) if known and len(known) == len(found) else math.nan


def process_inference(record: Record) -> dict[str, Any]:
    """Return the columns of one process; None where it was not asked to answer requests, or did not."""
    found = record.inference
    answered = found if found is not None and found.calls else None
    return {
        "latency_median_s": answered.latency_median_s if answered else None,
        "latency_p95_s": answered.latency_p95_s if answered else None,
        "latency_p99_s": answered.latency_p99_s if answered else None,
        "latency_calls": answered.calls if answered else None,
        "throughput_rows_per_s": math.exp(-level(_of_batches(answered))) if answered else None,
        "inference_open_s": answered.open_s if answered else None,
        "inference_reason": fault(found),
    }


def inference_columns(each: InferenceSummary) -> dict[str, Any]:
    """Return the line of a row: its costs, and their ratios to those of the best row with interval and verdict."""
    return {
        "run": each.run,
        **msgspec.structs.asdict(each.row),
        "inference_reason": each.reason,
        "inference_processes": each.processes,
        "latency_calls": each.calls,
        "latency_median_s": each.latency.time_s,
        "latency_p95_s": each.latency_p95_s,
        "latency_p99_s": each.latency_p99_s,
        **_versus("latency", each.latency.to_best),
        "batch_rows": each.batch_rows,
        "throughput_rows_per_s": each.throughput_rows_per_s,
        **_versus("batch", each.in_batches.to_best),
    }


def _versus(prefix: str, versus: Versus | None) -> dict[str, Any]:
    found = versus.comparison if versus else None
    interval = found.interval if found else None
    return {
        f"{prefix}_ratio": versus.ratio if versus else math.nan,
        f"{prefix}_ratio_low": interval.low if interval else math.nan,
        f"{prefix}_ratio_high": interval.high if interval else math.nan,
        f"{prefix}_verdict": versus.verdict if versus else "",
        f"{prefix}_shared_rounds": float(found.rounds) if found else math.nan,
    }
