"""A fixed piece of work, timed over and over: how fast the machine is at the moment, and how steady."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

import numpy as np

from bench.records.schema import Calibration

LOOPS = 60
SIZE = 512  # of the matrices: their product keeps every thread of BLAS busy for a millisecond
ADDITIONS = 20_000  # in Python, about as long


def calibrate(clock: Callable[[], float]) -> Calibration:
    """Time `LOOPS` times the same work: a matrix product on all cores, and Python on one."""
    left = np.random.default_rng(0).random((SIZE, SIZE), np.float32)
    out = np.empty_like(left)
    loops_s = []
    for number in range(LOOPS + 1):
        before = clock()
        np.matmul(left, left, out=out)
        sum(range(ADDITIONS))
        if number > 0:  # the first wakes up BLAS
            loops_s.append(clock() - before)
    return Calibration(loops_s=tuple(loops_s))


def typical_s(calibration: Calibration) -> float:
    """Return the median loop."""
    return median(calibration.loops_s)


def jitter(calibration: Calibration) -> float:
    """Return by what share the ninth of ten loops is slower than the median one: 0.05 for 5 %."""
    return float(np.quantile(calibration.loops_s, 0.9)) / typical_s(calibration) - 1
