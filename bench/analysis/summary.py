"""Summary of a run by row: medians over processes, ratios to the fastest row and to a baseline. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from bench.analysis.baseline import find_row, require_baseline
from bench.analysis.comparison import Comparison, Comparisons, log_times
from bench.analysis.flags import Flag
from bench.analysis.process import Context
from bench.analysis.standing import Standing, standings_of
from bench.analysis.stats import Interval, median_interval
from bench.records.runfile import Run
from bench.records.schema import ParityResult, Record, Row

MEDIANS = (
    *("first_call_s", "start_s", "import_s", "data_s", "setup_s", "first_pass_s", "steady_passes_s"),
    *("evaluation_s", "resets_s", "checks_s", "wall_s", "cpu_s", "cores_busy"),
    *("steps_per_pass", "flops_per_pass", "rows_per_s", "flops_per_s", "flops_share", "product_flops_per_s"),
)


@dataclass(frozen=True)
class Versus:
    """A row compared with another row, which may be the row itself."""

    other: Row
    verdict: str  # of the test; for the row itself: fastest, among the fastest, or baseline
    comparison: Comparison | None  # None for the row itself

    @property
    def ratio(self) -> float:
        """The row's time divided by the other's; NaN if they share no block."""
        return self.comparison.ratio if self.comparison else 1.0


@dataclass(frozen=True, kw_only=True)
class RowSummary:
    """Summary of a row of a run. Numbers are NaN if no process was successful."""

    run: str  # path of the run file
    row: Row
    standing: Standing
    parity: ParityResult | None
    flags: tuple[Flag, ...]
    effect: float  # the size of the difference that the run aims to detect
    failure: Record | None  # the first process that failed
    first: Record  # the first successful process, or else the failure
    processes: int  # number of successful processes
    noisy_blocks: int  # number of their blocks that were noisy
    pass_s: float  # median over processes of their median steady pass
    pass_min_s: float
    pass_max_s: float
    pass_interval: Interval | None  # of the median
    medians: Mapping[str, float]  # over processes, by `MEDIANS`
    peak_memory_bytes: int | None  # maximum over processes
    peak_device_memory_bytes: int | None
    baseline: str = ""  # as the user named it
    to_fastest: Versus | None = None  # None for a row that is not ranked
    to_baseline: Versus | None = None

    @property
    def fair(self) -> bool:
        """Whether no flag says that the times are unfair."""
        return not any(flag.unfair for flag in self.flags)

    @property
    def flagged(self) -> str:
        """All flags in words."""
        return "; ".join(flag.sentence for flag in self.flags)

    @property
    def name(self) -> str:
        """Backend and mode."""
        return f"{self.row.backend} {self.row.mode}"

    @property
    def reason(self) -> str:
        """The reason of the failed process, or else of the parity check."""
        return self.failure.reason if self.failure else self.parity.reason if self.parity else ""


def summarise(runs: Iterable[Run], baseline: str = "") -> tuple[RowSummary, ...]:
    """Return a summary of every row that has a record, task by task: ranked rows first, fastest first.

    Rows are compared with the fastest of their task and precision, and with the row that `baseline` names (a backend or
    backend:mode). Rows that are not ranked are not compared. Raises `BadChoice` if a run has no row of the baseline.
    """
    rows = [row for run in runs for row in _rows_of(run, baseline)]
    tasks = list(dict.fromkeys(each.row.task for each in rows))

    def place(each: RowSummary) -> tuple[Any, ...]:
        ratio = each.to_fastest.ratio if each.to_fastest else math.nan
        return each.run, tasks.index(each.row.task), each.row.precision, *_nan_last(ratio), *_nan_last(each.pass_s)

    return tuple(sorted(rows, key=place))


def _nan_last(number: float) -> tuple[bool, float]:
    return (True, 0.0) if math.isnan(number) else (False, number)


def _rows_of(run: Run, baseline: str) -> list[RowSummary]:
    context, standings = Context.of(run), standings_of(run)
    records: dict[Row, list[Record]] = {}
    for record in run.last_records:
        records.setdefault(record.job.row, []).append(record)
    require_baseline(baseline, list(records))
    rows = [_summary(context, standings[row], each) for row, each in records.items()]
    times = {row: each for row, each in log_times(run.last_records).items() if standings[row].ranked}
    comparisons = Comparisons(times, run.header.goal.effect)
    return [_compared(each, comparisons, baseline) for each in rows]


def _summary(context: Context, standing: Standing, records: Sequence[Record]) -> RowSummary:
    row = records[0].job.row
    good = [record for record in records if record.status == "ok"]
    numbers = [context.numbers_of(record) for record in good]
    passes_s = [each["pass_s"] for each in numbers if each["pass_s"] is not None]
    return RowSummary(
        run=str(context.run.path),
        row=row,
        standing=standing,
        parity=context.parity.get(row),
        flags=context.flags.get(row, ()),
        effect=context.run.header.goal.effect,
        failure=next((record for record in records if record.status != "ok"), None),
        first=(good or records)[0],
        processes=len(good),
        noisy_blocks=sum(context.noise_of(record) != "" for record in good),
        pass_s=_median(passes_s),
        pass_min_s=min(passes_s, default=math.nan),
        pass_max_s=max(passes_s, default=math.nan),
        pass_interval=median_interval(passes_s),
        medians={name: _median([each[name] for each in numbers if each[name] is not None]) for name in MEDIANS},
        peak_memory_bytes=_most(each["peak_memory_bytes"] for each in numbers),
        peak_device_memory_bytes=_most(each["peak_device_memory_bytes"] for each in numbers),
    )


def _median(values: Sequence[float]) -> float:
    return float(median(values)) if values else math.nan


def _most(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _compared(each: RowSummary, comparisons: Comparisons, baseline: str) -> RowSummary:
    """Return the summary with the comparisons with the fastest row of the task and with the baseline."""
    each = replace(each, baseline=baseline)
    rivals = comparisons.rivals(each.row) if each.standing.ranked else []
    best, chosen = comparisons.fastest(rivals), find_row(baseline, rivals)
    if best is None:
        return each
    return replace(
        each,
        to_fastest=_versus(comparisons, each.row, best, _title(comparisons, best)),
        to_baseline=_versus(comparisons, each.row, chosen, "baseline") if chosen else None,
    )


def _versus(comparisons: Comparisons, row: Row, other: Row, beside_itself: str) -> Versus:
    if row == other:
        return Versus(other, beside_itself, None)
    found = comparisons.compare(row, other)
    return Versus(other, found.judged.verdict, found)


def _title(comparisons: Comparisons, best: Row) -> str:
    """Return the verdict on the fastest row: fastest, or among the fastest."""
    others = [row for row in comparisons.rivals(best) if row != best]
    verdicts = {comparisons.verdict(row, best)[1].verdict for row in others}
    if "too few blocks" in verdicts or not others:
        return ""
    return "fastest" if verdicts <= {"slower", "faster"} else "among the fastest"
