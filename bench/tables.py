"""Result tables: the frame in words and units for people, or as it is for programs."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from bench.errors import UserError
from bench.kinds import Format
from bench.records import Header

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
    value = "" if not line["samples"] else "diverged"
    if pd.notna(line["value"]):
        value = f"{line['value']:.4g} {METRICS[line['metric']]}"
    return {
        "task": line["task"],
        "backend": line["backend"],
        "mode": line["mode"],
        "device": line["device"],
        "pass": seconds(line["pass_s"]),
        "range": _range(line),
        "× fastest": "" if pd.isna(line["ratio"]) else f"{line['ratio']:.2f}",
        "first call": seconds(line["first_call_s"]),
        "import": seconds(line["import_s"]),
        "samples/s": "" if pd.isna(line["samples_per_s"]) else f"{line['samples_per_s']:,.0f}",
        "memory": "" if pd.isna(line["peak_memory_bytes"]) else f"{line['peak_memory_bytes'] / 1e6:,.0f} MB",
        "result": value,
        "agrees": {True: "yes", False: "NO"}.get(line["agrees"], ""),
        "note": "" if line["status"] == "ok" and line["ranked"] else _note(line),
    }


def _range(line: pd.Series[Any]) -> str:
    if line["samples"] < 2:
        return ""
    return f"{seconds(line['pass_min_s'])} – {seconds(line['pass_max_s'])}"


def _note(line: pd.Series[Any]) -> str:
    first_line = str(line["reason"]).partition("\n")[0]
    return first_line if line["status"] == "ok" else f"{line['status']}: {first_line}"


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
    machine = header.machine
    versions = ", ".join(f"{name} {version}" for name, version in header.versions.items())
    return (
        f"{header.created}: {machine.cpu}, {machine.cores} cores, {machine.memory_bytes / 2**30:.0f} GiB, "
        f"{', '.join(machine.gpus) or 'no GPU'}, governor {machine.governor}, load {machine.load} before the run; "
        f"{machine.system}; {header.threads} threads a process, {header.workers} processes a row; "
        f"{versions}; commit {header.commit}."
    )


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
