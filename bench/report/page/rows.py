"""The rows of the page's table, and the comparisons of all of them with each other. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from bench.analysis.break_even import BreakEven
from bench.analysis.comparison import Comparison
from bench.analysis.pairs import Pairs
from bench.analysis.summary import RowSummary
from bench.records.schema import Row
from bench.report.page.names import styles
from bench.report.tables import METRICS

PHASES = (
    *("start_s", "import_s", "data_s", "setup_s", "first_pass_s", "steady_passes_s"),
    *("evaluation_s", "resets_s", "checks_s"),
)
SCORES = ("first_call_s", "one_training_s", "cores_busy", "product_flops_per_s")  # medians over processes


def rows_of(summaries: Sequence[RowSummary], runs: Sequence[str]) -> list[dict[str, Any]]:
    """Return a line for each row, in the order of the result table; `runs` are the paths of the runs, in their order.

    Rows that are not ranked have no numbers that could count: only `measured_s`, for who asks for details.
    """
    looks = styles(each.row for each in summaries)
    return [_line(each, runs.index(each.run), looks) for each in summaries]


def _line(each: RowSummary, run: int, looks: Mapping[Any, Any]) -> dict[str, Any]:
    row = each.row
    return {
        "run": run,
        **msgspec.structs.asdict(row),
        "label": row.name,
        **looks[row.backend, row.mode, row.device],
        "cause": each.standing.cause,
        "why": each.standing.reason,
        "parity": _parity(each),
        "flags": [flag.sentence for flag in each.flags],
        "processes": each.processes,
        "noisy": each.noisy_rounds,
        "measured_s": each.pass_s,
        "result": _result(each),
        **(_numbers(each) if each.standing.ranked else {}),
    }


def _numbers(each: RowSummary) -> dict[str, Any]:
    interval, versus = each.pass_interval, each.to_fastest
    return {
        "pass_s": each.pass_s,
        "low_s": interval.low if interval else None,
        "high_s": interval.high if interval else None,
        "cpu_s": each.pass_cpu_s,
        "ratio": versus.ratio if versus else None,
        "between": _between(versus.comparison) if versus else None,
        "verdict": versus.verdict if versus else "",
        **{name: each.medians[name] for name in SCORES},
        "fixed_s": _fixed_s(each),
        "rows_per_s": each.rows_per_s,
        "flops_per_s": each.flops_per_s,
        "flops_share": each.flops_share,
        "memory_bytes": each.peak_memory_bytes,
        "device_memory_bytes": each.peak_device_memory_bytes,
        "phases_s": [each.medians[name] for name in PHASES],
        "break_even": _break_even(each.break_even),
    }


def _fixed_s(each: RowSummary) -> float | None:
    """Return what a training takes apart from its passes: start, import, data, set-up, first call and evaluation."""
    if each.passes is None:
        return None
    return max(0.0, each.medians["one_training_s"] - each.passes * each.pass_s)


def _between(found: Comparison | None) -> list[float] | None:
    return [found.interval.low, found.interval.high] if found and found.interval else None


def _break_even(found: BreakEven | None) -> dict[str, Any] | None:
    if found is None:
        return None
    numbers = {name: getattr(found, name) for name in ("passes", "low", "high")}
    return {"plain": found.plain.name, "verdict": found.verdict, **numbers}


def _parity(each: RowSummary) -> dict[str, Any] | None:
    found = each.parity
    if found is None:
        return None
    names = ("agrees", "tier", "reason", "gradient", "losses", "parameters", "envelope", "metric", "repetition")
    return {name: getattr(found, name) for name in names}


def _result(each: RowSummary) -> dict[str, Any] | None:
    quality = each.first.quality
    if quality is None or not each.processes:
        return None
    return {"metric": METRICS[quality.metric], "value": quality.value}


def groups_of(
    summaries: Sequence[RowSummary], runs: Sequence[str], pairs: Mapping[str, Sequence[Pairs]]
) -> list[dict[str, Any]]:
    """Return the rows of each run, task and precision, which are compared with each other; `pairs` by path of the run.

    `pairs` of the result has, for each baseline (by place among `ranked`) the verdicts, ratios and their intervals.
    """
    members: dict[tuple[str, str, str], list[int]] = {}
    for place, each in enumerate(summaries):
        members.setdefault((each.run, each.row.task, each.row.precision), []).append(place)
    compared: dict[tuple[str, str, str], Pairs] = {
        (run, each.fastest.task, each.fastest.precision): each for run, many in pairs.items() for each in many
    }
    return [
        {
            "run": runs.index(run),
            "task": task,
            "precision": precision,
            "rows": places,
            "effect": summaries[places[0]].effect,
            "passes": summaries[places[0]].passes,
            **_matrix(compared.get((run, task, precision)), {summaries[place].row: place for place in places}),
        }
        for (run, task, precision), places in members.items()
    ]


def _matrix(found: Pairs | None, places: Mapping[Row, int]) -> dict[str, Any]:
    if found is None:
        return {"fastest": None, "ranked": [], "pairs": []}
    rows = list(found.against)
    return {
        "fastest": places[found.fastest],
        "ranked": [places[row] for row in rows],
        "pairs": [[_pair(found.against[baseline].get(row)) for row in rows] for baseline in rows],
    }


def _pair(found: Comparison | None) -> list[Any]:
    """Return verdict, ratio and interval of a row compared with a baseline; of the baseline itself, that it is it."""
    if found is None:
        return ["baseline", 1.0]
    return [found.judged.verdict, found.ratio, *(_between(found) or ())]
