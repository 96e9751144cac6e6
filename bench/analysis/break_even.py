"""From how many passes on a mode is ahead of the plain mode of its framework, although it takes longer to start. Pure.

In a round, the row and the plain one cost c + n p for n passes: c is the set-up and what the first call takes longer
than a later pass, p the typical pass. Their difference is a line in n, so the passes of equal cost are a ratio of two
means over rounds, whose interval is Fieller's (1954, Some problems in interval estimation, Journal of the Royal
Statistical Society B 16). A single round assumes that processes of a row differ as `bench.analysis.stats` does.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from backends.contract import Array
from backends.registry import BACKENDS
from bench.analysis.process import Processes, first_pass_s
from bench.analysis.stats import ASSUMED_SD, KNOWN, LEVEL
from bench.records.schema import Row, WarmStart

Line = tuple[float, float]  # c and p in seconds
Lines = Mapping[int, Line]  # by number of the round
Verdict = Literal["at once", "later", "not in the long run", "cannot tell"]


@dataclass(frozen=True)
class BreakEven:
    """The number of passes from which on a row costs less in all than the plain mode."""

    plain: Row
    verdict: Verdict
    rounds: int  # that it rests on
    passes: float  # estimate, 1 at least; NaN unless it gains in the long run
    low: float = math.nan  # 95 % interval of `passes`; NaN if there is none
    high: float = math.nan


def break_evens(processes: Processes, ranked: Collection[Row]) -> dict[Row, BreakEven]:
    """Return the break-even of each ranked row whose framework has a plain mode that is ranked too."""
    lines = {row: each for row, each in _lines(processes).items() if row in ranked}
    found = {}
    for row, own in lines.items():
        plain = _plain(row, lines)
        if plain is not None:
            found[row] = _break_even(plain, own, lines[plain])
    return found


Starts = Mapping[Row, Mapping[int, WarmStart]]  # by row and number of the round


def warm_break_evens(processes: Processes, ranked: Collection[Row], starts: Starts) -> dict[Row, BreakEven]:
    """Return the break-even of each ranked row whose compiled code an earlier process has kept.

    A row without such a start has nothing to keep, so it costs what it does otherwise.
    """
    if not starts:
        return {}
    cold = {row: each for row, each in _lines(processes).items() if row in ranked}
    lines = {row: _with_warm_starts(each, starts[row]) if row in starts else each for row, each in cold.items()}
    found = {}
    for row in lines.keys() & starts.keys():
        plain = _plain(row, lines)
        if plain is not None and lines[row]:
            found[row] = _break_even(plain, lines[row], lines[plain] or cold[plain])
    return found


def _with_warm_starts(lines: Lines, starts: Mapping[int, WarmStart]) -> Lines:
    """Return the costs of the rounds that have a warm start with times, with the passes of the process beside it."""
    good = {number: start for number, start in starts.items() if not start.reason and number in lines}
    return {
        number: (start.setup_s + start.first_pass_s - lines[number][1], lines[number][1])
        for number, start in good.items()
    }


def _lines(processes: Processes) -> dict[Row, Lines]:
    """Return what the processes of each row cost."""
    columns, passes_s = processes.columns, processes.timed.pass_s
    starts_s = columns["setup_s"] + first_pass_s(processes) - passes_s
    rounds = columns["block"]
    return {
        row: dict(zip(rounds[at].tolist(), zip(starts_s[at].tolist(), passes_s[at].tolist(), strict=True), strict=True))
        for row, at in columns.by_row().items()
    }


def _plain(row: Row, rows: Iterable[Row]) -> Row | None:
    """Return the row of the plain mode, the first that the registry names; None if it is the row itself, or absent."""
    entry = BACKENDS.get(row.backend)
    if entry is None or entry.modes[0] == row.mode:
        return None
    plain = (row.task, row.backend, entry.modes[0], row.device, row.precision)
    named = {(each.task, each.backend, each.mode, each.device, each.precision): each for each in rows}
    return named.get(plain)


def _break_even(plain: Row, own: Lines, others: Lines) -> BreakEven:
    """Return the break-even from the lines of both rows."""
    (start, slope), covariance, reach, rounds = _difference(own, others)
    # Where (start + n slope)^2 = (reach x its standard error)^2 the difference of cost is just not sure.
    quadratic = slope**2 - reach**2 * covariance[1, 1]
    linear = 2 * (start * slope - reach**2 * covariance[0, 1])
    constant = start**2 - reach**2 * covariance[0, 0]
    if quadratic <= 0:
        return BreakEven(plain, "cannot tell", rounds, math.nan)
    if slope > 0:
        return BreakEven(plain, "not in the long run", rounds, math.nan)
    half = math.sqrt(max(0.0, linear**2 - 4 * quadratic * constant))
    low, high = ((-linear + side * half) / (2 * quadratic) for side in (-1, 1))
    low, passes, high = (max(1.0, each) for each in (low, -start / slope, high))
    return BreakEven(plain, "at once" if high == 1 else "later", rounds, passes, low, high)


def _difference(own: Lines, others: Lines) -> tuple[Sequence[float], Array, float, int]:
    """Return the mean of own - others (c, p), its covariance [2, 2], the quantile to reach, and the number of rounds.

    It is that of the rounds that both have or, without two of them, of all processes of each.
    """
    if len(shared := sorted(own.keys() & others.keys())) > 1:
        apart = np.array([own[number] for number in shared]) - np.array([others[number] for number in shared])
        return apart.mean(axis=0).tolist(), np.cov(apart, rowvar=False) / len(shared), _reach(len(shared)), len(shared)
    means, covariances = zip(*(_alone(np.array(list(each.values()))) for each in (own, others)), strict=True)
    several = [len(each) for each in (own, others) if len(each) > 1]
    rounds = min(len(own), len(others))
    return (means[0] - means[1]).tolist(), sum(covariances), _reach(min(several, default=1)), rounds


def _alone(lines: Array) -> tuple[Array, Array]:
    """Return the mean line of one row, and its covariance, which is assumed for a single process."""
    if len(lines) > 1:
        return lines.mean(axis=0), np.cov(lines, rowvar=False) / len(lines)
    return lines[0], np.diag((ASSUMED_SD * lines[0]) ** 2)


def _reach(rounds: int) -> float:
    freedom = rounds - 1 if rounds > 1 else KNOWN
    return float(special.stdtrit(freedom, 1 - LEVEL / 2))
