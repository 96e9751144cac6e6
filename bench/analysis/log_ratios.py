"""The logarithm of the ratio of every two ranked rows of a run, with its error. Pure.

Analyses over many runs start from these numbers alone. A ratio is that of two rows in the rounds of one run, so it is
a ratio within one machine. Its logarithm is near enough to normal to be averaged over runs and machines; the interval
of a single run is that of Student's distribution with `standard_error` and `freedom`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Any

import msgspec

from bench.analysis.stats import Estimate
from bench.analysis.summary import RowSummary
from bench.records.machines import machine_key
from bench.records.schema import Header, Row
from bench.tasks.names import threads_of

# The columns, and the type of each. A line is a pair of rows of a task and precision, each pair once, the row that
# comes first in alphabetical order in the place of `row`; or a row that is not ranked, which has no other.
LOG_RATIOS: dict[str, type] = {
    "machine": str,  # key of the machine
    "run": str,  # path of the run file
    "task": str,
    "settings": str,  # all settings of the task, as JSON: equal texts are equal settings
    "threads": int,  # of a process
    "precision": str,
    "device": str,  # of the row
    "backend": str,
    "mode": str,
    "other_device": str,  # of the other row; empty for a row that is not ranked
    "other_backend": str,
    "other_mode": str,
    "log_ratio": float,  # natural logarithm of the row's time of a pass / the other's; NaN for a row that is not ranked
    "standard_error": float,  # of the logarithm
    "freedom": float,  # degrees of freedom of the standard error
    "rounds": int,  # that both rows have; 0 for a row that is not ranked
    "cause": str,  # why a row is not ranked, in a word as in `Standing`; empty for a pair
    "reason": str,  # the same in a sentence
}


def log_ratios(header: Header, rows: Iterable[RowSummary]) -> dict[str, list[Any]]:
    """Return the columns `LOG_RATIOS` of one run, from the summaries of its rows."""
    of_run = machine_key(header), header.threads
    lines = [line for each in sorted(rows, key=lambda each: each.row) for line in _lines(header, of_run, each)]
    return {name: [line[place] for line in lines] for place, name in enumerate(LOG_RATIOS)}


def _lines(header: Header, of_run: tuple[str, int], each: RowSummary) -> Iterable[tuple[Any, ...]]:
    machine, threads = of_run
    row = each.row
    question = (machine, each.run, row.task, _settings(header, row), threads_of(row.task, threads), row.precision)
    named = (*question, row.device, row.backend, row.mode)
    if not each.standing.ranked:
        yield (*named, "", "", "", math.nan, math.nan, math.nan, 0, each.standing.cause, each.standing.why_not)
    for other, found in each.estimates.items():
        if row < other and math.isfinite(found.error):
            yield (*named, other.device, other.backend, other.mode, *_numbers(found), "", "")


def _settings(header: Header, row: Row) -> str:
    return msgspec.json.encode(header.tasks.get(row.task, {}), order="deterministic").decode()


def _numbers(found: Estimate) -> tuple[float, float, float, int]:
    return found.mean, found.error, found.freedom, found.rounds


def joined(several: Iterable[dict[str, list[Any]]]) -> dict[str, list[Any]]:
    """Return the lines of several runs as the columns of one table."""
    parts = list(several)
    return {name: list(itertools.chain.from_iterable(part[name] for part in parts)) for name in LOG_RATIOS}
