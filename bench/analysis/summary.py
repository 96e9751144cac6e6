"""Summary of a run by row: its pass time, its ratios to the fastest row and to a baseline, medians of the rest. Pure.

One statistic a table: the pass time of a row that is compared is the pass time of the fastest row times its ratio to
that row. So times, ratios and the order of rows always agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from msgspec import structs

from backends.contract import Array
from bench.analysis.baseline import find_row, require_baseline
from bench.analysis.break_even import BreakEven, break_evens, warm_break_evens
from bench.analysis.comparison import Comparison, groups
from bench.analysis.flags import Flag
from bench.analysis.kept import kept
from bench.analysis.process import NUMBERS, Context, passes_of
from bench.analysis.standing import Standing, standings_of
from bench.analysis.stats import Estimate, Interval, estimate, interval
from bench.analysis.turns import (
    NO_ROUNDS,
    Grid,
    Response,
    Times,
    cpu_times,
    differences,
    logarithms,
    middle,
    response,
    wall_times,
)
from bench.records.columns import DEVICE_MEMORY, UNKNOWN, Columns
from bench.records.machines import machine_key
from bench.records.runfile import Run, without_collector
from bench.records.schema import ParityResult, Record, Row, WarmStart

MEDIANS = (
    *("first_call_s", "start_s", "import_s", "data_s", "setup_s", "first_pass_s", "steady_passes_s"),
    *("one_training_s", "evaluation_s", "resets_s", "checks_s", "wall_s", "cpu_s", "cores_busy"),
    *("steps_per_pass", "rows_per_pass", "flops_per_pass", "product_flops_per_s"),
)


Rank = Literal["steady", "total"]


@dataclass(frozen=True)
class Versus:
    """A row compared with another row, which may be the row itself."""

    other: Row
    verdict: str  # of the test; for the row itself: fastest, among the fastest, or baseline
    comparison: Comparison | None  # None for the row itself
    cpu_ratio: float = 1.0  # the row's CPU time divided by the other's; NaN if no round has both
    response: Response | None = None  # if the ratio is another one while the machine is slow

    @property
    def ratio(self) -> float:
        """The row's time divided by the other's."""
        return self.comparison.ratio if self.comparison else 1.0


@dataclass(frozen=True, kw_only=True)
class RowSummary:
    """Summary of a row of a run. Numbers are NaN if no process was successful."""

    run: str  # path of the run file
    machine: str  # its key
    row: Row
    standing: Standing
    parity: ParityResult | None
    flags: tuple[Flag, ...]
    effect: float  # the size of the difference that the run aims to detect
    failure: Record | None  # the first process that failed
    first: Record  # the first successful process, or else the failure
    processes: int  # number of successful processes
    noisy_rounds: int  # number of their rounds that were noisy
    pass_s: float  # of the fastest row, by its own processes, times the ratio to it; else by the row's own processes
    pass_min_s: float  # lowest and highest of its own processes
    pass_max_s: float
    pass_interval: Interval | None  # by the scatter of its own processes
    pass_cpu_s: float  # CPU time of a pass, in the same way; NaN if no process had turns
    bound_flops_per_s: float  # fastest matrix product in the run, on the same device and in the same precision
    medians: Mapping[str, float]  # over processes, by `MEDIANS`
    peak_memory_bytes: int | None  # maximum over processes
    peak_device_memory_bytes: int | None
    passes: int | None  # of one training; None if no process was timed
    baseline: str = ""  # as the user named it
    to_fastest: Versus | None = None  # None for a row that is not ranked
    to_baseline: Versus | None = None
    estimates: Mapping[Row, Estimate] = field(default_factory=dict)  # of this row / each other one it is ranked with
    break_even: BreakEven | None = None  # None for the plain mode itself, or if one of the two is not ranked
    warm: WarmStart | None = None  # with the compiled code of an earlier process, in the first round that has one
    warm_break_even: BreakEven | None = None  # the same as `break_even` with such starts

    @property
    def rows_per_s(self) -> float:
        """Training rows per second."""
        return self.medians["rows_per_pass"] / self.pass_s

    @property
    def flops_per_s(self) -> float:
        """Floating-point operations per second of the model's matrix products."""
        return self.medians["flops_per_pass"] / self.pass_s

    @property
    def flops_share(self) -> float:
        """The same as a share of the fastest matrix product in the run."""
        return self.flops_per_s / self.bound_flops_per_s

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
        """Backend and mode, and the device where it is not the CPU."""
        return self.row.name

    @property
    def reason(self) -> str:
        """The reason of the failed process, or else of the parity check."""
        return self.failure.reason if self.failure else self.parity.reason if self.parity else ""


