"""Stopping rule: which rows need another block. Pure: it depends only on the records of the earlier blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from bench.analysis.comparison import Comparisons, Times, log_times
from bench.analysis.stats import MIN_BLOCKS, Judgement, detectable, estimate
from bench.records.schema import Goal, Record, Row

# A test after every block finds a difference by chance sooner or later. So a comparison ends early only if its p-value
# is far below the level of the final test (Haybittle 1971, Peto 1976: p < 0.001; here there are more tests).
BEYOND_DOUBT = 1e-4


def still_open(
    rows: Sequence[Row], goal: Goal, records: Iterable[Record], block: int, unranked: Collection[Row] = ()
) -> set[Row]:
    """Return the rows that run in block number `block`, given the records of all earlier blocks.

    A row that failed is not run again. If the goal is a number of workers, all other rows run in that many rounds.
    Otherwise all rows run in the first `MIN_BLOCKS` blocks, and after that the rows whose comparison with the fastest
    of their task is not settled yet, and the fastest itself. `unranked` rows are not compared.
    """
    records = [record for record in records if record.job.block < block]
    failed = {record.job.row for record in records if record.status != "ok"}
    alive = [row for row in rows if row not in failed]
    if goal.workers is not None:
        rounds = Counter(record.job.row for record in records)
        return {row for row in alive if rounds[row] < goal.workers}
    if block < MIN_BLOCKS:
        return set(alive)
    kept = set(alive) - set(unranked)
    times = {row: blocks for row, blocks in log_times(records).items() if row in kept}
    return _undecided(times, goal.effect)


def _undecided(times: Times, effect: float) -> set[Row]:
    comparisons = Comparisons(times, effect)
    undecided: set[Row] = set()
    for rows in comparisons.groups.values():
        best = comparisons.fastest(rows)
        assert best is not None  # noqa: S101 - a group has rows, and rows have times
        open_rows = {row for row in rows if row != best and not settled(comparisons.verdict(row, best)[1], effect)}
        if open_rows or (len(rows) == 1 and not _precise(times, best, effect)):
            undecided |= open_rows | {best}
    return undecided


def settled(judged: Judgement, effect: float) -> bool:
    """Return whether a comparison needs no more blocks: it is precise enough, or the difference is beyond doubt."""
    return judged.detectable <= effect or judged.p_different <= BEYOND_DOUBT


def _precise(times: Times, row: Row, effect: float) -> bool:
    """Return whether `bench compare` could detect a change of `effect` in a row that is the only one of its task."""
    found = estimate(list(times[row].values()))
    return detectable(found.error, found.freedom, 1) <= effect
