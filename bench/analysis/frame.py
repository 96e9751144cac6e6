"""Run files as pandas frames: one line a sample, or one line a row of the comparison."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec
import pandas as pd

from bench.analysis.baseline import find_row, require_baseline
from bench.analysis.comparison import Comparisons, contest, log_time
from bench.analysis.flags import Flag, flags_of, product_bounds
from bench.analysis.noise import noise, usual_s
from bench.analysis.stats import median_interval
from bench.records.runfile import Run, read_runs
from bench.records.schema import ParityResult, Record, Row

KEYS = ["run", "task", "backend", "mode", "device", "precision"]


def load(paths: str | Path | Iterable[str | Path]) -> pd.DataFrame:
    """Return one line per sample of these run files: its job, outcome, times, quality, and the verdict on its row.

    Times are in seconds; `passes_s` and `losses` hold tuples. Raises `bench.records.runfile.NotARunFile`.
    """
    several = [paths] if isinstance(paths, str | Path) else paths
    return processes(read_runs(map(Path, several)))


def processes(runs: Iterable[Run]) -> pd.DataFrame:
    """Return one line per sample."""
    lines = []
    for run in runs:
        context = Context.of(run)
        lines += [_sample(context, record) for record in run.last_records]
    return pd.DataFrame(lines)


@dataclass(frozen=True)
class Context:
    """What a run says of a sample beside its own record."""

    run: Run
    parity: dict[Row, ParityResult]
    bounds: dict[tuple[str, str], float]  # fastest matrix product, by device and precision
    flags: dict[Row, tuple[Flag, ...]]
    noise: dict[tuple[str, int], str]  # by task and block

    @classmethod
    def of(cls, run: Run) -> Self:
        """Gather what the run holds."""
        usual_loop_s = usual_s(run.blocks)
        return cls(
            run=run,
            parity=run.parity,
            bounds=product_bounds(run.last_records),
            flags=flags_of(run.last_records),
            noise={(block.task, block.block): noise(block, usual_loop_s) for block in run.blocks},
        )


def _sample(context: Context, record: Record) -> dict[str, Any]:
    job, verdict = record.job, context.parity.get(record.job.row)
    raised = context.flags.get(job.row, ())
    return {
        "run": str(context.run.path),
        "task": job.row.task,
        "backend": job.row.backend,
        "mode": job.row.mode,
        "device": job.row.device,
        "precision": job.row.precision,
        "settings": msgspec.json.encode(job.settings).decode(),
        "threads": job.threads,
        "block": job.block,
        "effect": context.run.header.goal.effect,  # the size of a difference that the run aims to see
        "status": record.status,
        "reason": record.reason,
        "started": record.started,
        "noise": context.noise.get((job.row.task, job.block), ""),
        "flags": "; ".join(flag.sentence for flag in raised),
        "fair": not any(flag.unfair for flag in raised),
        **_times(record, context.bounds.get((job.row.device, job.row.precision))),
        **_quality(record),
        "agrees": verdict.agrees if verdict else None,
        "parity_reason": verdict.reason if verdict else "",
        "gradient_departure": verdict.gradient if verdict else None,
        "losses_departure": verdict.losses if verdict else None,
        "parameters_departure": verdict.parameters if verdict else None,
        "envelope_departure": verdict.envelope if verdict else None,
        "metric_departure": verdict.metric if verdict else None,
        "parity_tier": verdict.tier if verdict else "",
    }


AS_RECORDED = (
    *("start_s", "import_s", "data_s", "setup_s", "evaluation_s", "resets_s", "checks_s", "wall_s", "cpu_s"),
    *("passes_s", "steps_per_pass", "flops_per_pass"),
    *("peak_memory_bytes", "peak_device_memory_bytes", "product_flops_per_s"),
)
DERIVED = ("first_pass_s", "steady_passes_s", "pass_s", "first_call_s", "rows_per_s", "cores_busy", "flops_per_s")


def _times(record: Record, bound_flops_per_s: float | None) -> dict[str, Any]:
    timing = record.timing
    if timing is None or bound_flops_per_s is None:
        return dict.fromkeys((*AS_RECORDED, *DERIVED, "flops_share"))
    pass_s = timing.pass_s
    flops_per_s = timing.flops_per_pass / max(pass_s, 1e-9)
    return {
        **{name: getattr(timing, name) for name in AS_RECORDED},
        "first_pass_s": timing.passes_s[0],
        "steady_passes_s": sum(timing.steady_s),  # all of them together
        "pass_s": pass_s,  # median of the steady passes
        "first_call_s": timing.passes_s[0] - pass_s,  # what the first call costs over a steady one
        "rows_per_s": timing.steps_per_pass * timing.rows_per_step / max(pass_s, 1e-9),
        "cores_busy": timing.steady.cpu_s / max(timing.steady.window_s, 1e-9),
        "flops_per_s": flops_per_s,  # of the model's matrix products
        "flops_share": flops_per_s / bound_flops_per_s,  # of the fastest matrix product in the run
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


def summary(frame: pd.DataFrame, baseline: str = "") -> pd.DataFrame:
    """Return one line per row of the comparison: medians over its samples, each sample being the median of one process.

    `ratio` is to the fastest row of the task that computes what the task defines, `baseline_ratio` to the row of the
    backend, or backend:mode, that `baseline` names; both with an interval and a verdict. Rows that do not compute
    what they should, or whose times are not fair, are not ranked and have no ratio. Rows keep their order within a
    task: ranked ones first, fastest first. Raises `BadChoice` for a baseline of which there is no row.
    """
    if frame.empty:
        return frame
    lines = pd.DataFrame([_summarise(group) for _, group in frame.groupby(KEYS, sort=False)])
    parts = [_compared(part, frame[frame["run"] == run], baseline) for run, part in lines.groupby("run", sort=False)]
    lines = pd.concat(parts)
    order = {task: i for i, task in enumerate(lines["task"].unique())}
    lines["_task"] = lines["task"].map(order)
    lines = lines.sort_values(["run", "_task", "precision", "ratio", "pass_s"], na_position="last", kind="stable")
    return lines.drop(columns="_task").reset_index(drop=True)


def _summarise(group: pd.DataFrame) -> dict[str, Any]:
    good = group[group["status"] == "ok"]
    first = (good if len(good) else group).iloc[0]
    bad = group[group["status"] != "ok"]
    line = {key: first[key] for key in KEYS}
    line |= {"status": "ok" if bad.empty else bad.iloc[0]["status"], "processes": len(good)}
    line |= {"ranked": bool(bad.empty and pd.notna(first["agrees"]) and first["agrees"] and first["fair"])}
    line |= {"reason": bad.iloc[0]["reason"] if len(bad) else first["parity_reason"]}
    line |= {"flags": first["flags"], "noisy_blocks": int((good["noise"] != "").sum()), "effect": first["effect"]}
    line |= {"pass_s": good["pass_s"].median(), "pass_min_s": good["pass_s"].min(), "pass_max_s": good["pass_s"].max()}
    spread = median_interval(list(good["pass_s"]))
    line |= {"pass_low_s": spread.low if spread else None, "pass_high_s": spread.high if spread else None}
    line |= {name: good[name].median() for name in MEDIANS}
    line |= {name: good[name].max() for name in ("peak_memory_bytes", "peak_device_memory_bytes")}
    kept = ("agrees", "metric", "value", "parameters", "truth", "framework", "gradient_departure", "losses_departure")
    return line | {name: first[name] for name in kept}


MEDIANS = (
    *("first_call_s", "start_s", "import_s", "data_s", "setup_s", "first_pass_s", "steady_passes_s"),
    *("evaluation_s", "resets_s", "checks_s", "wall_s", "cpu_s", "cores_busy"),
    *("steps_per_pass", "flops_per_pass", "rows_per_s", "flops_per_s", "flops_share", "product_flops_per_s"),
)


def _compared(lines: pd.DataFrame, frame: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Return the lines of one run with what each is to the fastest of its task, and to the baseline."""
    comparisons = comparisons_of(lines, frame)
    columns = []
    for _, line in lines.iterrows():
        row = row_of(line)
        rivals = comparisons.contests.get(contest(row), []) if line["ranked"] else []
        best, chosen = comparisons.fastest(rivals), find_row(baseline, rivals)
        columns.append(
            {
                **_columns("", comparisons, row, best),
                "fastest": f"{best.backend} {best.mode}" if best else "",
                **(_columns("baseline_", comparisons, row, chosen) if baseline else {}),
            }
        )
    require_baseline(baseline, [row_of(line) for _, line in lines.iterrows()])
    return pd.concat([lines, pd.DataFrame(columns, index=lines.index)], axis=1)


