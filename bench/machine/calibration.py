"""Calibration loop: time a fixed piece of work repeatedly, to see how fast and how steady the machine is now."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

import numpy as np

from backends.contract import Array
from bench.records.schema import Calibration

LOOPS = 60
SIZE = 512  # of the square matrices: their product keeps all BLAS threads busy for about a millisecond
ADDITIONS = 20_000  # in Python, which take about as long as the product


def calibrate(clock: Callable[[], float]) -> Calibration:
    """Return the times of `LOOPS` loops: each is a matrix product on all cores, then additions in Python on one core.

    `clock` returns seconds.
    """
    left = np.random.default_rng(0).random((SIZE, SIZE), np.float32)
    out = np.empty_like(left)
    loops_s = []
    for number in range(LOOPS + 1):
        before = clock()
        np.matmul(left, left, out=out)
        sum(range(ADDITIONS))
        if number > 0:  # the first loop starts the BLAS threads
            loops_s.append(clock() - before)
    return Calibration(loops_s=tuple(loops_s))


def typical_s(calibration: Calibration) -> float:
    """Return the median time of a loop, in seconds."""
    return median(calibration.loops_s)


def jitter(calibration: Calibration) -> float:
    """Return the 90 % quantile of the loop times, relative to their median, minus 1: 0.05 means 5 % slower."""
    return float(jitters(np.array([calibration.loops_s]))[0])


def jitters(loops_s: Array) -> Array:
    """Return the same for several calibrations, of as many loops [calibrations, loops] in seconds."""
    found: Array = np.quantile(loops_s, 0.9, axis=1) / np.median(loops_s, axis=1) - 1
    return found
