"""The sentences below a result table: what the run can tell, what it cannot, and where it was made. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from bench.analysis.comparison import Comparison
from bench.analysis.noise import noise, usual_s
from bench.analysis.stats import MIN_BLOCKS
from bench.analysis.summary import RowSummary
from bench.records.runfile import Run
from bench.records.schema import Goal, Header, Machine
from bench.report.tables import ratio

SHOWN_NOISE = 5


def detectable_sentences(rows: Iterable[RowSummary]) -> list[str]:
    """Return, for each task, which difference the run could detect, and which rows it could not tell apart."""
    tasks: dict[tuple[str, str], list[RowSummary]] = {}
    for each in rows:
        tasks.setdefault((each.run, each.row.task), []).append(each)
    return [sentence for (_, task), each in tasks.items() for sentence in _of_task(task, each)]


def _of_task(task: str, rows: Sequence[RowSummary]) -> list[str]:
    compared = [(each, each.to_fastest.comparison) for each in rows if each.to_fastest and each.to_fastest.comparison]
    told = [(each, found) for each, found in compared if found.judged.verdict != "too few blocks"]
    sentences = []
    if len(told) < len(compared):
        fewest = min(found.blocks for _, found in compared)
        plural = "" if fewest == 1 else "s"
        sentences.append(f"{task}: no intervals from {fewest} block{plural}; they begin at {MIN_BLOCKS}")
    if told:
        sentences.append(_detectable(task, [found.judged.detectable for _, found in told], rows[0].effect))
    return sentences + [_open(each, found) for each, found in told if found.judged.verdict == "inconclusive"]


def _detectable(task: str, differences: Sequence[float], effect: float) -> str:
    low, high = min(differences), max(differences)
    by_row = f" ({low:.1%} to {high:.1%}, by row)" if high > 1.2 * low else ""
    return (
        f"{task}: a difference of {median(differences):.1%} would have been seen{by_row}; "
        f"less than {effect:.0%} counts as none"
    )


def _open(each: RowSummary, found: Comparison) -> str:
    needed = int(min(max(found.blocks_needed, found.blocks + 1), 9999))
    assert each.to_fastest is not None  # noqa: S101 - the comparison is that with the fastest
    best = each.to_fastest.other
    return (
        f"{each.row.task}: cannot tell {each.name} from {best.backend} {best.mode}: {ratio(each.to_fastest)} "
        f"times as long; about {needed} blocks would, this run has {found.blocks}"
    )


def noise_sentences(runs: Iterable[Run]) -> list[str]:
    """Return a sentence on the blocks of each run during which the machine was not quiet."""
    sentences = []
    for run in runs:
        usual_loop_s = usual_s(run.blocks)
        noisy = [(block, found) for block in run.blocks if (found := noise(block, usual_loop_s))]
        if noisy:
            examples = [f"{block.task} block {block.block + 1}: {found}" for block, found in noisy[:SHOWN_NOISE]]
            more = [f"and {len(noisy) - SHOWN_NOISE} more"] if len(noisy) > SHOWN_NOISE else []
            found = "; ".join(examples + more)
            sentences.append(f"noisy: {len(noisy)} of {len(run.blocks)} blocks. {found}. None is left out.")
    return sentences


def parameter_sentences(rows: Iterable[RowSummary]) -> list[str]:
    """Return a sentence for each set of parameters that was learned of data made with known ones, and by whom."""
    learners: dict[tuple[str, str, str], list[str]] = {}
    for each in rows:
        quality = each.first.quality
        if quality and quality.truth and quality.parameters and None not in quality.parameters:
            key = each.row.task, _numbers(quality.parameters), _numbers(quality.truth)
            learners.setdefault(key, []).append(each.name)
    return [
        f"{task}: the data were made with {truth}; learned: {numbers} ({', '.join(names)})"
        for (task, numbers, truth), names in learners.items()
    ]


def caption(header: Header) -> str:
    """Return a sentence on where and when a run was made."""
    place = where(header.machine, header.threads, header.versions, header.commit, header.created)
    checked = "" if header.followed else "; checked by the timed runs alone"
    return f"{place}; {goal_in_words(header.goal)}, schedule seed {header.schedule_seed}{checked}."


def where(machine: Machine, threads: int, versions: Mapping[str, str], commit: str, created: str) -> str:
    """Return, without a full stop, a sentence on a machine and what is installed there."""
    return (
        f"{created}: {machine.cpu}, {machine.cores} cores, {machine.memory_bytes / 2**30:.0f} GiB, "
        f"{', '.join(machine.gpus) or 'no GPU'}, governor {machine.governor}, load {machine.load} before the run; "
        f"{machine.system}; {threads} threads a process; "
        f"{', '.join(f'{name} {version}' for name, version in versions.items())}; commit {commit}"
    )


def goal_in_words(goal: Goal) -> str:
    """Return until when a run goes on."""
    if goal.workers is not None:
        return f"{goal.workers} process{'es' if goal.workers > 1 else ''} a row"
    return f"until a difference of {goal.effect:.0%} would be seen or {goal.time_s / 60:g} min are over"


def long_reasons(rows: Iterable[RowSummary]) -> list[str]:
    """Return, whole, each reason that the table has only the first line of, and whose it is."""
    tasks: dict[str, list[str]] = {}
    for each in rows:
        if "\n" in each.reason and each.row.task not in tasks.setdefault(each.reason, []):
            tasks[each.reason].append(each.row.task)
    return [f"{', '.join(names)}: {reason}" for reason, names in tasks.items()]


def _numbers(numbers: Iterable[float | None]) -> str:
    *weights, bias = (f"{number:.4g}" for number in numbers)
    return f"w = ({', '.join(weights)}), b = {bias}"
