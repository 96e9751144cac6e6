"""A run in one line a row: medians over processes, ratios to the fastest row and to a baseline. Pure."""

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
    """A row beside another one, which may be itself."""

    other: Row
    verdict: str  # of statistics, or what a row is called beside itself: fastest, among the fastest, baseline
    comparison: Comparison | None  # None beside itself

    @property
    def ratio(self) -> float:
        """The row's time over the other's; NaN where they share no block."""
        return self.comparison.ratio if self.comparison else 1.0


@dataclass(frozen=True, kw_only=True)
class RowSummary:
    """What a run says of a row. A number of a row without a good process is NaN."""

    run: str  # path of the run file
    row: Row
    standing: Standing
    parity: ParityResult | None
    flags: tuple[Flag, ...]
    effect: float  # the size of a difference that the run aims to see
    failure: Record | None  # the first process that did not end well
    first: Record  # the first process that did, or else the failure
    processes: int  # that ended well
    noisy_blocks: int  # of these processes
    pass_s: float  # median over processes of their median steady pass
    pass_min_s: float
    pass_max_s: float
    pass_interval: Interval | None  # of the median
    medians: Mapping[str, float]  # over processes, by `MEDIANS`
    peak_memory_bytes: int | None  # the most of any process
    peak_device_memory_bytes: int | None
    baseline: str = ""  # that was asked for
    to_fastest: Versus | None = None  # None for a row that is not ranked
    to_baseline: Versus | None = None

    @property
    def fair(self) -> bool:
        """Whether no flag says that the times mislead."""
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
        """What the failed process, or else the parity check, said."""
        return self.failure.reason if self.failure else self.parity.reason if self.parity else ""


def summarise(runs: Iterable[Run], baseline: str = "") -> tuple[RowSummary, ...]:
    """Return a summary of every row that has a record, task by task: ranked rows first, fastest first.

    Rows are compared with the fastest of their task and precision, and with the row of the backend, or backend:mode,
    that `baseline` names. Rows that are not ranked are compared with nothing. Raises `BadChoice` for a baseline of
    which a run has no row.
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
    """Return the summary with what the row is to the fastest of its task, and to the baseline."""
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
    """Return what the fastest row may be called."""
    others = [row for row in comparisons.rivals(best) if row != best]
    verdicts = {comparisons.verdict(row, best)[1].verdict for row in others}
    if "too few blocks" in verdicts or not others:
        return ""
    return "fastest" if verdicts <= {"slower", "faster"} else "among the fastest"
