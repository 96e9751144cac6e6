"""Run files that are made up: what `bench table`, `bench compare` and `--resume` read."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from support import a_block, a_header, a_parity_result, a_record, a_row, write_run

from bench.records.schema import Line, Row

ROW = a_row("thermometer_raw")


def a_run(
    path: Path,
    *lines: Line,
    pass_s: float = 0.1,
    share: float = 0.001,
    blocks: int = 8,
    loop_s: float = 2e-3,
    rows: tuple[Row, ...] = (ROW,),
    **header: Any,
) -> str:
    """Write a run of one row, whose passes are off by some share, and further lines; return its name."""
    off = np.random.default_rng(list(path.name.encode())).normal(0, share, blocks).tolist()
    records = [a_record(ROW, block, 1.0, pass_s * math.exp(off[block])) for block in range(blocks)]
    quiet = [a_block(ROW.task, block, loop_s) for block in range(blocks)]
    write_run(path, a_header(*rows, **header), [a_parity_result(ROW), *records, *quiet, *lines])
    return path.name


Bench = Callable[..., "subprocess.CompletedProcess[str]"]
