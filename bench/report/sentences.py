"""The sentences below a result table: detectable differences, open comparisons, noise, and the machine. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from bench.analysis.comparison import Comparison
from bench.analysis.noise import noise, usual_s
from bench.analysis.stats import ASSUMED_SD, MOST_ROUNDS
from bench.analysis.summary import RowSummary, Versus
from bench.records.runfile import Run
from bench.records.schema import Goal, Header, Machine, Row
from bench.report.tables import ratio
from bench.report.units import percent

SHOWN_NOISE = 5


def detectable_sentences(rows: Iterable[RowSummary]) -> list[str]:
    """Return, for each task, which difference the run can detect, and which comparisons are inconclusive."""
    tasks: dict[tuple[str, str], list[RowSummary]] = {}
    for each in rows:
        tasks.setdefault((each.run, each.row.task), []).append(each)
    return [sentence for (_, task), each in tasks.items() for sentence in _of_task(task, each)]


def _of_task(task: str, rows: Sequence[RowSummary]) -> list[str]:
    compared = [
        (each, each.to_fastest, each.to_fastest.comparison)
        for each in rows
        if each.to_fastest and each.to_fastest.comparison
    ]
    if not compared:
        return []
    judged = [found.judged for _, _, found in compared if math.isfinite(found.judged.detectable)]
    sentences = [_detectable(task, [each.detectable for each in judged], rows[0].effect)] if judged else []
    sentences += _of_one_round(task, [found for _, _, found in compared])
    sentences += [
        _open(each, versus, found)
        for each, versus, found in compared
        if found.judged.verdict in ("inconclusive", "too few rounds")
    ]
    return sentences + _responses(task, [(each, versus) for each, versus, _ in compared])


def _of_one_round(task: str, compared: Sequence[Comparison]) -> list[str]:
    count = sum(found.rounds == 1 for found in compared)
    if not count:
        return []
    which = "all rows" if count == len(compared) else f"{count} row{'' if count == 1 else 's'} of one round"
    return [
        f"{task}: the intervals of {which} assume that processes of a row differ by {percent(ASSUMED_SD)} (standard "
        f"deviation): one round cannot show it"
    ]


def _detectable(task: str, differences: Sequence[float], effect: float) -> str:
    low, high = min(differences), max(differences)
    by_row = f" (by row {100 * low:.1f} to {percent(high, 1)})" if high > 1.2 * low else ""
    typical = percent(median(differences), 1)
    return f"{task}: detectable difference: {typical}{by_row}; below {percent(effect)} counts as equal"


def _open(each: RowSummary, versus: Versus, found: Comparison) -> str:
    rounds = f"{found.rounds} round{'' if found.rounds == 1 else 's'}"
    needed = min(max(found.rounds_needed, found.rounds + 1), MOST_ROUNDS)
    return (
        f"{each.row.task}: {each.name} compared with {_name(versus.other)} is inconclusive: "
        f"ratio {ratio(versus)} from {rounds}; about {needed} rounds would be enough"
    )


def _responses(task: str, compared: Sequence[tuple[RowSummary, Versus]]) -> list[str]:
    """Return a sentence on rows whose ratio to the fastest is another one while the machine is slow."""
    found = [(each, versus, versus.response) for each, versus in compared if versus.response]
    if not found:
        return []
    share = max(response.share for _, _, response in found)
    factors = ", ".join(f"{each.name} {response.factor:.2f}" for each, _, response in found)
    return [
        f"{task}: the machine was slow in up to {percent(share)} of the turns, and rows respond to that differently: "
        f"compared with {_name(found[0][1].other)}, the times in slow turns are larger by these factors: {factors}. "
        f"The table is about the other turns"
    ]


def _name(row: Row) -> str:
    return f"{row.backend} {row.mode}"


def noise_sentences(runs: Iterable[Run]) -> list[str]:
    """Return, for each run, a sentence on the rounds in which something else used the machine."""
    sentences = []
    for run in runs:
        told = noise(run.blocks, usual_s(run.blocks))
        noisy = [place for place, sentence in enumerate(told) if sentence]
        if noisy:
            shown = [(run.blocks[place], told[place]) for place in noisy[:SHOWN_NOISE]]
            examples = [f"{block.task} round {block.block + 1}: {sentence}" for block, sentence in shown]
            more = [f"and {len(noisy) - SHOWN_NOISE} more"] if len(noisy) > SHOWN_NOISE else []
            count = f"{len(noisy)} of {len(run.blocks)} rounds"
            sentences.append(f"noise in {count}, which are included in the results: {'; '.join(examples + more)}")
    return sentences


def parameter_sentences(rows: Iterable[RowSummary]) -> list[str]:
    """Return, for synthetic data with known parameters, which parameters were learned, and by which rows."""
    learners: dict[tuple[str, str, str], list[str]] = {}
    for each in rows:
        quality = each.first.quality
        if quality and quality.truth and quality.parameters and None not in quality.parameters:
            key = each.row.task, _numbers(quality.parameters), _numbers(quality.truth)
            learners.setdefault(key, []).append(each.name)
    return [
        f"{task}: true parameters {truth}; learned {numbers} ({', '.join(names)})"
        for (task, numbers, truth), names in learners.items()
    ]


def caption(header: Header) -> str:
    """Return a sentence about where, when and how a run was made."""
    place = where(header.machine, header.threads, header.versions, header.commit, header.created)
    checked = "" if header.followed else "; parity checked by the timed runs alone"
    return f"{place}; {goal_in_words(header.goal)}, schedule seed {header.schedule_seed}{checked}."


def where(machine: Machine, threads: int, versions: Mapping[str, str], commit: str, created: str) -> str:
    """Return a description of a machine and what is installed there, without a full stop."""
    quota = "" if machine.quota_cores is None else f" with a CPU quota of {machine.quota_cores:g}"
    return (
        f"{created}: {machine.cpu}, {machine.cores} cores{quota}, {machine.memory_bytes / 2**30:.0f} GiB, "
        f"{', '.join(machine.gpus) or 'no GPU'}, governor {machine.governor}, load {machine.load} before the run; "
        f"{machine.system}; {threads} threads per process; "
        f"{', '.join(f'{name} {version}' for name, version in versions.items())}; commit {commit}"
    )


def goal_in_words(goal: Goal) -> str:
    """Return in words how long a run continues."""
    if goal.workers is not None:
        return f"{goal.workers} process{'es' if goal.workers > 1 else ''} per row"
    return f"until differences of {percent(goal.effect)} are detectable, for {goal.time_s / 60:g} min at most"


def long_reasons(rows: Iterable[RowSummary]) -> list[str]:
    """Return every reason that has several lines, with its tasks; the table shows only the first line."""
    tasks: dict[str, list[str]] = {}
    for each in rows:
        if "\n" in each.reason and each.row.task not in tasks.setdefault(each.reason, []):
            tasks[each.reason].append(each.row.task)
    return [f"{', '.join(names)}: {reason}" for reason, names in tasks.items()]


def _numbers(numbers: Iterable[float | None]) -> str:
    *weights, bias = (f"{number:.4g}" for number in numbers)
    return f"w = ({', '.join(weights)}), b = {bias}"
