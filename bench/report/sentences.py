"""The sentences below a result table: detectable differences, open comparisons, noise, and the machine. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from types import MappingProxyType

from bench.analysis.comparison import Comparison
from bench.analysis.noise import noise_of
from bench.analysis.stats import ASSUMED_SD, MOST_ROUNDS
from bench.analysis.summary import RowSummary, Versus
from bench.records.runfile import Run
from bench.records.schema import Goal, Header, Machine, Row
from bench.report.names import titles
from bench.report.tables import ratio
from bench.report.units import percent


def untold_sentences(rows: Iterable[RowSummary]) -> list[str]:
    """Return, for each task, which difference the run can detect, how many rows had one round, and what is open."""
    return [sentence for title, each in titled_by_task(rows) if (sentence := _untold(title, each))]


def about_untold(rows: Iterable[RowSummary]) -> str:
    """Return what holds for all these sentences: what counts as equal, and what a single round assumes."""
    rows = list(rows)
    effects = dict.fromkeys(percent(each.effect) for each in rows)
    found = [versus.comparison for each in rows if (versus := each.to_fastest) and versus.comparison]
    alone = (
        f" One round cannot show how much the processes of a row differ: its intervals assume {percent(ASSUMED_SD)} "
        f"(standard deviation)."
    )
    return f"Below {' or '.join(effects)} counts as equal.{alone if any(each.rounds == 1 for each in found) else ''}"


def by_task(rows: Iterable[RowSummary]) -> list[tuple[str, list[RowSummary]]]:
    """Return the rows that are compared, of one run, task and precision, under the name of the task."""
    tasks: dict[tuple[str, str], list[RowSummary]] = {}
    for each in rows:
        tasks.setdefault((each.run, task_name(each.row)), []).append(each)
    return [(task, each) for (_, task), each in tasks.items()]


def titled_by_task(
    rows: Iterable[RowSummary], machines: Mapping[str, str] = MappingProxyType({})
) -> list[tuple[str, list[RowSummary]]]:
    """Return the same under a title, which names the run where several have the task; `machines` is as in `titles`."""
    found = by_task(rows)
    titled = titles(((each[0].run, task) for task, each in found), machines)
    return [(titled[each[0].run, task], each) for task, each in found]


def task_name(row: Row) -> str:
    """Return the task of a row, with the precision where it is not the usual one."""
    return row.task if row.precision == "float32" else f"{row.task} in {row.precision}"


def _untold(task: str, rows: Sequence[RowSummary]) -> str:
    compared = [
        (each, each.to_fastest, found) for each in rows if each.to_fastest and (found := each.to_fastest.comparison)
    ]
    if not compared:
        return ""
    judged = [found.judged for _, _, found in compared if math.isfinite(found.judged.detectable)]
    parts = [_detectable([each.detectable for each in judged])] if judged else []
    parts += _of_one_round([found for _, _, found in compared])
    still_open = [each for each in compared if each[2].judged.verdict in ("inconclusive", "too few rounds")]
    if still_open:
        named = ", ".join(_open(*each) for each in still_open)
        parts.append(f"inconclusive, compared with {still_open[0][1].other.name}: {named}")
    return f"{task}: {'; '.join(parts)}"


def _detectable(differences: Sequence[float]) -> str:
    low, high = min(differences), max(differences)
    by_row = f" (by row {100 * low:.1f} to {percent(high, 1)})" if high > 1.2 * low else ""
    return f"detectable difference: {percent(median(differences), 1)}{by_row}"


def _of_one_round(compared: Sequence[Comparison]) -> list[str]:
    count = sum(found.rounds == 1 for found in compared)
    if not count:
        return []
    which = "all rows" if count == len(compared) else f"{count} row{'' if count == 1 else 's'}"
    return [f"one round of {which}"]


def _open(each: RowSummary, versus: Versus, found: Comparison) -> str:
    rounds = f"{found.rounds} round{'' if found.rounds == 1 else 's'}"
    needed = min(max(found.rounds_needed, found.rounds + 1), MOST_ROUNDS)
    return f"{each.name} {ratio(versus)} ({rounds}; about {needed} would be enough)"


def response_sentences(rows: Iterable[RowSummary]) -> list[str]:
    """Return, for each task, which rows have another ratio to the fastest while the machine is slow."""
    return [sentence for title, each in titled_by_task(rows) for sentence in _responses(title, each)]


def _responses(task: str, rows: Sequence[RowSummary]) -> list[str]:
    compared = [(each, each.to_fastest) for each in rows if each.to_fastest and each.to_fastest.comparison]
    found = [(each, versus, versus.response) for each, versus in compared if versus.response]
    if not found:
        return []
    share = max(response.share for _, _, response in found)
    factors = ", ".join(f"{each.name} {response.factor:.2f}" for each, _, response in found)
    return [
        f"{task}: the machine was slow in up to {percent(share)} of the turns, and rows respond to that differently: "
        f"compared with {found[0][1].other.name}, the times in slow turns are larger by these factors: {factors}. "
        f"The table is about the other turns"
    ]


def noise_sentences(runs: Iterable[Run]) -> list[str]:
    """Return, for each run, a sentence on the rounds in which something else used the machine.

    It begins with the path of the run file if there are several.
    """
    runs, sentences = tuple(runs), []
    for run in runs:
        found = noise_of(run)
        if found.disturbed:
            examples = [f"{each.task} round {each.block + 1}: {each.sentence}" for each in found.examples]
            left = found.disturbed - len(found.examples)
            more = [f"and {left} more"] if left else []
            count = f"{found.disturbed} of {found.rounds} rounds"
            where = f"{run.name}: " if len(runs) > 1 else ""
            sentences.append(
                f"{where}noise in {count}, which are included in the results: {'; '.join(examples + more)}"
            )
    return sentences


def parameter_sentences(rows: Iterable[RowSummary]) -> list[str]:
    """Return, for synthetic data with known parameters, which parameters were learned, and by which rows."""
    learners: dict[tuple[str, str, str], list[str]] = {}
    rows = [each for each in rows if each.processes]
    counts = Counter(each.row.task for each in rows)
    for each in rows:
        quality = each.first.quality
        if quality and quality.truth and quality.parameters and None not in quality.parameters:
            key = each.row.task, _numbers(quality.parameters), _numbers(quality.truth)
            learners.setdefault(key, []).append(each.name)
    return [
        f"{task}: true parameters {truth}; learned {numbers} "
        f"({'all rows' if len(names) == counts[task] > 1 else ', '.join(names)})"
        for (task, numbers, truth), names in learners.items()
    ]


def caption(header: Header) -> str:
    """Return a sentence about where, when and how a run was made."""
    place = where(header.machine, header.threads, header.versions, header.commit, header.created)
    return f"{place}; {_how(header)}."


def where(machine: Machine, threads: int, versions: Mapping[str, str], commit: str, created: str) -> str:
    """Return a description of a machine and what is installed there, without a full stop."""
    load = f"load {machine.load} before the run"
    return f"{created}: {_machine(machine)}; {load}; {threads} threads per process; {_installed(versions, commit)}"


def machine_sentences(header: Header) -> list[str]:
    """Return the same in three sentences: the machine, what is installed there, and how it was measured."""
    threads = f"{header.threads} thread{'' if header.threads == 1 else 's'} per process"
    return [
        _machine(header.machine),
        _installed(header.versions, header.commit),
        f"measured {header.created} after a load of {header.machine.load}, with {threads}, {_how(header)}",
    ]


def _machine(machine: Machine) -> str:
    quota = "" if machine.quota_cores is None else f" with a CPU quota of {machine.quota_cores:g}"
    return (
        f"{machine.cpu}, {machine.cores} cores{quota}, {machine.memory_bytes / 2**30:.0f} GiB, "
        f"{', '.join(machine.gpus) or 'no GPU'}, governor {machine.governor}; {machine.system}"
    )


def _installed(versions: Mapping[str, str], commit: str) -> str:
    return f"{', '.join(f'{name} {version}' for name, version in versions.items())}; commit {commit}"


def _how(header: Header) -> str:
    checked = "" if header.followed else "; parity checked by the timed runs alone"
    return f"{goal_in_words(header.goal)}, schedule seed {header.schedule_seed}{checked}"


def goal_in_words(goal: Goal) -> str:
    """Return in words how long a run continues."""
    if goal.workers is not None:
        return f"{goal.workers} process{'es' if goal.workers > 1 else ''} per row"
    return f"until differences of {percent(goal.effect)} are detectable, for {goal.time_s / 60:g} min at most"


def long_reasons(rows: Iterable[RowSummary]) -> list[str]:
    """Return every reason that has several lines, with its rows; the table shows only the first line."""
    named: dict[str, list[str]] = {}
    for each in rows:
        if "\n" in each.reason:
            named.setdefault(each.reason, []).append(f"{each.row.task} {each.row.name}")
    return [f"{', '.join(names)}: {reason}" for reason, names in named.items()]


def _numbers(numbers: Iterable[float | None]) -> str:
    *weights, bias = (f"{number:.4g}" for number in numbers)
    return f"w = ({', '.join(weights)}), b = {bias}"
