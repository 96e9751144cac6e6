"""Result tables for people: summaries of rows in words and units."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from bench.analysis.frame import summary_frame
from bench.analysis.summary import RowSummary, Versus
from bench.report.choosing import Table
from bench.report.units import bracketed, megabytes, multiple, seconds

METRICS = {"accuracy": "accuracy", "threshold_accuracy": "accuracy", "rmse": "RMSE"}
AGREES = {True: "yes", False: "NO", None: ""}

# What is shown where nobody chooses columns.
USUAL = (
    *("backend", "mode", "device", "precision", "pass", "95 %", "× fastest", "verdict", "× baseline", "to baseline"),
    *("first call", "one training", "cores", "of bound", "memory", "device memory", "result", "agrees"),
)
# What a narrow terminal leaves out of it, the first of it first.
SPARE = ("95 %", "of bound", "cores", "device memory", "result", "first call", "memory", "agrees", "one training")
NUMBERS = {  # the column of numbers that a column shows, where it has another name
    "pass": "pass_s",
    "95 %": "pass_low_s",
    "× fastest": "ratio",
    "× baseline": "baseline_ratio",
    "to baseline": "baseline_verdict",
    "CPU": "pass_cpu_s",
    "× CPU": "cpu_ratio",
    "first call": "first_call_s",
    "one training": "one_training_s",
    "import": "import_s",
    "rows/s": "rows_per_s",
    "GFLOP/s": "flops_per_s",
    "of bound": "flops_share",
    "cores": "cores_busy",
    "memory": "peak_memory_bytes",
    "device memory": "peak_device_memory_bytes",
    "rounds": "processes",
    "result": "value",
}


def training_table(rows: Sequence[RowSummary]) -> Table:
    """Return summaries as a table for people, and in numbers."""
    return Table(readable(rows), summary_frame(rows), NUMBERS)


def readable(rows: Sequence[RowSummary]) -> pd.DataFrame:
    """Return summaries as a table for people: texts with words and units."""
    table = pd.DataFrame([_readable(each) for each in rows], dtype=str)
    if len({each.run for each in rows}) > 1:
        table.insert(0, "run", [each.run for each in rows])
    return table


def _readable(each: RowSummary) -> dict[str, str]:
    medians = each.medians
    return {
        "task": each.row.task,
        "backend": each.row.backend,
        "mode": each.row.mode,
        "device": each.row.device,
        "precision": each.row.precision,
        "pass": seconds(each.pass_s),
        "95 %": _spread(each),
        "× fastest": ratio(each.to_fastest),
        "verdict": _verdict(each.to_fastest) if each.standing.ranked else _unranked(each),
        **_against_baseline(each),
        "CPU": seconds(each.pass_cpu_s),
        "× CPU": _cpu_ratio(each),
        "first call": _first_call(each),
        "one training": seconds(medians["one_training_s"]),
        "import": seconds(medians["import_s"]),
        "rows/s": _number(each.rows_per_s, ",.0f"),
        "GFLOP/s": _number(each.flops_per_s / 1e9, ".3g"),
        "of bound": _number(each.flops_share, ".1%"),
        "cores": _number(medians["cores_busy"], ".2f"),
        "memory": megabytes(each.peak_memory_bytes),
        "device memory": megabytes(each.peak_device_memory_bytes),
        "rounds": str(each.processes or ""),
        "result": _result(each),
        "agrees": AGREES[each.parity.agrees if each.parity else None],
        "note": note(each),
    }


def _number(number: float, style: str) -> str:
    return "" if math.isnan(number) else format(number, style)


def _against_baseline(each: RowSummary) -> dict[str, str]:
    if not each.baseline:
        return {}
    return {"× baseline": ratio(each.to_baseline), "to baseline": _verdict(each.to_baseline)}


def _result(each: RowSummary) -> str:
    quality = each.first.quality
    if quality is not None and quality.value is not None:
        return f"{quality.value:.4g} {METRICS[quality.metric]}"
    return "diverged" if each.processes else ""


def _spread(each: RowSummary) -> str:
    """Return the 95 % interval of the pass; empty for a single round."""
    between = each.pass_interval
    return f"{seconds(between.low)} – {seconds(between.high)}" if between else ""


def _first_call(each: RowSummary) -> str:
    """Return the extra time of the first pass; ~0 if it is within the spread of the steady passes."""
    first_call_s = each.medians["first_call_s"]
    return "~0" if first_call_s == 0 else seconds(first_call_s)


def _cpu_ratio(each: RowSummary) -> str:
    versus = each.to_fastest
    return "" if versus is None or math.isnan(each.pass_cpu_s) else multiple(versus.cpu_ratio)


def ratio(versus: Versus | None) -> str:
    """Return a row's time divided by another row's, with the interval; empty if they are not compared."""
    if versus is None or math.isnan(versus.ratio):
        return ""
    return bracketed(versus.ratio, versus.comparison.interval if versus.comparison else None)


def _verdict(versus: Versus | None) -> str:
    """Return the verdict; empty for a single round, which has none."""
    return versus.verdict if versus and versus.verdict != "too few rounds" else ""


def _unranked(each: RowSummary) -> str:
    """Return why a row has no verdict; nothing for what a backend does not support, which a note says."""
    return "" if each.standing.cause == "unsupported" else f"not ranked: {each.standing.cause}"


def note(each: RowSummary) -> str:
    """Return the note on a row: why it is not ranked, and its flags."""
    why_not = "" if each.standing.cause == "unfair" else each.standing.why_not  # the flags say why
    return "; ".join(part for part in (why_not, each.flagged) if part)
