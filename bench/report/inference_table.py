"""Tables and sentences on inference for people: what it costs to use a trained model. Pure."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import pandas as pd

from bench.analysis.inference import Cost, InferenceSummary
from bench.report.tables import ratio
from bench.report.units import seconds

NOT_TOLD = ("inconclusive", "equivalent", "too few rounds")


def readable(rows: Iterable[InferenceSummary]) -> pd.DataFrame:
    """Return one line for each row and kind of requests, best first, in words and units."""
    lines = [line for group in _groups(rows) for kind in (_latency_lines, _batch_lines) for line in kind(group)]
    return pd.DataFrame(lines, columns=COLUMNS, dtype=str).fillna("")


COLUMNS = ("task", "requests", "row", "time", "p95", "p99", "rows/s", "× best", "note")


def panels(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the tables of each task and kind of requests by title, each with the columns that say something."""
    found = {}
    for (task, requests), lines in table.groupby(["task", "requests"], sort=False):
        shown = lines.drop(columns=["task", "requests", "note"])
        found[f"{task}: {requests}"] = shown[[name for name in shown if shown[name].any()]].reset_index(drop=True)
    return found


def sentences(rows: Iterable[InferenceSummary]) -> list[str]:
    """Return, for each task, what to use and what the intervals rest on, then why rows are not ranked."""
    return [sentence for group in _groups(rows) for sentence in (*_summary(group), *_unranked(group))]


def _groups(rows: Iterable[InferenceSummary]) -> Iterator[list[InferenceSummary]]:
    """Yield the rows that are compared with each other: of one run, task and precision."""

    def key(each: InferenceSummary) -> tuple[str, str, str]:
        return each.run, each.row.task, each.row.precision

    found: dict[tuple[str, str, str], list[InferenceSummary]] = {}
    for each in rows:
        found.setdefault(key(each), []).append(each)
    yield from found.values()


def _sorted(group: Iterable[InferenceSummary], cost: Callable[[InferenceSummary], Cost]) -> list[InferenceSummary]:
    def place(each: InferenceSummary) -> tuple[bool, float]:
        time_s = cost(each).time_s
        return cost(each).to_best is None, math.inf if math.isnan(time_s) else time_s

    return sorted(group, key=place)


def _latency(each: InferenceSummary) -> Cost:
    return each.latency


def _in_batches(each: InferenceSummary) -> Cost:
    return each.in_batches


def _latency_lines(group: Sequence[InferenceSummary]) -> list[dict[str, str]]:
    return [
        {
            **_names(each, "latency of one row"),
            "time": seconds(each.latency.time_s),
            "p95": seconds(each.latency_p95_s),
            "p99": seconds(each.latency_p99_s),
            "× best": ratio(each.latency.to_best),
        }
        for each in _sorted(group, _latency)
    ]


def _batch_lines(group: Sequence[InferenceSummary]) -> list[dict[str, str]]:
    size = max(each.batch_rows for each in group)
    return [
        {
            **_names(each, f"throughput in batches of {size}"),
            "time": seconds(each.in_batches.time_s * size),
            "rows/s": _rate(each),
            "× best": ratio(each.in_batches.to_best),
        }
        for each in _sorted(group, _in_batches)
    ]


def _names(each: InferenceSummary, requests: str) -> dict[str, str]:
    where = "" if each.row.device == "cpu" else f" on the {each.row.device}"
    return {"task": each.row.task, "requests": requests, "row": f"{each.name}{where}", "note": each.reason}


def _rate(each: InferenceSummary) -> str:
    rate = each.throughput_rows_per_s
    return "" if math.isnan(rate) else f"{rate:,.0f}"


def _summary(group: Sequence[InferenceSummary]) -> list[str]:
    """Return one sentence: the best row for each kind of requests, and what cannot be told from it."""
    if not any(each.latency.to_best for each in group):
        return []
    one, many = (_sorted(group, cost)[0] for cost in (_latency, _in_batches))
    size = max(each.batch_rows for each in group)
    return [
        f"{one.row.task}: for one row at a time {one.name} ({seconds(one.latency.time_s)}{_tied(group, _latency)}), "
        f"for batches of {size} {many.name} ({_rate(many)} rows/s{_tied(group, _in_batches)}); {_rests_on(group)}"
    ]


def _tied(group: Iterable[InferenceSummary], cost: Callable[[InferenceSummary], Cost]) -> str:
    names = [each.name for each in _sorted(group, cost) if (to := cost(each).to_best) and to.verdict in NOT_TOLD]
    if not names:
        return ""
    return f"; this run cannot tell {_listed(names)} from it"


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _rests_on(group: Iterable[InferenceSummary]) -> str:
    """Return how many rounds the comparisons have, and what one round assumes."""
    compared = [to.comparison.rounds for each in group if (to := each.latency.to_best) and to.comparison]
    if not compared:
        return "nothing to compare with"
    counts = sorted(Counter(compared).items())
    said = _listed([f"{rows} {'row' if rows == 1 else 'rows'} in {rounds}" for rounds, rows in counts])
    last = "round" if counts[-1][0] == 1 else "rounds"
    alone = "; the interval of one round assumes that processes of a row differ by 10 %" if counts[0][0] == 1 else ""
    return f"compared with the best: {said} {last}{alone}"


def _unranked(group: Iterable[InferenceSummary]) -> Iterator[str]:
    for reason, rows in itertools.groupby((each for each in group if each.reason), key=lambda each: each.reason):
        named = list(rows)
        yield f"{named[0].row.task}: not ranked: {_listed([each.name for each in named])}: {reason}"
    few = [each.name for each in group if not each.reason and math.isnan(each.latency_p99_s)]
    if few:
        yield f"no percentiles of {_listed(few)}: there were fewer than 200 calls in the time that a row has"
