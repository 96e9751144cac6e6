"""How the ratios of rows differ from machine to machine. Pure but for pandas.

Only ratios are looked at, each within a machine; no times of two machines ever meet, and nothing is ranked. A question
is a task with its settings, in a precision, with a number of threads: another one of these is another question. Runs of
one machine are averaged first, so that a machine counts once however often it was measured.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from backends.registry import BACKENDS
from bench.analysis.baseline import find_row, require_baseline
from bench.analysis.goes_with import Division, GoesWith, divisions_by, facts_that_go_with, known_names
from bench.analysis.kept import kept
from bench.analysis.log_ratios import KEPT, LOG_RATIOS, LogRatios, columns, joined, log_ratios
from bench.analysis.machine_facts import VERSION, Facts, facts_by_machine
from bench.analysis.random_effects import FEWEST_MACHINES, LEAST_ERROR, RandomEffects, random_effects
from bench.analysis.stats import Estimate, Interval, interval
from bench.analysis.summary import RowSummary, summarise
from bench.records.runfile import Run
from bench.records.schema import Row

USUAL_BASELINE = "numpy"  # as in `bench history`

QUESTION = ["task", "settings", "threads", "precision"]
ROW = ["device", "backend", "mode"]
OTHER = ["other_device", "other_backend", "other_mode"]


class Question(NamedTuple):
    """What rows are compared in."""

    task: str
    settings: str  # of the task, as JSON
    threads: int
    precision: str


@dataclass(frozen=True)
class OnMachine:
    """The ratio of two rows on one machine, over all its runs."""

    machine: str  # its key
    found: Estimate  # of the logarithm of the ratio
    runs: int

    @property
    def ratio(self) -> float:
        """The ratio."""
        return self.found.ratio

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval of the ratio."""
        return interval(self.found)


@dataclass(frozen=True)
class RowAcross:
    """A row compared with the other row of its question, on every machine that has ranked both."""

    row: Row
    on: tuple[OnMachine, ...]
    not_ranked: Mapping[str, str]  # machines with a run in which this row is not ranked, and why
    overall: RandomEffects | None  # None for fewer machines than it takes
    facts: tuple[GoesWith, ...]  # that were looked at; empty for too few machines

    @property
    def reach(self) -> tuple[OnMachine, OnMachine]:
        """The machines with the lowest and the highest ratio."""
        return min(self.on, key=lambda each: each.ratio), max(self.on, key=lambda each: each.ratio)


@dataclass(frozen=True)
class Across:
    """The rows of a question on several machines, each divided by the same other row."""

    question: Question
    other: Row
    machines: tuple[str, ...]  # that have ranked the other row with one of the rows
    not_ranked: Mapping[str, str]  # machines with a run in which the other row is not ranked, and why
    rows: tuple[RowAcross, ...]


def across_runs(runs: Iterable[Run], baseline: str = "", rows: Iterable[RowSummary] = ()) -> tuple[Across, ...]:
    """Return the same as `across`, from runs. `rows` are summaries that were made already; missing ones are made."""
    runs, by_run = list(runs), defaultdict(list)
    for each in rows:
        by_run[each.run].append(each)

    def ratios(run: Run) -> LogRatios:
        return kept(run, KEPT, LogRatios) or log_ratios(by_run[run.name] or summarise([run]))

    needed = [(run, to_baseline(ratios(run), baseline or USUAL_BASELINE)) for run in runs]
    lines = joined(columns(run.name, run.header, found) for run, found in needed)
    return across(pd.DataFrame(lines), facts_by_machine(run.header for run in runs), baseline)


def to_baseline(found: LogRatios, baseline: str) -> LogRatios:
    """Return the ratios of a run without the pairs that no summary needs: of many rows, that is nearly all.

    Where a task has a ranked row of the baseline, only the ratios to that row are needed.
    """
    ranked = [found.rows[place] for place in dict.fromkeys((*found.row, *found.other))]
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(ranked):
        groups.setdefault((row.task, row.precision), []).append(row)
    chosen = {group: find_row(baseline, rows) for group, rows in groups.items()}
    pairs = ((found.rows[row], found.rows[other]) for row, other in zip(found.row, found.other, strict=True))
    return found.only(
        [at for at, pair in enumerate(pairs) if (to := chosen[pair[0].task, pair[0].precision]) is None or to in pair]
    )


