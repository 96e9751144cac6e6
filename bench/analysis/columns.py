"""The columns of tables for programs: names and values. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from bench.analysis.break_even import BreakEven
from bench.analysis.changes import Change
from bench.analysis.inference import process_inference
from bench.analysis.machine_facts import Facts
from bench.analysis.process import Context
from bench.analysis.summary import RowSummary, Versus
from bench.analysis.sweep import Point
from bench.records.machines import machine_key
from bench.records.schema import ParityResult, Record, Row, WarmStart

if TYPE_CHECKING:
    from bench.analysis.across import Across, OnMachine, RowAcross


def process_columns(context: Context) -> dict[str, list[Any]]:
    """Return the columns of processes: job, status, times and quality of each, and the parity of its row.

    `turn_passes`, `turn_wall_s` and `turn_cpu_s` hold a tuple with an entry for each turn of the round.
    """
    told = [(_of_job(context, record), _of_quality(context, record)) for record in context.records]
    if not told:
        return {}
    first, last = ({name: [line[name] for line in part] for name in part[0]} for part in zip(*told, strict=True))
    return first | context.numbers() | last


def _of_job(context: Context, record: Record) -> dict[str, Any]:
    job = record.job
    flags = context.flags.get(job.row, ())
    return {
        "run": context.run.name,
        "machine": machine_key(context.run.header),
        **msgspec.structs.asdict(job.row),
        "settings": msgspec.json.encode(job.settings).decode(),
        "threads": job.threads,
        "round": job.block,
        "effect": context.run.header.goal.effect,  # the size of the difference that the run aims to detect
        "status": record.status,
        "reason": record.reason,
        "started": record.started,
        "noise": context.noise_of(job.row, job.block),
        "flags": "; ".join(flag.sentence for flag in flags),
        "fair": not any(flag.unfair for flag in flags),
    }


def _of_quality(context: Context, record: Record) -> dict[str, Any]:
    parity = context.parity.get(record.job.row)
    return {
        **_quality(record),
        **process_inference(record),
        "agrees": parity.agrees if parity else None,
        "parity_reason": parity.reason if parity else "",
        **_departures(parity, "gradient", "losses", "parameters", "envelope", "metric"),
        "parity_tier": parity.tier if parity else "",
    }


def _quality(record: Record) -> dict[str, Any]:
    names = ("metric", "value", "losses", "parameters", "truth")
    quality = record.quality
    return {
        **({name: getattr(quality, name) for name in names} if quality else dict.fromkeys(names)),
        "framework": record.resources.framework if record.resources else None,
    }


def _departures(parity: ParityResult | None, *names: str) -> dict[str, float | None]:
    return {f"{name}_departure": getattr(parity, name) if parity else None for name in names}


def summary_columns(each: RowSummary) -> dict[str, Any]:
    """Return the line of a row.

    `ratio` compares with the fastest row, `baseline_ratio` with the baseline if there is one; both have an interval and
    a verdict.
    """
    interval, quality = each.pass_interval, _quality(each.first)
    return {
        "run": each.run,
        "machine": each.machine,
        **msgspec.structs.asdict(each.row),
        "status": each.failure.status if each.failure else "ok",
        "processes": each.processes,
        "ranked": each.standing.ranked,
        "reason": each.reason,
        "flags": each.flagged,
        "noisy_rounds": each.noisy_rounds,
        "effect": each.effect,
        "pass_s": each.pass_s,
        "pass_min_s": each.pass_min_s,
        "pass_max_s": each.pass_max_s,
        "pass_low_s": interval.low if interval else None,
        "pass_high_s": interval.high if interval else None,
        "pass_cpu_s": each.pass_cpu_s,
        **each.medians,
        "rows_per_s": each.rows_per_s,
        "flops_per_s": each.flops_per_s,
        "flops_share": each.flops_share,
        "peak_memory_bytes": _or_nan(each.peak_memory_bytes),
        "peak_device_memory_bytes": _or_nan(each.peak_device_memory_bytes),
        "agrees": each.parity.agrees if each.parity else None,
        **{name: quality[name] for name in ("metric", "value", "parameters", "truth", "framework")},
        **_departures(each.parity, "gradient", "losses"),
        **_break_even("", each.break_even),
        **_warm(each.warm),
        **_break_even("warm_", each.warm_break_even),
        **_versus("", each.to_fastest),
        "fastest": each.to_fastest.other.name if each.to_fastest else "",
        **(_versus("baseline_", each.to_baseline) if each.baseline else {}),
    }


def _break_even(prefix: str, found: BreakEven | None) -> dict[str, Any]:
    """Return from how many passes on a row costs less than the plain mode of its framework, set-up included."""
    return {
        f"{prefix}break_even_passes": found.passes if found else math.nan,
        f"{prefix}break_even_low": found.low if found else math.nan,
        f"{prefix}break_even_high": found.high if found else math.nan,
        f"{prefix}break_even": found.verdict if found else "",
    }


def _warm(found: WarmStart | None) -> dict[str, Any]:
    """Return the start of a process that found compiled code; NaN if there was none, or with a reason if it failed."""
    known = found if found and not found.reason else None
    return {
        "warm_import_s": known.import_s if known else math.nan,
        "warm_setup_s": known.setup_s if known else math.nan,
        "warm_first_pass_s": known.first_pass_s if known else math.nan,
        "warm_reason": found.reason if found else "",
    }


def _or_nan(number: float | None) -> float:
    """Return NaN for None: pandas would make a column of only None one of objects, not of numbers."""
    return math.nan if number is None else number


def _versus(prefix: str, versus: Versus | None) -> dict[str, Any]:
    """Return the columns of a row compared with another row."""
    found = versus.comparison if versus else None
    interval = found.interval if found else None
    columns = {
        "ratio": versus.ratio if versus else None,
        "ratio_low": interval.low if interval else None,
        "ratio_high": interval.high if interval else None,
        "verdict": versus.verdict if versus else "",
        "detectable": found.judged.detectable if found else None,
        "shared_rounds": found.rounds if found else None,
        "rounds_needed": found.rounds_needed if found else None,
        "cpu_ratio": versus.cpu_ratio if versus else None,
    }
    return {f"{prefix}{name}": value for name, value in columns.items()}


def ratio_columns(each: RowSummary, versus: Versus | None) -> dict[str, Any]:
    """Return the line of a row compared with one other row, `other`; None if it is not compared."""
    return {
        "run": each.run,
        "machine": each.machine,
        **msgspec.structs.asdict(each.row),
        "other": versus.other.name if versus else "",
        **_versus("", versus),
        "pass_s": each.pass_s,
        "ranked": each.standing.ranked,
        "reason": "" if each.standing.ranked else each.standing.why_not,
    }


def change_columns(each: Change) -> dict[str, Any]:
    """Return the line of a row of two runs; NaN where it has no good times in one of them."""
    ratio = 1.0 if each.kind == "identical" else _or_nan(each.ratio)
    return {
        **msgspec.structs.asdict(each.row),
        "verdict": each.kind,
        "ratio": ratio,
        "ratio_low": each.interval.low if each.interval else math.nan,
        "ratio_high": each.interval.high if each.interval else math.nan,
        "then_s": _or_nan(each.then_s),
        "now_s": _or_nan(each.now_s),
        "detectable": each.detectable,
        "reason": each.reason,
    }


def machines_columns(of: Across, each: RowAcross) -> dict[str, Any]:
    """Return the line of a row over machines: its ratio to the other row on average and on a new machine, and reach.

    Intervals and the spread, the standard deviation of the logarithm of the ratio between machines, are NaN for fewer
    than three machines.
    """
    overall, (lowest, highest) = each.overall, each.reach
    return {
        **of.question._asdict(),
        **_ids(each.row),
        "other": of.other.name,
        "machines": len(each.on),
        "ratio": overall.ratio if overall else math.nan,
        "ratio_low": overall.interval.low if overall else math.nan,
        "ratio_high": overall.interval.high if overall else math.nan,
        "new_low": overall.prediction.low if overall else math.nan,
        "new_high": overall.prediction.high if overall else math.nan,
        "spread": overall.spread if overall else math.nan,
        "spread_low": overall.spread_interval.low if overall else math.nan,
        "spread_high": overall.spread_interval.high if overall else math.nan,
        "lowest": lowest.ratio,
        "lowest_machine": lowest.machine,
        "highest": highest.ratio,
        "highest_machine": highest.machine,
        "goes_with": "; ".join(name for fact in each.facts if fact.told for name in fact.names),
    }


def machine_columns(of: Across, each: RowAcross, on: OnMachine, name: str, facts: Facts) -> dict[str, Any]:
    """Return the line of a row on one machine: its ratio to the other row over all runs there, and the machine."""
    return {
        **of.question._asdict(),
        **_ids(each.row),
        "other": of.other.name,
        "machine": on.machine,
        "name": name,
        "runs": on.runs,
        "rounds": on.found.rounds,
        "ratio": on.ratio,
        "ratio_low": on.interval.low if on.interval else math.nan,
        "ratio_high": on.interval.high if on.interval else math.nan,
        "log_ratio": on.found.mean,
        "standard_error": on.found.error,
        "facts": dict(facts),
    }


def _ids(row: Row) -> dict[str, str]:
    return {"backend": row.backend, "mode": row.mode, "device": row.device}


def point_columns(point: Point, keys: Iterable[str]) -> dict[str, Any]:
    """Return the line of a point of a sweep: its settings, the cost of a step, then the columns of its row.

    `step_s` is the typical pass / the number of its steps, with its interval; `flops_per_step` counts those of
    the model's matrix products.
    """
    interval, summary = point.step_interval, summary_columns(point.summary)
    first = {
        "base_task": point.task.base,
        **{key: point.task.settings[key] for key in keys},
        **{name: summary[name] for name in ("backend", "mode", "device", "precision")},
        "step_s": point.step_s,
        "step_low_s": interval.low if interval else None,
        "step_high_s": interval.high if interval else None,
        "flops_per_step": point.flops,
    }
    return first | summary