def comparisons_of(lines: pd.DataFrame, frame: pd.DataFrame) -> Comparisons:
    """Return all pairs of the ranked lines of one run, from its samples."""
    ranked = {row_of(line) for _, line in lines.iterrows() if line["ranked"]}
    times: dict[Row, dict[int, float]] = {}
    for _, sample in frame[frame["status"] == "ok"].iterrows():
        if (row := row_of(sample)) in ranked:
            times.setdefault(row, {})[int(sample["block"])] = log_time(sample["pass_s"])
    return Comparisons(times, float(lines["effect"].iloc[0]))


def row_of(line: pd.Series[Any]) -> Row:
    """Return the row that a line of a frame is about."""
    return Row(**{key: line[key] for key in KEYS if key != "run"})


def _columns(prefix: str, comparisons: Comparisons, row: Row, other: Row | None) -> dict[str, Any]:
    """Return a row's time over another row's."""
    names = ("ratio", "ratio_low", "ratio_high", "verdict", "detectable", "shared_blocks", "blocks_needed")
    if other is None:
        values: tuple[Any, ...] = (None, None, None, "", None, None, None)
    elif row == other:
        values = (1.0, None, None, _title(comparisons, row) if not prefix else "baseline", None, None, None)
    else:
        found = comparisons.compare(row, other)
        between, judged = found.interval, found.judged
        low, high = (between.low, between.high) if between else (None, None)
        values = (found.ratio, low, high, judged.verdict, judged.detectable, found.blocks, found.blocks_needed)
    return {f"{prefix}{name}": value for name, value in zip(names, values, strict=True)}


def _title(comparisons: Comparisons, best: Row) -> str:
    """Return what the fastest row may be called."""
    others = [row for row in comparisons.contests[contest(best)] if row != best]
    outcomes = {comparisons.verdict(row, best)[1].verdict for row in others}
    if "too few blocks" in outcomes or not others:
        return ""
    return "fastest" if outcomes <= {"slower", "faster"} else "among the fastest"
