"""Which rows of a run are ranked, and why the others are not. Pure.

A row is ranked if all its processes were successful, the parity check found that it computes what its task defines,
and no flag says that its times are unfair. Everything that compares rows uses this module: result tables, the stopping
rule, `bench compare` and `pytest bench`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from bench.analysis.flags import Flag, flags_of_timed, unfair
from bench.analysis.process_times import product_bounds
from bench.analysis.turns import timed
from bench.records.runfile import Records, Run
from bench.records.schema import ParityResult, Record, Row

Cause = Literal["absent", "not run", "unsupported", "failed", "wrong", "not checked", "unfair"]


@dataclass(frozen=True)
class Standing:
    """Whether a row is compared with other rows and, if not, why."""

    cause: Cause | None = None  # None for a row that is ranked
    reason: str = ""  # for people; several lines if a process left a traceback

    @property
    def ranked(self) -> bool:
        """Whether the row is right and its times are fair."""
        return self.cause is None

    @property
    def why_not(self) -> str:
        """The reason in one line."""
        return self.reason.partition("\n")[0]


RANKED = Standing()
ABSENT = Standing("absent", "not among the rows of the run")
NOT_RUN = Standing("not run", "has not been run")


def standings_of(run: Run, flags: Mapping[Row, tuple[Flag, ...]] | None = None) -> dict[Row, Standing]:
    """Return the standing of every row of a run, by its flags where they are known already."""
    return standings(run.header.rows, run.parity, run.last_records, flags)


def standings(
    rows: Iterable[Row],
    parity: Mapping[Row, ParityResult],
    records: Records,
    flags: Mapping[Row, tuple[Flag, ...]] | None = None,
) -> dict[Row, Standing]:
    """Return the standing of each row from its last parity result and the last record of each of its jobs.

    `flags` are those of the rows, where they are known already.
    """
    recorded = records.columns.by_row()
    failed = {row: places[~records.columns["ok"][places]] for row, places in recorded.items()}
    failures = {row: records[places[0]] for row, places in failed.items() if len(places)}  # the first of each row
    misleading = unfair(_flags_of(records) if flags is None else flags)
    return {
        row: _failed(failures.get(row))
        or _unproven(parity.get(row), recorded=row in recorded)
        or _unfair(misleading.get(row))
        or RANKED
        for row in rows
    }


def _flags_of(records: Records) -> dict[Row, tuple[Flag, ...]]:
    known = timed(records.columns)
    return flags_of_timed(known, product_bounds(known.columns))


def _failed(record: Record | None) -> Standing | None:
    if record is None:
        return None
    cause: Cause = "unsupported" if record.status == "unsupported" else "failed"
    return Standing(cause, f"{record.status}: {record.reason}")


def _unproven(result: ParityResult | None, *, recorded: bool) -> Standing | None:
    """Return why a row without failed processes is not known to be right; None if it is right."""
    if result is not None and result.agrees is False:
        return Standing("wrong", f"parity: {result.reason}")
    if result is not None and result.status != "ok":
        return Standing("not checked", f"could not be checked: {result.status}: {result.reason}")
    if not recorded:
        return NOT_RUN
    if result is None or result.agrees is None:
        return Standing("not checked", f"could not be checked: {result.reason if result else 'no result'}")
    return None


def _unfair(sentences: list[str] | None) -> Standing | None:
    return Standing("unfair", "; ".join(sentences)) if sentences else None