def summarise(runs: Iterable[Run], baseline: str = "", rank: Rank = "steady") -> tuple[RowSummary, ...]:
    """Return a summary of every row that has a record, task by task: ranked rows first, fastest first.

    Those of a machine stand together, in the order in which the runs first name it.
    `rank` says whether the fastest has the shortest steady pass, or takes the least time in total for one training.
    Rows are compared with the fastest of their task and precision, and with the row that `baseline` names (a backend or
    backend:mode). Rows that are not ranked are not compared. Raises `BadChoice` if a run has no row of the baseline.
    """
    with without_collector():  # it takes longer with what a large store has kept than reading it
        rows = [row for run in runs for row in _kept_rows(run, baseline) or _rows_of(run, baseline)]
        return _in_order(rows, rank)


def _in_order(rows: Iterable[RowSummary], rank: Rank) -> tuple[RowSummary, ...]:
    rows = list(rows)
    tasks, machines = (
        {name: place for place, name in enumerate(dict.fromkeys(names))}
        for names in ((each.row.task for each in rows), (each.machine for each in rows))
    )

    def place(each: RowSummary) -> tuple[Any, ...]:
        ratio = each.to_fastest.ratio if each.to_fastest else math.nan
        times_s = (each.medians["one_training_s"],) if rank == "total" else (ratio, each.pass_s)
        return (
            machines[each.machine],
            each.run,
            tasks[each.row.task],
            each.row.precision,
            math.isnan(ratio),
            *map(_nan_last, times_s),
        )

    return tuple(sorted(rows, key=place))


def _kept_rows(run: Run, baseline: str) -> tuple[RowSummary, ...]:
    """Return the summaries that were made when the run was put into a store; none if a baseline asks for others."""
    found = None if baseline else kept(run, "rows", tuple[RowSummary, ...])
    for each in found or ():
        # Nobody else has it yet, and a copy would take as long as reading.
        object.__setattr__(each, "run", run.name)
    return found or ()


def without_rest(each: RowSummary) -> RowSummary:
    """Return a summary to be kept: its records have only what a table needs of them, which is a hundredth.

    Its estimates are kept in fewer numbers by `bench.analysis.log_ratios`.
    """
    return replace(each, first=_slim(each.first), failure=each.failure and _slim(each.failure), estimates={})


def _slim(record: Record) -> Record:
    quality = record.quality and structs.replace(record.quality, losses=())
    resources = record.resources and structs.replace(record.resources, used=None, left=())
    names = ("job", "status", "reason", "started")
    return Record(**{name: getattr(record, name) for name in names}, quality=quality, resources=resources)


def _nan_last(number: float) -> tuple[bool, float]:
    return (True, 0.0) if math.isnan(number) else (False, number)


def _rows_of(run: Run, baseline: str) -> list[RowSummary]:
    context = Context.of(run)
    standings = standings_of(run, context.flags)
    records = context.records.columns.by_row()
    require_baseline(baseline, list(records))
    of_cpu = cpu_times(context.processes.timed)
    numbers = _numbers(context)
    rows = [
        _summary(context, standings[row], places, numbers, of_cpu.get(row, NO_ROUNDS))
        for row, places in records.items()
    ]
    ranked = {row: rounds for row, rounds in wall_times(context.processes.timed).items() if standings[row].ranked}
    versus = _all_versus(ranked, of_cpu, run.header.goal.effect, baseline)
    evens, starts = break_evens(context.processes, ranked), _warm_starts(context)
    warm_evens = warm_break_evens(context.processes, ranked, starts)
    rows = [
        replace(
            each,
            baseline=baseline,
            break_even=evens.get(each.row),
            warm=next(iter(starts.get(each.row, {}).values()), None),
            warm_break_even=warm_evens.get(each.row),
        )
        for each in rows
    ]
    by_row = {each.row: each for each in rows}
    return [_compared(each, by_row, versus.get(each.row)) for each in rows]


def _warm_starts(context: Context) -> dict[Row, dict[int, WarmStart]]:
    found: dict[Row, dict[int, WarmStart]] = {}
    for record in context.records.take(np.flatnonzero(context.records.columns["warm"])):
        if record.warm is not None:
            found.setdefault(record.job.row, {})[record.job.block] = record.warm
    return found


def _numbers(context: Context) -> dict[str, Array]:
    """Return the numbers that a summary needs of each record [records]; NaN for one that was not timed."""
    places = np.flatnonzero(context.records.columns["timed"])
    found = {}
    for name in (*MEDIANS, "pass_s"):
        found[name] = np.full(len(context.records), math.nan)
        found[name][places] = NUMBERS[name](context.processes)
    return found


