"""Runs of several days that are made up: two machines, a change of version, a row that is wrong on one of the days."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from made_up_runs import noisy, right
from support import a_header, a_machine, a_parity_result, a_row, write_run

from bench.records.runfile import Run, read_run
from bench.records.schema import Row

BASE, GOOD, BAD = (a_row("iris_mlp", *kind) for kind in (("numpy", "loop"), ("jax", "scan"), ("torch", "eager")))


def a_day(folder: Path, day: int, ratio: float, *, wrong: tuple[Row, ...] = (), **header: Any) -> Run:
    """Return a run of a day whose rows take `ratio` times as long as the baseline, some of them wrong."""
    times = {BASE: noisy(0.1, 6, 0.01, day), **{row: noisy(0.1 * ratio, 6, 0.01, day + 50) for row in (GOOD, BAD)}}
    verdicts = [a_parity_result(row, agrees=False, reason="loss 2 at step 7") for row in wrong]
    tasks = {"iris_mlp": {"epochs": 50}}
    made = a_header(BASE, GOOD, BAD, **{"created": f"2026-01-{day:02}T12:00:00Z", "tasks": tasks, **header})
    return read_run(write_run(folder / f"day-{day}.jsonl", made, [*right(times), *verdicts]))


def days(folder: Path) -> list[Run]:
    """Return four days of a machine and one of another: torch changes on the third, and is wrong on the second."""
    old, new = {"torch": "2.12.0"}, {"torch": "2.13.0"}
    other = a_machine(cpu="another CPU", cores=4)
    return [
        a_day(folder, 4, 0.5, versions=new),
        a_day(folder, 1, 0.8, versions=old),
        a_day(folder, 2, 0.8, versions=old, wrong=(BAD,)),
        a_day(folder, 3, 0.5, versions=new),
        a_day(folder, 5, 3.0, versions=new, machine=other),
    ]
