"""Result tables: the frame in words and units for people, or as it is for programs."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bench.errors import UserError
from bench.kinds import Format
from bench.noise import noise, usual_s
from bench.records import Goal, Header, Machine
from bench.stats import MIN_BLOCKS, Interval
from bench.store import Run

SHOWN_NOISE = 5
METRICS = {"accuracy": "accuracy", "threshold_accuracy": "accuracy", "rmse": "RMSE"}


class CannotRender(UserError):
    """Raised where a package is missing that a format needs; the message says what to install."""


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


def _megabytes(memory_bytes: float | None) -> str:
    return "" if pd.isna(memory_bytes) else f"{memory_bytes / 1e6:,.0f} MB"


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


def bracketed(ratio: float | None, interval: Interval | None) -> str:
    """Return a ratio and its interval, empty for none."""
    if ratio is None:
        return ""
    return f"{multiple(ratio)} [{multiple(interval.low)}, {multiple(interval.high)}]" if interval else multiple(ratio)


def multiple(ratio: float) -> str:
    """Return a ratio with two decimals, or with as many digits as a large one deserves."""
    return f"{ratio:.2f}" if ratio < 100 else f"{ratio:,.0f}"


def note(line: pd.Series[Any]) -> str:
    """Return what there is to say of a row: why it did not run or is wrong, and its flags."""
    first_line = str(line["reason"]).partition("\n")[0]
    parts = [first_line if line["status"] == "ok" else f"{line['status']}: {first_line}", line["flags"]]
    return "; ".join(part for part in parts if part)


def told(summary: pd.DataFrame) -> list[str]:
    """Return, for each task, what the run could have seen, and what it could not tell apart."""
    sentences = []
    for (_, task), lines in summary.groupby(["run", "task"], sort=False):
        compared = lines[lines["detectable"].notna() & (lines["verdict"] != "too few blocks")]
        if (lines["verdict"] == "too few blocks").any():
            fewest = int(lines["shared_blocks"].min())
            plural = "" if fewest == 1 else "s"
            sentences.append(f"{task}: no intervals from {fewest} block{plural}; they begin at {MIN_BLOCKS}")
        if compared.empty:
            continue
        seen = f"{task}: a difference of {compared['detectable'].median():.1%} would have been seen"
        if compared["detectable"].max() > 1.2 * compared["detectable"].min():
            seen += f" ({compared['detectable'].min():.1%} to {compared['detectable'].max():.1%}, by row)"
        sentences.append(f"{seen}; less than {compared['effect'].iloc[0]:.0%} counts as none")
        sentences += [_untold(line) for _, line in compared[compared["verdict"] == "inconclusive"].iterrows()]
    return sentences


def _untold(line: pd.Series[Any]) -> str:
    needed = int(min(max(line["blocks_needed"], line["shared_blocks"] + 1), 9999))
    return (
        f"{line['task']}: cannot tell {line['backend']} {line['mode']} from {line['fastest']}: {_ratio(line, '')} "
        f"times as long; about {needed} blocks would, this run has {int(line['shared_blocks'])}"
    )


def disturbed(runs: Iterable[Run]) -> list[str]:
    """Return a sentence on the blocks of each run during which the machine was not quiet."""
    sentences = []
    for run in runs:
        usual_loop_s = usual_s(run.blocks)
        noisy = [(block, found) for block in run.blocks if (found := noise(block, usual_loop_s))]
        if noisy:
            examples = [f"{block.task} block {block.block + 1}: {found}" for block, found in noisy[:SHOWN_NOISE]]
            more = [f"and {len(noisy) - SHOWN_NOISE} more"] if len(noisy) > SHOWN_NOISE else []
            found = "; ".join(examples + more)
            sentences.append(f"noisy: {len(noisy)} of {len(run.blocks)} blocks. {found}. None is left out.")
    return sentences


def learned(summary: pd.DataFrame) -> list[str]:
    """Return a sentence for each set of parameters that was learned of data made with known ones, and by whom."""
    learners: dict[tuple[str, str, str], list[str]] = {}
    for _, line in summary.iterrows():
        if line["truth"] and line["parameters"] and None not in line["parameters"]:
            key = line["task"], _numbers(line["parameters"]), _numbers(line["truth"])
            learners.setdefault(key, []).append(f"{line['backend']} {line['mode']}")
    return [
        f"{task}: the data were made with {truth}; learned: {numbers} ({', '.join(names)})"
        for (task, numbers, truth), names in learners.items()
    ]


def caption(header: Header) -> str:
    """Return a sentence on where and when a run was made."""
    place = where(header.machine, header.threads, header.versions, header.commit, header.created)
    checked = "" if header.followed else "; checked by the timed runs alone"
    return f"{place}; {goal_in_words(header.goal)}, schedule seed {header.schedule_seed}{checked}."


def where(machine: Machine, threads: int, versions: Mapping[str, str], commit: str, created: str) -> str:
    """Return, without a full stop, a sentence on a machine and what is installed there."""
    return (
        f"{created}: {machine.cpu}, {machine.cores} cores, {machine.memory_bytes / 2**30:.0f} GiB, "
        f"{', '.join(machine.gpus) or 'no GPU'}, governor {machine.governor}, load {machine.load} before the run; "
        f"{machine.system}; {threads} threads a process; "
        f"{', '.join(f'{name} {version}' for name, version in versions.items())}; commit {commit}"
    )


def listed(lines: Iterable[dict[str, str]], about: str) -> str:
    """Return lines, each a mapping from columns to cells, as markdown, with a sentence below."""
    frame = pd.DataFrame(list(lines))
    return f"{frame.to_markdown(index=False, disable_numparse=True)}\n\n{about}.\n"


def tidy(lines: Iterable[dict[str, Any]]) -> str:
    """Return lines, each a mapping from columns to values, as CSV."""
    return pd.DataFrame(list(lines)).to_csv(index=False, float_format="%.6g")


def goal_in_words(goal: Goal) -> str:
    """Return until when a run goes on."""
    if goal.workers is not None:
        return f"{goal.workers} process{'es' if goal.workers > 1 else ''} a row"
    return f"until a difference of {goal.effect:.0%} would be seen or {goal.time_s / 60:g} min are over"


def long_reasons(summary: pd.DataFrame) -> list[str]:
    """Return, whole, each reason that the table has only the first line of, and whose it is."""
    tasks: dict[str, list[str]] = {}
    for _, line in summary.iterrows():
        if "\n" in line["reason"] and line["task"] not in tasks.setdefault(line["reason"], []):
            tasks[line["reason"]].append(line["task"])
    return [f"{', '.join(names)}: {reason}" for reason, names in tasks.items()]


def _numbers(numbers: tuple[float, ...]) -> str:
    *weights, bias = (f"{number:.4g}" for number in numbers)
    return f"w = ({', '.join(weights)}), b = {bias}"


def seconds(time_s: float) -> str:
    """Return a time with three digits and the unit that suits it, empty for none."""
    if pd.isna(time_s):
        return ""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(time_s) >= size or unit == "µs":
            return f"{time_s / size:.3g} {unit}"
    raise AssertionError


def render(frame: pd.DataFrame, style: Format) -> str | bytes:
    """Return a frame in a format; bytes for parquet alone. Raises `CannotRender`."""
    writers: dict[Format, Callable[[], str | bytes]] = {
        "markdown": lambda: frame.to_markdown(index=False, disable_numparse=True),
        "csv": lambda: frame.to_csv(index=False),
        "json": lambda: frame.to_json(orient="records", indent=1),
        "latex": lambda: frame.to_latex(index=False, escape=True),
        "html": lambda: frame.to_html(index=False),
        "parquet": lambda: _parquet(frame),
    }
    try:
        return writers[style]()
    except ImportError as error:
        raise CannotRender(f"{style} needs a package that is missing: pip install 'levelfield[report]'") from error


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def default_format(path: Path | None) -> Format:
    """Return the format that a file's name tells, markdown for none."""
    known: dict[str, Format] = {
        ".csv": "csv", ".json": "json", ".tex": "latex", ".html": "html", ".parquet": "parquet"
    }  # fmt: skip
    return known.get(path.suffix, "markdown") if path else "markdown"
