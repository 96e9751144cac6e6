"""The logarithm of the ratio of every two ranked rows of a run, with its error. Pure.

Analyses over many runs start from these numbers alone. A ratio is that of two rows in the rounds of one run, so it is
a ratio within one machine. Its logarithm is near enough to normal to be averaged over runs and machines; the interval
of a single run is that of Student's distribution with `standard_error` and `freedom`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from bench.analysis.summary import RowSummary
from bench.records.machines import machine_key
from bench.records.schema import Header, Row
from bench.tasks.names import threads_of

KEPT = "log_ratios"  # the name under which a store keeps `LogRatios` of a run

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


@dataclass(frozen=True, kw_only=True)
class LogRatios:
    """The ratios of a run in few numbers, as a store keeps them; all lists but `rows` and `not_ranked` are of pairs."""

    rows: tuple[Row, ...]
    row: list[int]  # places in `rows`
    other: list[int]
    log_ratio: list[float]
    standard_error: list[float]
    freedom: list[float]
    rounds: list[int]
    not_ranked: dict[int, tuple[str, str]]  # cause and reason, by the place of the row

    def only(self, places: Sequence[int]) -> LogRatios:
        """Return the same with only the pairs at these places."""
        return replace(
            self,
            row=[self.row[place] for place in places],
            other=[self.other[place] for place in places],
            log_ratio=[self.log_ratio[place] for place in places],
            standard_error=[self.standard_error[place] for place in places],
            freedom=[self.freedom[place] for place in places],
            rounds=[self.rounds[place] for place in places],
        )


def log_ratios(rows: Iterable[RowSummary]) -> LogRatios:
    """Return the ratios of one run, from the summaries of its rows as they were computed."""
    ordered = sorted(rows, key=lambda each: each.row)
    places = {each.row: place for place, each in enumerate(ordered)}
    pairs = [
        (places[each.row], places[other], found)
        for each in ordered
        for other, found in each.estimates.items()
        if each.row < other and math.isfinite(found.error)
    ]
    return LogRatios(
        rows=tuple(places),
        row=[row for row, _, _ in pairs],
        other=[other for _, other, _ in pairs],
        log_ratio=[found.mean for _, _, found in pairs],
        standard_error=[found.error for _, _, found in pairs],
        freedom=[float(found.freedom) for _, _, found in pairs],
        rounds=[found.rounds for _, _, found in pairs],
        not_ranked={
            places[each.row]: (each.standing.cause or "", each.standing.why_not)
            for each in ordered
            if not each.standing.ranked
        },
    )


def columns(path: str, header: Header, found: LogRatios) -> dict[str, list[Any]]:
    """Return the columns `LOG_RATIOS` of one run."""
    machine, unranked = machine_key(header), list(found.not_ranked)
    first = [
        (
            *(machine, path, row.task, _settings(header, row), threads_of(row.task, header.threads), row.precision),
            *(row.device, row.backend, row.mode),
        )
        for row in found.rows
    ]
    names = [(row.device, row.backend, row.mode) for row in found.rows]
    count, none = len(unranked), [math.nan] * len(unranked)
    return {
        **_taken(first, [*found.row, *unranked], list(LOG_RATIOS)[:9]),
        **_taken([*names, ("", "", "")], [*found.other, *[-1] * count], list(LOG_RATIOS)[9:12]),
        "log_ratio": [*found.log_ratio, *none],
        "standard_error": [*found.standard_error, *none],
        "freedom": [*found.freedom, *none],
        "rounds": [*found.rounds, *[0] * count],
        "cause": [*[""] * len(found.row), *(cause for cause, _ in found.not_ranked.values())],
        "reason": [*[""] * len(found.row), *(reason for _, reason in found.not_ranked.values())],
    }


def _taken(cells: Sequence[tuple[Any, ...]], places: Sequence[int], names: Sequence[str]) -> dict[str, list[Any]]:
    """Return columns with these names, from the cells of each row and the places of the rows."""
    return {name: [cells[place][number] for place in places] for number, name in enumerate(names)}


def _settings(header: Header, row: Row) -> str:
    return msgspec.json.encode(header.tasks.get(row.task, {}), order="deterministic").decode()


def joined(several: Iterable[dict[str, list[Any]]]) -> dict[str, list[Any]]:
    """Return the lines of several runs as the columns of one table."""
    parts = list(several)
    return {name: list(itertools.chain.from_iterable(part[name] for part in parts)) for name in LOG_RATIOS}
