"""What changed from one version of a backend to another, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from bench.analysis.changes import Change
from bench.analysis.versions import version_change
from bench.records.runfile import Run
from bench.records.schema import on_device
from bench.records.version_rows import Pair, pairs_of
from bench.report.units import bracketed, percent


def version_sentences(runs: Iterable[Run]) -> list[str]:
    """Return a sentence for each pair of rows of two versions in runs as they were read."""
    return [
        f"{pair.new.task}: {_said(pair, version_change(run, pair.old, pair.new), run.header.goal.effect)}"
        for run in runs
        for pair in pairs_of(run)
    ]


def _said(pair: Pair, change: Change, effect: float) -> str:
    old, new = (f"{pair.names[row.backend]} {row.mode}{on_device(row.device)}" for row in (pair.old, pair.new))
    if change.found is None:
        return f"{new} cannot be compared with {old}: {change.kind}: {change.reason}"
    changed = {
        "slower": f"{new} is slower than {old}",
        "faster": f"{new} is faster than {old}",
        "equivalent": f"{new} is as fast as {old} within {percent(effect)}",
    }.get(change.kind)
    ratio = f"it takes {bracketed(change.ratio, change.interval)} times as long ({change.found.rounds} rounds)"
    if changed is None:
        return f"whether {new} is slower or faster than {old} is open: {ratio}"
    return f"{changed}: {ratio}"
