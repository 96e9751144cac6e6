"""How often summaries over machines are right about machines with known ratios: this writes results/machines.md.

A machine has a ratio of its own, drawn around a known mean; its run has some rounds, whose ratios scatter around that
of the machine. What a run says of it is computed as for any run. Every draw is seeded, so that the same code gives the
same tables: `nox -s machines`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

import numpy as np
from machine_models import MACHINES as MODELS
from machine_models import as_times, live
from scipy import special
from support import a_row

from backends.contract import Array
from bench.analysis.comparison import Group
from bench.analysis.goes_with import LEVEL, divisions_by, facts_that_go_with
from bench.analysis.machine_facts import Facts
from bench.analysis.random_effects import RandomEffects, random_effects
from bench.analysis.stats import Estimate, Interval, estimate
from bench.report.export import listed

PAGE = Path(__file__).resolve().parents[2] / "results" / "machines.md"
RATIO = 1.5  # the true mean
MACHINES = (3, 5, 10, 30)
SPREADS = (0.0, 0.5, 1.0, 2.0, 10.0)  # between machines, in standard errors of a usual run of such machines
FROM = 2.0  # the spread from which on the intervals contain the truth in 93 to 97 %
RUNS = 2000
ROUNDS, TURNS = 8, 20  # of a whole run
SEED = 16
PROCESSES = 0.02  # by which the processes of a row differ on a usual machine, standard deviation
# What rounds do: how many a run has, and how much noisier than usual a machine is; drawn for each machine.
Kind = Callable[[np.random.Generator], tuple[int, float]]
KINDS: dict[str, Kind] = {
    "alike: 10 rounds each": lambda rng: (10, 1.0),
    "unlike: 4 to 30 rounds, up to 5 times noisier": lambda rng: (
        int(rng.integers(4, 31)),
        math.exp(rng.uniform(0, math.log(5))),
    ),
}


@dataclass(frozen=True)
class Case:
    """Machines that are drawn many times."""

    kind: Kind
    machines: int
    spread: float  # between machines, in standard errors of a usual run


@dataclass(frozen=True)
class Outcome:
    """What summaries came to, as shares of them."""

    mean: float  # whose interval contains the true mean ratio
    new: float  # whose prediction interval contains the ratio of a new machine
    usual_mean: float  # the same of the intervals that other programs make
    usual_new: float
    none: float  # that say that machines may not differ at all


def a_run(rng: np.random.Generator, kind: Kind, truth: float) -> Estimate:
    """Return what a run on a machine with this logarithm of the ratio says."""
    rounds, noisier = kind(rng)
    return estimate(rng.normal(truth, math.sqrt(2) * PROCESSES * noisier, rounds))


@cache
def usual_error(kind: Kind) -> float:
    """Return the median standard error of a run on such machines."""
    rng = np.random.default_rng(SEED)
    return median(a_run(rng, kind, 0.0).error for _ in range(1000))


def usual_intervals(log_ratios: Array, errors: Array, spread: float) -> tuple[Interval, Interval]:
    """Return the intervals of the mean and of a new machine as other programs make them, of logarithms.

    They take the estimate of tau as if it were tau (Hartung and Knapp 2001; Higgins, Thompson and Spiegelhalter 2009).
    """
    weights = 1 / (errors**2 + spread**2)
    count, total = len(weights), weights.sum()
    mean = float(weights @ log_ratios / total)
    variance = float(weights @ (log_ratios - mean) ** 2) / (count - 1) / total
    reach = float(special.stdtrit(count - 1, 0.975)) * math.sqrt(variance)
    reach_new = float(special.stdtrit(count - 2, 0.975)) * math.sqrt(spread**2 + variance)
    return Interval(mean - reach, mean + reach), Interval(mean - reach_new, mean + reach_new)


def outcome_of(case: Case, runs: int) -> Outcome:
    """Return how often summaries of one run on each machine are right about the mean, and about a new machine."""
    rng = np.random.default_rng([SEED, case.machines, round(100 * case.spread)])
    told = []
    for _ in range(runs):
        centre = math.log(RATIO)
        *truths, new = rng.normal(centre, case.spread * usual_error(case.kind), case.machines + 1)
        several = [a_run(rng, case.kind, truth) for truth in truths]
        log_ratios, errors, freedom = (
            np.array([getattr(each, name) for each in several]) for name in ("mean", "error", "freedom")
        )
        found: RandomEffects = random_effects(log_ratios, errors, freedom)
        usual = usual_intervals(log_ratios, errors, found.spread)
        told.append(
            (
                _within(RATIO, found.interval),
                _within(math.exp(new), found.prediction),
                _within(centre, usual[0]),
                _within(new, usual[1]),
                found.spread_interval.low == 0,
            )
        )
    return Outcome(*np.mean(told, axis=0).tolist())


def _within(truth: float, between: Interval) -> bool:
    return between.low <= truth <= between.high


def coverage_table(kind: Kind, runs: int) -> str:
    """Return how often intervals contain the truth, by number of machines and spread between them."""
    lines = []
    for machines in MACHINES:
        for spread in SPREADS:
            found = outcome_of(Case(kind, machines, spread), runs)
            lines.append(
                {
                    "machines": str(machines),
                    "spread / error": f"{spread:g}",
                    "mean": percent(found.mean),
                    "new machine": percent(found.new),
                    "mean, usual": percent(found.usual_mean),
                    "new machine, usual": percent(found.usual_new),
                    "may be alike": percent(found.none),
                }
            )
    return listed(lines, f"In %, of {runs} draws; standard error of a share of 95 %: {percent(error(0.95, runs))}")


@cache
def whole_runs(draws: int) -> tuple[tuple[Estimate, ...], ...]:
    """Return what runs say of two equal rows of three, by kind of machine [kinds][draws]: turn by turn, as a run does.

    Times of another ratio would give the same estimates, moved by its logarithm.
    """
    rows = [a_row("iris_mlp", name) for name in ("a", "b", "c")]
    found = []
    for number, machine in enumerate(MODELS.values()):
        times = live(machine, np.random.default_rng([SEED, number]), draws, len(rows), ROUNDS, TURNS)
        found.append(tuple(Group(as_times(run, rows), 0.05).estimates[rows[1], rows[0]] for run in times))
    return tuple(found)


def whole_runs_outcome(kinds: Sequence[int], spread: float, draws: int) -> tuple[float, float]:
    """Return how often the mean and a new machine are within their intervals, with a machine of each of these kinds."""
    rng = np.random.default_rng([SEED, len(kinds), round(1000 * spread)])
    runs, told = [whole_runs(draws)[kind] for kind in kinds], []
    for draw in range(draws):
        *truths, new = rng.normal(math.log(RATIO), spread, len(kinds) + 1)
        several = [found[draw] for found in runs]
        log_ratios, errors, freedom = (
            np.array([getattr(each, name) for each in several]) for name in ("mean", "error", "freedom")
        )
        found = random_effects(log_ratios + np.array(truths), errors, freedom)
        told.append((_within(RATIO, found.interval), _within(math.exp(new), found.prediction)))
    mean, new = np.mean(told, axis=0).tolist()
    return mean, new


def whole_runs_table(draws: int) -> str:
    """Return how often intervals contain the truth where every machine is noisy in a way of its own."""
    every = range(len(MODELS))
    lines = []
    for kinds in (every[::3], every):
        for spread in (0.01, 0.05, 0.2):
            mean, new = whole_runs_outcome(kinds, spread, draws)
            lines.append(
                {
                    "machines": str(len(kinds)),
                    "spread": f"{percent(spread, 0)} %",
                    "mean": percent(mean),
                    "new machine": percent(new),
                }
            )
    return listed(lines, f"In %, of {draws} draws; standard error of a share of 95 %: {percent(error(0.95, draws))}")


def percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f}"


def error(share: float, runs: int) -> float:
    """Return the standard error of a share."""
    return math.sqrt(share * (1 - share) / runs)


def facts_of(rng: np.random.Generator, machines: int) -> list[Facts]:
    """Return facts that have nothing to do with a ratio: some divide the machines in two, some in three, two count."""
    return [
        {
            **{f"two {name}": str(rng.integers(2)) for name in range(6)},
            **{f"three {name}": str(rng.integers(3)) for name in range(3)},
            **{f"number {name}": float(2 ** rng.integers(6)) for name in range(2)},
        }
        for _ in range(machines)
    ]


def facts_found(machines: int, effect: float, runs: int) -> tuple[float, float]:
    """Return how often any fact is said to go with the ratios, and how often the first one is.

    The first fact multiplies the ratio by 1 + `effect`; machines differ by 5 % beside that.
    """
    rng = np.random.default_rng([SEED, machines, round(100 * effect)])
    any_told, first_told = [], []
    for _ in range(runs):
        facts = facts_of(rng, machines)
        first = np.array([each["two 0"] == "1" for each in facts])
        log_ratios: Array = rng.normal(math.log(RATIO), 0.05, machines) + first * math.log1p(effect)
        told = [each for each in facts_that_go_with(log_ratios, divisions_by(facts, facts[0]), 1) if each.p <= LEVEL]
        any_told.append(bool(told))
        first_told.append(any("two 0" in each.names for each in told))
    return float(np.mean(any_told)), float(np.mean(first_told))


def facts_table(runs: int) -> str:
    """Return how often a fact that has nothing to do with the ratio is named, and how often one is that has."""
    lines = []
    for machines in (6, 8, 12, 30):
        alarms, _ = facts_found(machines, 0.0, runs)
        small, large = (facts_found(machines, effect, runs)[1] for effect in (0.1, 0.3))
        lines.append(
            {
                "machines": str(machines),
                "any fact named, none matters": percent(alarms),
                "fact of 10 % named": percent(small),
                "fact of 30 % named": percent(large),
            }
        )
    return listed(lines, f"In %, of {runs} draws of 11 facts; machines differ by 5 % (standard deviation) beside that")


def page(runs: int = RUNS) -> str:
    """Return the page results/machines.md."""
    parts = [
        "# Summaries over machines with known ratios",
        "",
        "Made by `nox -s machines`, from `tests/analysis/machines_simulation.py`. Method and sources:",
        "[bench/analysis/random_effects.py](../bench/analysis/random_effects.py) and",
        "[goes_with.py](../bench/analysis/goes_with.py).",
        "[bench/README.md](../bench/README.md#from-machine-to-machine) says what follows from it.",
        "",
        "## Mean and new machine",
        "",
        *ABOUT,
    ]
    for name, kind in KINDS.items():
        parts += ["", f"### Machines {name}", "", coverage_table(kind, runs)]
    parts += ["## Whole runs, turn by turn", "", *ABOUT_WHOLE_RUNS, "", whole_runs_table(runs)]
    parts += ["## Facts that go with the differences", "", facts_table(runs // 4)]
    return "\n".join(parts)


ABOUT = (
    f"The true mean ratio is {RATIO}, and every machine has its own around it. The spread between machines is given in",
    "standard errors of a usual run on such machines. Both intervals aim at 95 %. *mean*: how often the interval of",
    "the mean ratio contains the true one. *new machine*: how often the prediction interval contains the ratio of a",
    "machine that was not among them. *usual*: the same of the intervals that other programs make (Hartung and Knapp;",
    "Higgins, Thompson and Spiegelhalter). *may be alike*: how often the spread may be 0.",
    "",
    f"Where machines differ by {FROM:g} errors of a run or more, both intervals contain the truth in 93 to 97 %. Where",
    "they differ by less, it is more often, up to always, and never less. For a new machine that cannot be otherwise:",
    "so few runs do not tell machines that are alike from machines that differ by as much as a run may be wrong. An",
    "interval that reaches far enough for the latter reaches too far for the former, where the ratio of a new machine",
    "is the mean itself; one that does not, as the usual one, contains it in fewer than 90 % where machines do differ.",
    "The interval of the mean could be exact where all errors are equal and known, as the usual one would be; where",
    "they are estimated from a few rounds, that one contains the truth in 90 to 94 %, and ours was made for these.",
)

ABOUT_WHOLE_RUNS = (
    f"Each machine is one of those of [simulation.md](simulation.md), and has a run of three rows in {ROUNDS} rounds",
    f"of {TURNS} turns, from which the ratio, its error and the degrees of freedom follow as in every run. The spread",
    "is the standard deviation of the logarithm of the ratio between machines.",
)

if __name__ == "__main__":
    PAGE.write_text(page())
