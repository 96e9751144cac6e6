"""What the machine did during a run: its noise round by round, and when each process ran. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bench.analysis.noise import loops_s, noise, usual_s
from bench.records.runfile import Run
from bench.records.schema import Row


def noise_of(run: Run) -> dict[str, Any]:
    """Return the state of the machine in each round of a run, in the order of the run."""
    blocks = run.blocks
    usual = usual_s(blocks)
    before, after = loops_s(blocks).tolist()
    return {
        "usual_s": usual,
        "rounds": [
            f"{blocks.tasks[task]} round {number + 1}" for task, number in zip(blocks.task, blocks.block, strict=True)
        ],
        "before": [loop / usual for loop in before],
        "after": [loop / usual for loop in after],
        "foreign_cores": blocks.foreign_cores.tolist(),
        "stolen_cores": blocks.stolen_cores.tolist(),
        "told": noise(blocks, usual),
    }


def schedule_of(run: Run, places: Mapping[Row, int]) -> dict[str, Any]:
    """Return when each process of a run ran: seconds from the first one to its start, and its wall time.

    A process that failed, or whose record has no time, has no wall time.
    """
    records = [record for record in run.records if record.started]
    starts = [_time_s(record.started) for record in records]
    first = min((start for start in starts if not math.isnan(start)), default=math.nan)
    return {
        "row": [places[record.job.row] for record in records],
        "round": [record.job.block + 1 for record in records],
        "begin_s": [start - first for start in starts],
        "wall_s": [record.timing.wall_s if record.timing else None for record in records],
        "status": [record.status for record in records],
    }


def _time_s(text: str) -> float:
    """Return a time in UTC in seconds; NaN for text that is no time."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return math.nan
