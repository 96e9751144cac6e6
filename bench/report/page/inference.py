"""What it costs to use the trained models, for the page. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bench.analysis.inference import Cost, InferenceSummary
from bench.records.schema import Row


def inference_of_page(rows: Iterable[InferenceSummary], places: Mapping[Row, int]) -> list[dict[str, Any]]:
    """Return the latency of one row and the throughput in batches of each row that answered; `places` number the rows.

    A row that is not ranked has its reason and no numbers.
    """
    return [
        {"row": places[each.row], "why": each.reason, **({} if each.reason else _numbers(each))}
        for each in rows
        if each.row in places
    ]


def _numbers(each: InferenceSummary) -> dict[str, Any]:
    return {
        "latency": _cost(each.latency),
        "p95_s": each.latency_p95_s,
        "p99_s": each.latency_p99_s,
        "calls": each.calls,
        "batch_rows": each.batch_rows,
        "rows_per_s": each.throughput_rows_per_s,
        "batches": _cost(each.in_batches),
    }


def _cost(cost: Cost) -> dict[str, Any]:
    """Return a time and its ratio to the best row's, with the interval of both: one statistic."""
    versus = cost.to_best
    found = versus.comparison if versus else None
    between = found.interval if found else None
    return {
        "time_s": cost.time_s,
        "ratio": versus.ratio if versus else None,
        "between": [between.low, between.high] if between else None,
        "verdict": versus.verdict if versus else "",
    }
