"""How ratios differ from machine to machine, for the page. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.analysis.across import Across, OnMachine, RowAcross
from bench.analysis.stats import Interval
from bench.records.machines import machine_names
from bench.records.runfile import Run
from bench.records.schema import Row
from bench.report.choosing import Choice
from bench.report.machines_table import machine_panels, machines_table
from bench.report.page.names import styles


def machines_of_page(found: Sequence[Across], runs: Sequence[Run], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return, for each question, the ratio of each row on each machine, on average and on a new machine.

    `rows` are all rows of the page, which have their colours together.
    """
    names, looks = machine_names(run.header for run in runs), styles(rows)
    return [
        {"other": question.other.name, "rows": [_row(each, names, looks) for each in question.rows]}
        for question in found
    ]


def _row(each: RowAcross, names: Mapping[str, str], looks: Mapping[Any, Any]) -> dict[str, Any]:
    row, overall = each.row, each.overall
    return {
        **{name: getattr(row, name) for name in ("task", "backend", "mode", "device", "precision")},
        "label": row.name,
        **looks[row.backend, row.mode, row.device],
        "on": [_on(one, names) for one in each.on],
        "ratio": overall.ratio if overall else None,
        "between": _ends(overall.interval) if overall else None,
        "new": _ends(overall.prediction) if overall else None,
    }


def _on(each: OnMachine, names: Mapping[str, str]) -> dict[str, Any]:
    return {"machine": names[each.machine], "ratio": each.ratio, "between": _ends(each.interval)}


def _ends(found: Interval | None) -> list[float] | None:
    return [found.low, found.high] if found else None


def machine_words(found: Sequence[Across], runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return title, table and sentences of each question."""
    panels = machine_panels(found, runs, machines_table(found, runs), Choice())
    return [
        {"title": panel.title, "about": panel.about, "table": panel.table.to_dict("split"), "notes": panel.notes}
        for panel in panels
    ]