def across(table: pd.DataFrame, facts: Mapping[str, Facts], baseline: str = "") -> tuple[Across, ...]:
    """Return how ratios differ between machines, for each question of which two machines have results.

    `table` has the columns `LOG_RATIOS`; `facts` are those of each machine. Every row is divided by the row of
    `baseline` (a backend or backend:mode) or, without one, by NumPy's; where a question has no such row, by the one
    that most machines have ranked, the first of these by name. Times have no part in that choice. Raises `BadChoice` if
    no question has a row of the baseline.
    """
    require_baseline(baseline, rows_in(table))
    found = []
    for key, lines in table.groupby(QUESTION, sort=False):
        question = Question._make(key)
        other = _other(question, lines, baseline) if lines["machine"].nunique() > 1 else None
        if other is not None and (made := _question(question, other, lines, facts)) is not None:
            found.append(made)
    return tuple(found)


def rows_in(table: pd.DataFrame) -> list[Row]:
    """Return all rows that have a line, ranked or not."""
    ends = [table[["task", "precision", *names]].drop_duplicates() for names in (ROW, OTHER)]
    lines = [line for each in ends for line in each.itertuples(index=False, name=None) if line[3]]
    return list(dict.fromkeys(_row(task, precision, *ids) for task, precision, *ids in lines))


def _row(task: str, precision: Any, device: Any, backend: str, mode: str) -> Row:
    return Row(task=task, backend=backend, mode=mode, device=device, precision=precision)


def _other(question: Question, lines: pd.DataFrame, baseline: str) -> Row | None:
    """Return the row that all others of a question are divided by; None if no machine has ranked it with another."""
    pairs = lines[lines["other_backend"] != ""]
    ends = pd.concat([pairs[["machine", *names]].set_axis(["machine", *ROW], axis=1) for names in (ROW, OTHER)])
    counts = ends.drop_duplicates().groupby(ROW)["machine"].count().reset_index()
    ranked = {
        _row(question.task, question.precision, *ids): count
        for *ids, count in counts.itertuples(index=False, name=None)
    }
    named = find_row(baseline or USUAL_BASELINE, ranked)
    if named is not None or baseline:
        return named
    return min(ranked, key=lambda row: (-ranked[row], row), default=None)


def _question(question: Question, other: Row, lines: pd.DataFrame, facts: Mapping[str, Facts]) -> Across | None:
    """Return the rows of a question; None if there are no two machines on which any of them is compared."""
    on = _by_row(question, pooled(divided_by(lines, other)))
    if len({each.machine for several in on.values() for each in several}) < 2:
        return None
    why = _reasons(question, lines)
    divided = cache(lambda machines, names: divisions_by([facts[machine] for machine in machines], names))
    names = known_names(facts)
    rows = [
        _across(row, several, why.get(row, {}), divided(_machines(several), tuple(_names(names, row, other))), len(on))
        for row, several in sorted(on.items())
    ]
    order = list(dict.fromkeys(lines["machine"]))
    compared = {each.machine for row in rows for each in row.on}
    return Across(question, other, tuple(name for name in order if name in compared), why.get(other, {}), tuple(rows))


def divided_by(lines: pd.DataFrame, other: Row) -> pd.DataFrame:
    """Return the lines of a question that compare a row with this one, all of them as row / this one."""
    wanted = (other.device, other.backend, other.mode)
    straight = lines[(lines[OTHER] == wanted).all(axis=1)]
    turned = lines[(lines[ROW] == wanted).all(axis=1) & (lines["other_backend"] != "")]
    swapped = turned.rename(columns=dict(zip([*ROW, *OTHER], [*OTHER, *ROW], strict=True)))
    swapped = swapped.assign(log_ratio=-swapped["log_ratio"])
    return pd.concat([straight, swapped[list(LOG_RATIOS)]]).sort_index(kind="stable")


