"""What the models of a run learned: points and curves, confused classes, images, metrics after each pass. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.analysis.trained import Trained
from bench.records.schema import Learned, Lesson, Row
from bench.report.page.training import rounded
from bench.report.pictures.learned import representatives
from bench.report.tables import METRICS

DIGITS = 4


def learned_of(found: Sequence[Trained], places: Mapping[Row, int]) -> list[dict[str, Any]]:
    """Return, for each task of a run that has told it, what was learned; `places` number the rows of the page.

    Outputs and confusion are those of one row: the first that is right or, if none is, the first that has told it.
    """
    shown = {each.row.task: each for each in representatives(found) if each.row in places}
    return [
        {
            "row": places[each.row],
            "right": each.right,
            **_lesson(each.lesson, each.learned),
            **_metrics([other for other in found if other.row.task == task and other.row in places], places),
        }
        for task, each in shown.items()
        if each.lesson is not None and each.learned is not None
    ]


def _lesson(lesson: Lesson, told: Learned) -> dict[str, Any]:
    """Return the points that are shown; a row of several outputs counts with all of them."""
    whole = len(told.outputs) == len(lesson.targets)
    return {
        "inputs": [row[0] for row in lesson.inputs] if all(len(row) == 1 for row in lesson.inputs) else [],
        "targets": lesson.targets,
        "outputs": [_numbers(output) for output in told.outputs] if whole else [],
        "snapshots": [{"step": each.step, "outputs": _numbers(each.outputs)} for each in lesson.snapshots],
        "classes": lesson.classes,
        "confusion": told.confusion,
        "images": lesson.images,  # as base64
        "image_shape": lesson.image_shape,
        "cut": told.cut,
    }


def _metrics(rows: Iterable[Trained], places: Mapping[Row, int]) -> dict[str, Any]:
    """Return the metric after each pass of every row that has one."""
    told = [(each, each.learned.metric_by_pass) for each in rows if each.learned and each.learned.metric_by_pass]
    quality = told[0][0].record.quality if told else None
    return {
        "metric": METRICS[quality.metric] if quality else "",
        "by_pass": [{"row": places[each.row], "values": _numbers(values)} for each, values in told],
    }


def _numbers(values: Iterable[float | None]) -> list[float | None]:
    return rounded([float("nan") if value is None else value for value in values], DIGITS)
