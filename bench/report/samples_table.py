"""The samples of runs as a result: one line for each process. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from bench.records.runfile import Run
from bench.report.choosing import Choice, Table, chosen, columns_of
from bench.report.document import Document, Panel, sections_of
from bench.report.machines_table import about_machines
from bench.report.training import machine_sections, titled


def samples_document(runs: Sequence[Run], frame: pd.DataFrame, choice: Choice) -> Document:
    """Return the samples of runs, from their frame. Raises `BadChoice`."""
    kept = chosen(Table(frame.map(_text), frame), choice)
    cells = kept.cells[columns_of(kept, choice, list(map(str, frame)))]
    count = f"{len(cells)} of {len(frame)} samples are shown" if len(cells) < len(frame) else f"{len(frame)} samples"
    return Document(
        title=titled(runs, frame["task"].nunique() if len(frame) else 0),
        summary=(),
        remarks=(count, *about_machines(runs)),
        panels=(Panel("Samples", cells),) if len(cells) else (),
        sections=sections_of(*machine_sections(runs)),
    )


def _text(cell: Any) -> str:
    if isinstance(cell, float):
        return "" if cell != cell else f"{cell:.6g}"
    return "" if cell is None else str(cell)
