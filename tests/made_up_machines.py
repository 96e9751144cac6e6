"""Runs of several machines that are made up: each with facts of its own and, for each row, a ratio of its own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from made_up_runs import right
from support import a_header, a_machine, a_parity_result, a_row, write_run

from bench.records.runfile import Run, read_run
from bench.records.schema import Machine, Row

BASE, QUICK, WIDE = (a_row("iris_mlp", *kind) for kind in (("numpy", "loop"), ("jax", "scan"), ("torch", "eager")))
TASKS = {"iris_mlp": {"epochs": 50, "model.hidden": (8, 4)}}
ROUNDS = 8
WITH_AVX512 = 1.5  # times as long takes torch on machines with these instructions, in `lab`


def a_computer(number: int, *, avx512: bool = False, **changes: Any) -> Machine:
    """Return the machine with this number; odd numbers have more cores."""
    instructions = ("avx2", "avx512f") if avx512 else ("avx2",)
    return a_machine(
        **{
            "id": f"{number:012x}",
            "cpu": f"processor {number % 3}",
            "cores": 4 if number % 2 else 2,
            "instructions": instructions,
            "blas": "openblas 0.3.30 SkylakeX" if avx512 else "openblas 0.3.30 Haswell",
            **changes,
        }
    )


def a_run_on(
    path: Path, machine: Machine, ratios: dict[Row, float], *, wrong: Iterable[Row] = (), seed: int = 0, **header: Any
) -> Run:
    """Return a run whose rows take so many times as long as the baseline, apart from 1 % in each round."""
    rng = np.random.default_rng([seed, *path.name.encode()])
    times = {
        row: {block: 0.1 * ratio * math.exp(rng.normal(0, 0.01)) for block in range(ROUNDS)}
        for row, ratio in {BASE: 1.0, **ratios}.items()
    }
    verdicts = [a_parity_result(row, agrees=False, reason="loss 2 at step 7") for row in wrong]
    made = a_header(*times, **{"machine": machine, "tasks": TASKS, **header})
    return read_run(write_run(path, made, [*right(times), *verdicts]))


def lab(folder: Path, machines: int = 8) -> list[Run]:
    """Return a run of each machine of a lab: jax takes about half as long everywhere; torch depends on avx512f."""
    found = []
    for number in range(machines):
        avx512 = number % 4 < 2
        own = np.random.default_rng(number).normal(0, 0.03, 2).tolist()
        ratios = {QUICK: 0.5 * math.exp(own[0]), WIDE: (WITH_AVX512 if avx512 else 1.0) * 2 * math.exp(own[1])}
        found.append(a_run_on(folder / f"host-{number}.jsonl", a_computer(number, avx512=avx512), ratios))
    return found


def paths_of(runs: Sequence[Run]) -> list[Path]:
    """Return the paths of runs."""
    return [run.path for run in runs]
