"""How often the suite is wrong about machines that are made up: `python tests/analysis/simulation.py` writes the table.

Every draw is seeded, so that the same code gives the same table: results/simulation.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import machine_models as models
import numpy as np
from machine_models import DESIGNS, MACHINES, Design, Machine

from backends.contract import Array
from bench.analysis.comparison import Group
from bench.analysis.stats import LEVEL, MIN_ROUNDS, Estimate, interval, p_different
from bench.analysis.stopping import undecided
from bench.records.schema import Row
from bench.report.export import listed

PAGE = Path(__file__).resolve().parents[2] / "results" / "simulation.md"
RATIOS = (1.02, 1.05)  # that a run should tell from 1
EFFECT = 0.02
MOST_ROUNDS = 30  # of a run that ends by itself
RUNS = 1000
SEED = 12


def rows_of(count: int) -> list[Row]:
    """Return so many rows of one task."""
    return [
        Row(task="linear_fit", backend="made_up", mode=f"{place}", device="cpu", precision="float32")
        for place in range(count)
    ]


ROWS = rows_of(2)


@dataclass(frozen=True)
class Outcome:
    """What runs with known truth came to, as shares of the runs."""

    covered: float  # whose interval contains the true ratio
    alarms: float  # that tell equal rows apart
    found: tuple[float, ...]  # that find rows of these `RATIOS` to be slower
    half_width: float  # of the interval of the logarithm, median
    rounds: float  # mean

    @classmethod
    def of(cls, estimates: Sequence[Estimate]) -> Outcome:
        """Return the outcome of runs whose true ratio is 1; other ratios only move the estimate."""
        between = [interval(each) for each in estimates]
        widths = [math.log(each.high / each.low) / 2 for each in between if each]
        told = [[told_slower(each, ratio) for each in estimates] for ratio in RATIOS]
        return cls(
            covered=share(each is not None and each.low <= 1 <= each.high for each in between),
            alarms=share(p_different(each) <= LEVEL for each in estimates),
            found=tuple(map(share, told)),
            half_width=median(widths),
            rounds=sum(each.rounds for each in estimates) / len(estimates),
        )


def share(cases: Iterable[bool]) -> float:
    """Return the share of cases that are true."""
    found = list(cases)
    return sum(found) / len(found)


def told_slower(found: Estimate, ratio: float) -> bool:
    """Return whether a run would call a row slower that takes so many times as long."""
    moved = Estimate(found.mean + math.log(ratio), found.variance, found.weight, found.freedom, found.rounds)
    return moved.mean > 0 and p_different(moved) <= LEVEL


def two_rows(times: Array) -> list[Estimate]:
    """Return the estimated difference of the second row and the first in each run [runs, 2, rounds, turns]."""
    return [Group(models.as_times(run, ROWS), EFFECT).estimates[ROWS[1], ROWS[0]] for run in times]


def five_minutes(machine: Machine, design: Design, runs: int) -> Outcome:
    """Return the outcome of runs of five minutes by a design."""
    return Outcome.of(two_rows(models.drawn(machine, np.random.default_rng(SEED), runs, design)))


def until_told(machine: Machine, runs: int, ratio: float = 1.0, effect: float = EFFECT) -> Outcome:
    """Return the outcome of live runs that end by the stopping rule, as if the true ratio were 1."""
    times = models.live(machine, np.random.default_rng(SEED + 1), runs, 2, MOST_ROUNDS)
    found = [ended(run, effect) for run in models.slowed(times, ratio)]
    return Outcome.of(
        [Estimate(each.mean - math.log(ratio), each.variance, each.weight, each.freedom, each.rounds) for each in found]
    )


def ended(run: Array, effect: float) -> Estimate:
    """Return the estimate of a run [2, rounds, turns] when the stopping rule ends it."""
    for rounds in range(MIN_ROUNDS, run.shape[1] + 1):
        group = Group(models.as_times(run[:, :rounds], ROWS), effect)
        if not undecided(group):
            break
    return group.estimates[ROWS[1], ROWS[0]]


@dataclass(frozen=True)
class Family:
    """What runs of equal rows came to: one family of comparisons each."""

    covered: float  # intervals of all pairs that contain 1
    alarms: float  # runs that call any row slower or faster than the one that they found to be the fastest


def equal_rows(machine: Machine, count: int, rounds: int, runs: int, turns: int = 20) -> Family:
    """Return the outcome of live runs of so many equal rows, the fastest of which is chosen by the same times."""
    times = models.live(machine, np.random.default_rng(SEED + 2), runs, count, rounds, turns)
    rows = rows_of(count)
    groups = [Group(models.as_times(run, rows), EFFECT) for run in times]
    between = [interval(each) for group in groups for each in group.estimates.values()]
    return Family(
        covered=share(each is not None and each.low <= 1 <= each.high for each in between),
        alarms=share(
            any(each.judged.p_different <= LEVEL for each in group.compared_with_fastest().values()) for group in groups
        ),
    )


def percent(number: float, digits: int = 1) -> str:
    return f"{100 * number:.{digits}f}"


def designs_table(runs: int) -> str:
    """Return the table of the designs: five minutes for a pair of rows."""
    return listed(
        (
            {"machine": name, "design": design, **_cells(five_minutes(machine, design, runs))}
            for name, machine in MACHINES.items()
            for design in DESIGNS
        ),
        f"In %, of {runs} runs. Truth: the ratio while the machine is not slow",
    )


def _cells(found: Outcome) -> dict[str, str]:
    return {
        "rounds": f"{found.rounds:.0f}",
        "interval contains the truth": percent(found.covered),
        "false alarms": percent(found.alarms),
        **{
            f"{ratio - 1:.0%} found".replace("%", " %"): percent(each)
            for ratio, each in zip(RATIOS, found.found, strict=True)
        },
        "half-width": f"±{percent(found.half_width)}",
    }


def endings_table(runs: int) -> str:
    """Return the table of live runs that end by the stopping rule."""
    lines = []
    for name, machine in MACHINES.items():
        by_ratio = {ratio: until_told(machine, runs, ratio) for ratio in (1.0, 1.05, 2.0)}
        lines.append(
            {"machine": name, "false alarms": percent(by_ratio[1.0].alarms)}
            | {f"contains {ratio:g}": percent(each.covered) for ratio, each in by_ratio.items()}
            | {f"rounds for {ratio:g}": f"{each.rounds:.1f}" for ratio, each in by_ratio.items()}
        )
    return listed(lines, f"In %, of {runs} runs of two rows, until {EFFECT:.0%} can be detected")


def families_table(runs: int) -> str:
    """Return the table of runs of equal rows in few rounds."""
    spread = models.spread(MACHINES["independent noise"])
    lines = [
        {"machine": name, "rows": str(rows), "rounds": str(rounds)}
        | {"intervals contain the truth": percent(found.covered), "runs with a false alarm": percent(found.alarms)}
        for name, machine in (("independent noise", MACHINES["independent noise"]), ("processes of 0.5 to 3 %", spread))
        for rows in (2, 8, 13)
        for rounds in (2, 3, 5, 10)
        for found in (equal_rows(machine, rows, rounds, runs),)
    ]
    return listed(lines, f"In %, of {runs} runs; each row is compared with the one found to be the fastest")


def page(runs: int = RUNS) -> str:
    """Return the page results/simulation.md."""
    return "\n".join(
        (
            "# Designs and rules on machines that are made up",
            "",
            "Made by `nox -s simulation`, from `tests/analysis/simulation.py`; what the machines do to times is in",
            "`tests/analysis/machine_models.py`. [bench/README.md](../bench/README.md) says what follows from it.",
            "",
            "## Five minutes for a pair of rows",
            "",
            "Sequential: all processes of one row, then those of the other. Blocked: fresh processes of both in turn.",
            "Live: processes of both rows side by side, in turns of 0.1 s. The estimator is the same for all three.",
            "",
            designs_table(runs),
            "## Runs that end by themselves",
            "",
            endings_table(runs // 4),
            "## Many rows, few rounds",
            "",
            families_table(runs // 4),
        )
    )


if __name__ == "__main__":
    PAGE.write_text(page())