def pooled(lines: pd.DataFrame) -> pd.DataFrame:
    """Return one line for each row and machine: the mean over its runs, weighted by their errors.

    Where runs of a machine differ by more than their errors explain, as between days, the error of the mean is enlarged
    to what they differ by (Birge 1932, "The calculation of errors by the method of least squares").
    """
    weight = 1 / np.maximum(lines["standard_error"], LEAST_ERROR) ** 2
    parts = lines.assign(
        weight=weight, weighted=weight * lines["log_ratio"], of_freedom=weight**2 / lines["freedom"], runs=1
    )
    sums = ["weight", "weighted", "of_freedom", "runs", "rounds"]
    found = parts.groupby([*ROW, "machine"], sort=False)[sums].sum().reset_index()
    found["log_ratio"] = found["weighted"] / found["weight"]
    matched = parts.merge(found[[*ROW, "machine", "log_ratio"]], on=[*ROW, "machine"], suffixes=("", "_mean"))
    matched["off"] = matched["weight"] * (matched["log_ratio"] - matched["log_ratio_mean"]) ** 2
    off = matched.groupby([*ROW, "machine"], sort=False)["off"].sum().to_numpy()
    scale = off / np.maximum(found["runs"] - 1, 1)
    found["standard_error"] = np.sqrt(np.maximum(scale, 1.0) / found["weight"])
    found["freedom"] = np.where(scale > 1, found["runs"] - 1, found["weight"] ** 2 / found["of_freedom"])
    return found


def _by_row(question: Question, found: pd.DataFrame) -> dict[Row, list[OnMachine]]:
    on: dict[Row, list[OnMachine]] = {}
    names = [*ROW, "machine", "log_ratio", "standard_error", "freedom", "rounds", "runs"]
    lines = zip(*(found[name].tolist() for name in names), strict=True)
    for *ids, machine, mean, error, freedom, rounds, runs in lines:
        row = _row(question.task, question.precision, *ids)
        on.setdefault(row, []).append(OnMachine(machine, Estimate(mean, error**2, 1, freedom, rounds), runs))
    return on


def _reasons(question: Question, lines: pd.DataFrame) -> dict[Row, dict[str, str]]:
    """Return, by row, the machines with a run in which it is not ranked, and why."""
    why: dict[Row, dict[str, str]] = {}
    unranked = lines[(lines["other_backend"] == "") & ~lines["cause"].isin(("unsupported", "absent"))]
    for *ids, machine, reason in unranked[[*ROW, "machine", "reason"]].itertuples(index=False, name=None):
        why.setdefault(_row(question.task, question.precision, *ids), {})[machine] = reason
    return why


def _machines(on: Iterable[OnMachine]) -> tuple[str, ...]:
    return tuple(each.machine for each in on)


def _across(
    row: Row, on: Sequence[OnMachine], why: Mapping[str, str], divisions: Sequence[Division], rows: int
) -> RowAcross:
    log_ratios = np.array([each.found.mean for each in on])
    errors, freedom = (np.array([getattr(each.found, name) for each in on]) for name in ("error", "freedom"))
    overall = random_effects(log_ratios, errors, freedom) if len(on) >= FEWEST_MACHINES else None
    return RowAcross(row, tuple(on), why, overall, facts_that_go_with(log_ratios, divisions, rows))


def _names(known: Iterable[str], row: Row, other: Row) -> Iterable[str]:
    """Yield the facts that may have to do with two rows: of versions, only those of their packages and of NumPy."""
    entries = [BACKENDS[each.backend] for each in (row, other) if each.backend in BACKENDS]
    packages = {name for entry in entries for name in (*entry.distributions, *entry.also_needs)} | {"numpy"}
    if any("jax" in package for package in packages):
        packages.add("jaxlib")
    every = len(entries) < 2  # a backend that is not installed here may have any package
    for name in known:
        if every or not name.startswith(VERSION) or name.removeprefix(VERSION) in packages:
            yield name