def _summary(
    context: Context, standing: Standing, places: Array, numbers: Mapping[str, Array], cpu_times: Grid
) -> RowSummary:
    """Return the summary of the row that has these records."""
    columns = context.records.columns
    row = columns.rows[columns["row"][places[0]]]
    ok = columns["ok"][places]
    good, failed = places[ok], places[~ok]
    timed = good[columns["timed"][good]]
    pass_s = numbers["pass_s"][timed]
    found = estimate(logarithms(pass_s))
    rounds = columns["block"][good]
    return RowSummary(
        run=context.run.name,
        machine=machine_key(context.run.header),
        row=row,
        standing=standing,
        parity=context.parity.get(row),
        flags=context.flags.get(row, ()),
        effect=context.run.header.goal.effect,
        failure=context.records[failed[0]] if len(failed) else None,
        first=context.records[places[0] if not len(good) else good[0]],
        processes=len(good),
        noisy_rounds=int(np.isin(rounds, context.noisy_rounds(row.task)).sum()),
        pass_s=found.ratio,
        pass_min_s=float(pass_s.min()) if len(pass_s) else math.nan,
        pass_max_s=float(pass_s.max()) if len(pass_s) else math.nan,
        pass_interval=interval(found),
        pass_cpu_s=estimate(cpu_times.levels).ratio,
        bound_flops_per_s=context.bounds.get((row.device, row.precision), math.nan),
        medians={name: _median(numbers[name][timed]) for name in MEDIANS},
        peak_memory_bytes=_most(columns["peak_memory_bytes"][timed]),
        peak_device_memory_bytes=_most(columns[DEVICE_MEMORY][timed]),
        passes=_passes(columns, timed),
    )


def _passes(columns: Columns, timed: Array) -> int | None:
    """Return the number of passes of one training, by the first process that was timed and kept its losses."""
    known = passes_of(columns.take(timed))
    return int(known[known > 0][0]) if known.any() else None


def _median(values: Array) -> float:
    known = values[values == values]  # without NaN
    return float(middle(known)) if len(known) else math.nan


def _most(counts: Array) -> int | None:
    """Return the largest count; None if none is known."""
    most = int(counts.max(initial=UNKNOWN))
    return None if most == UNKNOWN else most


@dataclass(frozen=True)
class _Compared:
    """The comparisons of a ranked row."""

    to_fastest: Versus
    to_baseline: Versus | None
    estimates: Mapping[Row, Estimate]


def _compared(each: RowSummary, rows: Mapping[Row, RowSummary], found: _Compared | None) -> RowSummary:
    """Return the summary with its comparisons, and its times as those of the fastest row times the ratio to it."""
    if found is None:
        return each
    to_fastest = found.to_fastest
    fastest = rows[to_fastest.other]
    change = to_fastest.ratio * fastest.pass_s / each.pass_s
    between = each.pass_interval
    return replace(
        each,
        to_fastest=to_fastest,
        to_baseline=found.to_baseline,
        estimates=found.estimates,
        pass_s=to_fastest.ratio * fastest.pass_s,
        pass_interval=between and Interval(between.low * change, between.high * change),
        pass_cpu_s=to_fastest.cpu_ratio * fastest.pass_cpu_s,
    )


def _all_versus(times: Times, cpu_times: Times, effect: float, baseline: str) -> dict[Row, _Compared]:
    """Return the comparisons of each row with the fastest row of its group, the baseline and all others."""
    found: dict[Row, _Compared] = {}
    for group in groups(times, effect):
        compared, best = group.compared_with_fastest(), group.fastest
        chosen = find_row(baseline, group.times) if baseline else None
        to_chosen = group.compared_with(chosen) if chosen else {}
        for row in group.times:
            own = _versus(row, best, compared.get(row) or title(compared.values()), times, cpu_times)
            other = _versus(row, chosen, to_chosen.get(row) or "baseline", times, cpu_times) if chosen else None
            found[row] = _Compared(own, other, group.against(row))
    return found


def _versus(row: Row, other: Row, found: Comparison | str, times: Times, cpu_times: Times) -> Versus:
    """Return a row compared with another; `found` is what to call it if it is the other row itself."""
    if isinstance(found, str):
        return Versus(other, found, None)
    cpu_ratio = estimate(differences(cpu_times.get(row, NO_ROUNDS), cpu_times.get(other, NO_ROUNDS))).ratio
    return Versus(other, found.judged.verdict, found, cpu_ratio, response(times[row], times[other]))


def title(compared: Iterable[Comparison]) -> str:
    """Return the verdict on the fastest row: fastest, or among the fastest."""
    verdicts = {each.judged.verdict for each in compared}
    if "too few rounds" in verdicts or not verdicts:
        return ""
    return "fastest" if verdicts <= {"slower", "faster"} else "among the fastest"
