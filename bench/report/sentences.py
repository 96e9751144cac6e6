"""The sentences below a result table: what the run can tell, what it cannot, and where it was made. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from bench.analysis.noise import noise, usual_s
from bench.analysis.stats import MIN_BLOCKS
from bench.records.runfile import Run
from bench.records.schema import Goal, Header, Machine
from bench.report.tables import _ratio

SHOWN_NOISE = 5


def told(summary: pd.DataFrame) -> list[str]:
    """Return, for each task, what the run could have seen, and what it could not tell apart."""
    sentences = []
    for (_, task), lines in summary.groupby(["run", "task"], sort=False):
        compared = lines[lines["detectable"].notna() & (lines["verdict"] != "too few blocks")]
        if (lines["verdict"] == "too few blocks").any():
            fewest = int(lines["shared_blocks"].min())
            plural = "" if fewest == 1 else "s"
            sentences.append(f"{task}: no intervals from {fewest} block{plural}; they begin at {MIN_BLOCKS}")
        if compared.empty:
            continue
        seen = f"{task}: a difference of {compared['detectable'].median():.1%} would have been seen"
        if compared["detectable"].max() > 1.2 * compared["detectable"].min():
            seen += f" ({compared['detectable'].min():.1%} to {compared['detectable'].max():.1%}, by row)"
        sentences.append(f"{seen}; less than {compared['effect'].iloc[0]:.0%} counts as none")
        sentences += [_untold(line) for _, line in compared[compared["verdict"] == "inconclusive"].iterrows()]
    return sentences


def _untold(line: pd.Series[Any]) -> str:
    needed = int(min(max(line["blocks_needed"], line["shared_blocks"] + 1), 9999))
    return (
        f"{line['task']}: cannot tell {line['backend']} {line['mode']} from {line['fastest']}: {_ratio(line, '')} "
        f"times as long; about {needed} blocks would, this run has {int(line['shared_blocks'])}"
    )


def disturbed(runs: Iterable[Run]) -> list[str]:
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


def learned(summary: pd.DataFrame) -> list[str]:
    """Return a sentence for each set of parameters that was learned of data made with known ones, and by whom."""
    learners: dict[tuple[str, str, str], list[str]] = {}
    for _, line in summary.iterrows():
        if line["truth"] and line["parameters"] and None not in line["parameters"]:
            key = line["task"], _numbers(line["parameters"]), _numbers(line["truth"])
            learners.setdefault(key, []).append(f"{line['backend']} {line['mode']}")
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


def long_reasons(summary: pd.DataFrame) -> list[str]:
    """Return, whole, each reason that the table has only the first line of, and whose it is."""
    tasks: dict[str, list[str]] = {}
    for _, line in summary.iterrows():
        if "\n" in line["reason"] and line["task"] not in tasks.setdefault(line["reason"], []):
            tasks[line["reason"]].append(line["task"])
    return [f"{', '.join(names)}: {reason}" for reason, names in tasks.items()]


def _numbers(numbers: tuple[float, ...]) -> str:
    *weights, bias = (f"{number:.4g}" for number in numbers)
    return f"w = ({', '.join(weights)}), b = {bias}"
