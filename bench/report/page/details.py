"""The parts of the page that only say something: verdicts of parity, the machine, versions and settings. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.analysis.summary import RowSummary
from bench.records.runfile import Run
from bench.records.schema import ParityResult, Row
from bench.report.sentences import goal_in_words

CHECKS = ("gradient", "losses", "parameters", "envelope", "metric", "repetition")


@dataclass(frozen=True)
class Verdict:
    """The parity result of a row: sizes of its differences as texts, empty where a check was not reached."""

    task: str
    name: str
    agrees: str
    sizes: tuple[str, ...]  # of `CHECKS`: three relative differences, then three multiples of what rounding explains
    sentence: str


def verdicts(summaries: Sequence[RowSummary], lines: Sequence[Mapping[str, Any]]) -> tuple[Verdict, ...]:
    """Return the parity result of every row that has one, those that failed first."""
    found = [
        _verdict(each.parity, each.row, line["label"])
        for each, line in zip(summaries, lines, strict=True)
        if each.parity is not None
    ]
    return tuple(sorted(found, key=lambda each: each.agrees == "yes"))


def _verdict(result: ParityResult, row: Row, name: str) -> Verdict:
    sentence = result.reason if result.status == "ok" else f"{result.status}: {result.reason}"
    tier = f"{result.tier}: " if result.tier else ""
    return Verdict(
        task=row.task,
        name=name,
        agrees={True: "yes", False: "no", None: "not decided"}[result.agrees],
        sizes=tuple(_size(name, getattr(result, name)) for name in CHECKS),
        sentence=f"{tier}{sentence}" if sentence else "",
    )


def _size(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0e}" if name in ("gradient", "losses", "parameters") else f"{value:.2g}×"


def facts(run: Run) -> list[tuple[str, str]]:
    """Return how, when and where a run was made, as names and texts."""
    header, machine = run.header, run.header.machine
    quota = "" if machine.quota_cores is None else f", CPU quota of {machine.quota_cores:g}"
    return [
        ("run file", run.name),
        ("created", header.created),
        ("command", header.command),
        ("processor", f"{machine.cpu}, {machine.cores} cores{quota}"),
        ("threads", f"{header.threads} per process"),
        ("memory", f"{machine.memory_bytes / 2**30:.0f} GiB"),
        ("GPUs", ", ".join(machine.gpus) or "none"),
        ("system", machine.system),
        ("governor", machine.governor),
        ("load", f"{machine.load:g} runnable processes before the run"),
        ("goal", goal_in_words(header.goal)),
        ("parity", "float64 check and timed runs" if header.followed else "timed runs alone"),
        ("inference", "measured" if header.inference else "not measured"),
        ("schedule seed", str(header.schedule_seed)),
        ("commit", header.commit),
    ]


def settings(run: Run) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return every setting of every task, and whether the run changed it."""
    changed = run.header.settings
    return [
        (task, [(f"{name} (changed)" if name in changed else name, _value(value)) for name, value in each.items()])
        for task, each in run.header.tasks.items()
    ]


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)
