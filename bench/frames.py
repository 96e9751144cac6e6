"""Run files as pandas frames: one line a sample, or one line a row of the comparison."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import pandas as pd

from bench.records import Record, Verdict
from bench.store import Run, read_runs

KEYS = ["run", "task", "backend", "mode", "device", "precision"]


def load(paths: str | Path | Iterable[str | Path]) -> pd.DataFrame:
    """Return one line per sample of these run files: its job, outcome, times, quality, and the verdict on its row.

    Times are in seconds; `passes_s` and `losses` hold tuples. Raises `bench.store.NotARunFile`.
    """
    several = [paths] if isinstance(paths, str | Path) else paths
    return samples(read_runs(map(Path, several)))


def samples(runs: Iterable[Run]) -> pd.DataFrame:
    """Return one line per sample."""
    lines = []
    for run in runs:
        rulings = run.rulings
        lines += [_sample(run, record, rulings.get(record.job.row)) for record in run.outcomes]
    return pd.DataFrame(lines)


def _sample(run: Run, record: Record, verdict: Verdict | None) -> dict[str, Any]:
    job = record.job
    return {
        "run": str(run.path),
        "task": job.row.task,
        "backend": job.row.backend,
        "mode": job.row.mode,
        "device": job.row.device,
        "precision": job.row.precision,
        "settings": msgspec.json.encode(job.settings).decode(),
        "threads": job.threads,
        "block": job.block,
        "status": record.status,
        "reason": record.reason,
        "started": record.started,
        **_times(record),
        **_quality(record),
        "agrees": verdict.agrees if verdict else None,
        "parity_reason": verdict.reason if verdict else "",
        "gradient_departure": verdict.gradient if verdict else None,
        "losses_departure": verdict.losses if verdict else None,
        "parameters_departure": verdict.parameters if verdict else None,
        "early_losses_departure": verdict.early_losses if verdict else None,
        "metric_departure": verdict.metric if verdict else None,
    }


def _times(record: Record) -> dict[str, Any]:
    names = ("start_s", "import_s", "data_s", "setup_s", "evaluation_s", "wall_s", "passes_s", "peak_memory_bytes")
    timing = record.timing
    if timing is None:
        return dict.fromkeys((*names, "first_pass_s", "pass_s", "first_call_s", "samples_per_s", "cpu_per_wall"))
    pass_s = median(timing.steady_s)
    return {
        **{name: getattr(timing, name) for name in names},
        "first_pass_s": timing.passes_s[0],
        "pass_s": pass_s,  # median of the steady passes
        "first_call_s": timing.passes_s[0] - pass_s,  # what the first call costs over a steady one
        "samples_per_s": timing.steps_per_pass * timing.rows_per_step / pass_s,
        "cpu_per_wall": timing.passes_cpu_s / sum(timing.passes_s),
    }


def _quality(record: Record) -> dict[str, Any]:
    quality = record.quality
    return {
        "metric": quality.metric if quality else None,
        "value": quality.value if quality else None,
        "losses": quality.losses if quality else None,
        "parameters": quality.parameters if quality else None,
        "truth": quality.truth if quality else None,
        "framework": record.resources.framework if record.resources else None,
    }


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one line per row of the comparison: medians over its samples, each sample being the median of one process.

    `ratio` is to the fastest row of the task that computes what the task defines; rows that do not are not ranked and
    have no ratio. Rows keep their order within a task: ranked ones first, fastest first.
    """
    if frame.empty:
        return frame
    lines = pd.DataFrame([_summarise(group) for _, group in frame.groupby(KEYS, sort=False)])
    ranked = lines["pass_s"].where(lines["ranked"])
    lines["ratio"] = ranked / ranked.groupby([lines["run"], lines["task"], lines["precision"]]).transform("min")
    order = {task: i for i, task in enumerate(lines["task"].unique())}
    lines["_task"] = lines["task"].map(order)
    lines = lines.sort_values(["run", "_task", "precision", "ratio", "pass_s"], na_position="last", kind="stable")
    return lines.drop(columns="_task").reset_index(drop=True)


def _summarise(group: pd.DataFrame) -> dict[str, Any]:
    good = group[group["status"] == "ok"]
    first = (good if len(good) else group).iloc[0]
    bad = group[group["status"] != "ok"]
    line = {key: first[key] for key in KEYS}
    line |= {"status": "ok" if bad.empty else bad.iloc[0]["status"], "samples": len(good)}
    line |= {"ranked": bad.empty and pd.notna(first["agrees"]) and bool(first["agrees"])}
    line |= {"reason": bad.iloc[0]["reason"] if len(bad) else first["parity_reason"]}
    line |= {"pass_s": good["pass_s"].median(), "pass_min_s": good["pass_s"].min(), "pass_max_s": good["pass_s"].max()}
    medians = ("first_call_s", "samples_per_s", "import_s", "setup_s", "evaluation_s", "wall_s", "cpu_per_wall")
    line |= {name: good[name].median() for name in medians}
    line |= {"peak_memory_bytes": good["peak_memory_bytes"].max()}
    kept = ("agrees", "metric", "value", "parameters", "truth", "framework", "gradient_departure", "losses_departure")
    return line | {name: first[name] for name in kept}
