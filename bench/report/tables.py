"""Result tables for people: summaries of rows in words and units."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from bench.analysis.summary import RowSummary, Versus
from bench.report.units import bracketed, megabytes, seconds

METRICS = {"accuracy": "accuracy", "threshold_accuracy": "accuracy", "rmse": "RMSE"}
AGREES = {True: "yes", False: "NO", None: ""}


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
        "pass": seconds(each.pass_s),
        "95 %": _spread(each),
        "× fastest": ratio(each.to_fastest),
        "verdict": _verdict(each.to_fastest),
        **_against_baseline(each),
        "first call": seconds(medians["first_call_s"]),
        "import": seconds(medians["import_s"]),
        "rows/s": _number(medians["rows_per_s"], ",.0f"),
        "GFLOP/s": _number(medians["flops_per_s"] / 1e9, ".3g"),
        "of bound": _number(medians["flops_share"], ".1%"),
        "cores": _number(medians["cores_busy"], ".2f"),
        "memory": megabytes(each.peak_memory_bytes),
        "device memory": megabytes(each.peak_device_memory_bytes),
        "blocks": str(each.processes or ""),
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
    """Return the 95 % interval of the pass or, if there are too few processes, the range in brackets."""
    if each.pass_interval:
        return f"{seconds(each.pass_interval.low)} – {seconds(each.pass_interval.high)}"
    if each.processes < 2:
        return ""
    return f"({seconds(each.pass_min_s)} – {seconds(each.pass_max_s)})"


def ratio(versus: Versus | None) -> str:
    """Return a row's time divided by another row's, with the interval; empty if they are not compared."""
    if versus is None or math.isnan(versus.ratio):
        return ""
    return bracketed(versus.ratio, versus.comparison.interval if versus.comparison else None)


def _verdict(versus: Versus | None) -> str:
    return versus.verdict if versus else ""


def note(each: RowSummary) -> str:
    """Return the note on a row: why it is not ranked, and its flags."""
    why_not = "" if each.standing.cause == "unfair" else each.standing.why_not  # the flags say why
    return "; ".join(part for part in (why_not, each.flagged) if part)
