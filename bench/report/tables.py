"""Result tables: the frame in words and units for people, or as it is for programs."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bench.analysis.stats import Interval
from bench.report.units import _megabytes, bracketed, seconds

METRICS = {"accuracy": "accuracy", "threshold_accuracy": "accuracy", "rmse": "RMSE"}


def readable(summary: pd.DataFrame) -> pd.DataFrame:
    """Return the summary in words and units, one text a cell, the columns that a person reads."""
    table = pd.DataFrame([_readable(line) for _, line in summary.iterrows()], dtype=str)
    if summary["run"].nunique() > 1:
        table.insert(0, "run", list(summary["run"]))
    return table


def _readable(line: pd.Series[Any]) -> dict[str, str]:
    value = "" if not line["processes"] else "diverged"
    if pd.notna(line["value"]):
        value = f"{line['value']:.4g} {METRICS[line['metric']]}"
    against_baseline: dict[str, str] = {}
    if "baseline_ratio" in line:
        verdict = str(line["baseline_verdict"] or "")
        against_baseline = {"× baseline": _ratio(line, "baseline_"), "to baseline": verdict}
    return {
        "task": line["task"],
        "backend": line["backend"],
        "mode": line["mode"],
        "device": line["device"],
        "pass": seconds(line["pass_s"]),
        "95 %": _spread(line),
        "× fastest": _ratio(line, ""),
        "verdict": str(line["verdict"] or ""),
        **against_baseline,
        "first call": seconds(line["first_call_s"]),
        "import": seconds(line["import_s"]),
        "rows/s": "" if pd.isna(line["rows_per_s"]) else f"{line['rows_per_s']:,.0f}",
        "GFLOP/s": "" if pd.isna(line["flops_per_s"]) else f"{line['flops_per_s'] / 1e9:.3g}",
        "of bound": "" if pd.isna(line["flops_share"]) else f"{line['flops_share']:.1%}",
        "cores": "" if pd.isna(line["cores_busy"]) else f"{line['cores_busy']:.2f}",
        "memory": _megabytes(line["peak_memory_bytes"]),
        "device memory": _megabytes(line["peak_device_memory_bytes"]),
        "blocks": str(line["processes"] or ""),
        "result": value,
        "agrees": {True: "yes", False: "NO"}.get(line["agrees"], ""),
        "note": note(line),
    }


def _spread(line: pd.Series[Any]) -> str:
    """Return where the pass is, with 95 % confidence; in brackets the range, where there are too few for that."""
    if pd.notna(line["pass_low_s"]):
        return f"{seconds(line['pass_low_s'])} – {seconds(line['pass_high_s'])}"
    if line["processes"] < 2:
        return ""
    return f"({seconds(line['pass_min_s'])} – {seconds(line['pass_max_s'])})"


def _ratio(line: pd.Series[Any], prefix: str) -> str:
    ratio, low, high = (line[f"{prefix}{name}"] for name in ("ratio", "ratio_low", "ratio_high"))
    if pd.isna(ratio):
        return ""
    return bracketed(ratio, None if pd.isna(low) else Interval(low, high))


def note(line: pd.Series[Any]) -> str:
    """Return what there is to say of a row: why it did not run or is wrong, and its flags."""
    first_line = str(line["reason"]).partition("\n")[0]
    parts = [first_line if line["status"] == "ok" else f"{line['status']}: {first_line}", line["flags"]]
    return "; ".join(part for part in parts if part)
