"""Runs whose times are made up, and what the tables say of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from support import a_header, a_parity_result, a_quality, a_record, a_row, write_run

from bench.analysis.frame import summary_frame
from bench.analysis.summary import summarise
from bench.records.runfile import Run, read_run
from bench.records.schema import Line, Row
from bench.report.tables import readable

FAST, SLOW, WRONG, GONE = (a_row("linear_fit", name, "x") for name in ("fast", "slow", "wrong", "gone"))
LEARNED = a_quality(losses=(1.0, None), parameters=(2.9, -4.1, 3.1), truth=(3, -4, 5))


def mixed_run(folder: Path) -> Run:
    """Return a run of four rows: a fast one, a slow one, a faster one that is wrong, and one that never ran."""
    lines: list[Line] = []
    for block, factor in enumerate((1.0, 3.0)):
        lines += [
            a_record(SLOW, block, 9.0, 0.2 * factor, 0.4 * factor, 0.3 * factor, quality=LEARNED),
            a_record(FAST, block, 5.0, 0.1 * factor, 0.1 * factor, quality=LEARNED),
            a_record(WRONG, block, 1.0, 0.01, quality=LEARNED),
        ]
    lines += [
        a_record(GONE, status="unsupported", reason="pip install gone"),
        a_parity_result(FAST, agrees=False, reason="an early verdict"),
        a_parity_result(FAST, gradient=1e-15),
        a_parity_result(SLOW, gradient=1e-15),
        a_parity_result(WRONG, agrees=False, reason="loss 2 at step 7", gradient=1e-15),
    ]
    return run_of(folder, lines)


def run_of(folder: Path, lines: Iterable[Line], **changes: Any) -> Run:
    """Return a run of these lines, with changes of its header."""
    header = a_header(**changes)
    return read_run(write_run(folder / f"run-{len(list(folder.iterdir()))}.jsonl", header, lines))


def summary_of(*runs: Run, baseline: str = "") -> pd.DataFrame:
    """Return the result table for programs."""
    return summary_frame(summarise(runs, baseline))


def table_of(*runs: Run, baseline: str = "") -> pd.DataFrame:
    """Return the result table for people."""
    return readable(summarise(runs, baseline))


def right(times_s: Mapping[Row, Mapping[int, float]]) -> list[Line]:
    """Return records whose median steady pass in each block is given, and that all rows are right."""
    records = [a_record(row, block, 9.0, time_s) for row, each in times_s.items() for block, time_s in each.items()]
    return [*records, *map(a_parity_result, times_s)]


def noisy(pass_s: float, blocks: int, share: float, seed: int = 0) -> dict[int, float]:
    """Return a time for each block, off by some share."""
    off = np.random.default_rng(seed).normal(0, share, blocks)
    return {block: pass_s * math.exp(off[block]) for block in range(blocks)}
