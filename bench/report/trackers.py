"""Results in the formats of programs that keep the numbers of every commit. Pure.

A row has a number here only if it is ranked: these formats cannot say that a number does not count.

- Bencher Metric Format: https://bencher.dev/docs/reference/bencher-metric-format, with latency in nanoseconds.
- github-action-benchmark: https://github.com/benchmark-action/github-action-benchmark, `customSmallerIsBetter`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.analysis.inference import InferenceSummary
from bench.analysis.standing import Cause
from bench.analysis.stats import Interval
from bench.analysis.summary import RowSummary
from bench.errors import UserError
from bench.records.schema import Row
from bench.report.formats import ForTrackers
from bench.report.tables import ratio
from bench.report.units import seconds

OTHERS = re.compile(
    r"[^\w .:;=@+,/()%×\[\]-]"
)  # what a name of a row does not need, and what could be markup on a page
NS, MS = 1e9, 1e3  # a second


@dataclass(frozen=True, kw_only=True)
class Tracked:
    """A number of a row."""

    name: str
    value_s: float
    interval: Interval | None = None  # in seconds; None for a single process
    rows_per_s: float | None = None  # for a model that answers requests
    extra: tuple[str, ...] = ()  # for people, a line each


class NothingToTrack(UserError):
    """Raised if a tracker would get no number, or two under one name."""


def tracked(rows: Iterable[RowSummary]) -> list[Tracked]:
    """Return the time of a pass of every row that is ranked."""
    return [
        Tracked(name=name_of(each.row), value_s=each.pass_s, interval=each.pass_interval, extra=_extra(each))
        for each in rows
        if each.standing.ranked
    ]


def _extra(each: RowSummary) -> tuple[str, ...]:
    processes = f"{each.processes} process{'' if each.processes == 1 else 'es'}"
    training = f"one training {seconds(each.medians['one_training_s'])}"
    if each.to_fastest is None or each.to_fastest.comparison is None:
        return processes, training
    return (
        f"{ratio(each.to_fastest)} × {each.to_fastest.other.name}: {each.to_fastest.verdict}",
        processes,
        training,
    )


def tracked_inference(rows: Iterable[InferenceSummary]) -> list[Tracked]:
    """Return the latency of one row, with the throughput in batches, of every row that is ranked for inference."""
    return [
        Tracked(
            name=f"{name_of(each.row)} inference",
            value_s=each.latency.time_s,
            rows_per_s=each.throughput_rows_per_s,
            extra=(f"{each.throughput_rows_per_s:,.0f} rows/s in batches of {each.batch_rows}", f"{each.calls} calls"),
        )
        for each in rows
        if not each.reason
    ]


def name_of(row: Row) -> str:
    """Return the name of a row, short, and the same in every run: device and precision only if they are not usual."""
    precision = "" if row.precision == "float32" else f" {row.precision}"
    device = "" if row.device == "cpu" else f" {row.device}"
    return OTHERS.sub("?", f"{row.task} {row.backend} {row.mode}{device}{precision}")


def for_tracker(numbers: Sequence[Tracked], style: ForTrackers) -> str:
    """Return the file of a tracker. Raises `NothingToTrack`."""
    if not numbers:
        raise NothingToTrack("a tracker gets the numbers of rows that are ranked; here there are none")
    twice = [name for name, count in Counter(each.name for each in numbers).items() if count > 1]
    if twice:
        raise NothingToTrack(f"a tracker takes one number a name, and {twice[0]} stands here twice; name one run file")
    content = _bmf(numbers) if style == "bmf" else _github_action_benchmark(numbers)
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _bmf(numbers: Iterable[Tracked]) -> dict[str, Any]:
    return {each.name: _measures(each) for each in numbers}


def _measures(each: Tracked) -> dict[str, dict[str, float]]:
    bounds = each.interval
    latency = {"value": NS * each.value_s}
    if bounds is not None:
        latency |= {"lower_value": NS * bounds.low, "upper_value": NS * bounds.high}
    throughput = {} if each.rows_per_s is None else {"throughput": {"value": each.rows_per_s}}
    return {"latency": latency, **throughput}


def _github_action_benchmark(numbers: Iterable[Tracked]) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "unit": "ms",
            "value": MS * each.value_s,
            **({"range": f"± {MS * (each.interval.high - each.interval.low) / 2:.3g}"} if each.interval else {}),
            "extra": OTHERS.sub("?", "; ".join(each.extra)),
        }
        for each in numbers
    ]


@dataclass(frozen=True)
class Failure:
    """A row that should have a number and has none."""

    row: Row
    cause: Cause
    reason: str

    def __str__(self) -> str:
        said = self.reason if self.reason.startswith(f"{self.cause}: ") else f"{self.cause}: {self.reason}"
        return f"{name_of(self.row)} has no number: {said}"


def failures(rows: Iterable[RowSummary]) -> list[Failure]:
    """Return the rows that are not ranked; those that a backend does not support should have no number."""
    causes = [(each, each.standing.cause) for each in rows]
    return [
        Failure(each.row, cause, each.standing.why_not)
        for each, cause in causes
        if cause is not None and cause != "unsupported"
    ]


def inference_failures(rows: Iterable[InferenceSummary]) -> list[Failure]:
    """Return the rows that were asked to answer requests and are not ranked for that."""
    return [Failure(each.row, "wrong", each.reason) for each in rows if each.reason]
