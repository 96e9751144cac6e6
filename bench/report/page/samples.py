"""The raw samples of a run: one process a line, in columns. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.analysis.columns import process_columns
from bench.analysis.process import Context
from bench.records.runfile import Run
from bench.records.schema import Row

# As in `bench.load`. The lists of a process are left out: they are in the run file, and `turn_pass_s` tells of them.
COLUMNS = (
    *("round", "status", "started", "pass_s", "pass_cpu_s", "first_pass_s", "first_call_s", "one_training_s"),
    *("start_s", "import_s", "data_s", "setup_s", "steady_passes_s", "evaluation_s", "resets_s", "checks_s"),
    *("wall_s", "cpu_s", "cores_busy", "peak_memory_bytes", "peak_device_memory_bytes", "flops_per_s", "flops_share"),
    *("value", "latency_median_s", "latency_p95_s", "latency_p99_s", "throughput_rows_per_s", "noise", "reason"),
)


def samples_of(run: Run, places: Mapping[Row, int]) -> dict[str, list[Any]]:
    """Return the columns of the processes of a run: `row` counts in the rows of the page, the others as in bench.load.

    `turn_pass_s` has the mean time of a pass in each turn of a process; None in a turn that it took no part in.
    """
    context = Context.of(run)
    columns = process_columns(context)
    if not columns:
        return {}
    rows = [places[record.job.row] for record in context.records]
    turns = zip(columns["turn_passes"], columns["turn_wall_s"], strict=True)
    return {
        "row": rows,
        **{name: columns[name] for name in COLUMNS if any(value not in (None, "") for value in columns[name])},
        "turn_pass_s": [_pass_s(passes, wall_s) for passes, wall_s in turns],
    }


def _pass_s(passes: Any, wall_s: Any) -> list[float | None]:
    if passes is None:
        return []
    counts, times_s = np.array(passes, float), np.array(wall_s, float)
    return [float(f"{time_s / count:.4g}") if count else None for count, time_s in zip(counts, times_s, strict=True)]
