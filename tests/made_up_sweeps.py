"""Runs of sweeps whose costs are made up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from support import a_block, a_header, a_parity_result, a_record, a_row, write_run

from bench.analysis.scaling import MIN_FITS, Cost, costs
from bench.analysis.sweep import Curve, Point, sweep_of
from bench.records.runfile import Run, read_run
from bench.records.schema import Row

BATCHES = (16, 64, 256, 1024)
STEPS = 10
FLOPS_PER_ROW = 1000
Step = Callable[[int], float]  # batch size -> seconds
SMALL_FIRST: Mapping[str, Step] = {  # overhead and rate of each mode, as they are known
    "jit": lambda batch: 1e-4 + batch * FLOPS_PER_ROW / 1e9,
    "scan": lambda batch: 1e-6 + batch * FLOPS_PER_ROW / 5e8,
}
CROSS = 99e-6 / (FLOPS_PER_ROW / 5e8 - FLOPS_PER_ROW / 1e9)  # where the two take as long


def point(batch: int, mode: str = "jit") -> Row:
    return a_row(f"iris_mlp:batch_size={batch}", "jax", mode)


def a_sweep(
    folder: Path, steps: Mapping[str, Step] = SMALL_FIRST, blocks: int = MIN_FITS, wrong: tuple[Row, ...] = ()
) -> Run:
    """Return the run of a sweep with these costs, each block a little slower than the one before."""
    rows = [point(batch, mode) for batch in BATCHES for mode in steps]
    lines = []
    for block in range(blocks):
        for row in rows:
            batch = int(row.task.rpartition("=")[2])
            pass_s = STEPS * steps[row.mode](batch) * (1 + 0.001 * block)
            timing = {"steps_per_pass": STEPS, "rows_per_step": batch, "flops_per_pass": STEPS * batch * FLOPS_PER_ROW}
            lines.append(a_record(row, block, 1.0, *(pass_s,) * 4, timing=timing))
        lines += [a_block(f"iris_mlp:batch_size={batch}", block) for batch in BATCHES]
    verdicts = [a_parity_result(row, agrees=row not in wrong, reason="off" if row in wrong else "") for row in rows]
    return read_run(write_run(folder / "s.jsonl", a_header(*rows), [*verdicts, *lines]))


JIT, SCAN = (Curve("jax", mode, "cpu", "float32") for mode in ("jit", "scan"))


def costs_of(run: Run) -> dict[Curve, Cost]:
    return costs(run, sweep_of(run).points)


def points_of(folder: Path, *names: str) -> tuple[Point, ...]:
    """Return the points of a sweep of these tasks, each timed once."""
    rows = [a_row(name, "jax", "jit") for name in names]
    return sweep_of(read_run(write_run(folder / "points", a_header(*rows), [a_record(row) for row in rows]))).points
