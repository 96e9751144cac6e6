"""Which facts of the machines go with the differences of a ratio from machine to machine: a description. Pure.

The machines are not an experiment: nothing was varied on purpose, facts come together, and what goes with a difference
need not be its cause. Facts that divide the machines in the same way cannot be told apart, and are one fact here.

Whoever looks at many facts finds one that goes with anything. So the ratios are dealt out to the machines anew, many
times, and a fact counts only if hardly any of these deals has any fact that goes as well with it (Westfall and Young
1993, "Resampling-based multiple testing"; Higgins and Thompson 2004, "Controlling the risk of spurious findings from
meta-regression"); the p-values are multiplied by the number of rows that are looked at, too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import special

from backends.contract import Array
from bench.analysis.machine_facts import Facts, Value, in_words

FEWEST = 6  # machines; fewer can be dealt out in too few ways to tell anything
DEALS = 1999  # beside the true one
SEED = 0
EXHAUSTED = 6  # machines, up to which all deals are tried
LEVEL = 0.05
TIED = 1 - 1e-9  # p-values as near as this are the same: they differ by rounding


@dataclass(frozen=True)
class Part:
    """The machines that have the same value of a fact."""

    value: str
    machines: int
    ratio: float  # exponential of their mean logarithm


@dataclass(frozen=True)
class GoesWith:
    """A fact of the machines, or several that divide them in the same way, and the ratio by its values."""

    names: tuple[str, ...]
    parts: tuple[Part, ...]  # by value; empty for a number of three values or more
    per_doubling: float | None  # factor of the ratio for twice the number; None for a fact that has parts
    p: float  # corrected for all facts and rows that are looked at

    @property
    def told(self) -> bool:
        """Whether it goes with the differences beyond what chance explains."""
        return self.p <= LEVEL


@dataclass(frozen=True)
class Division:
    """A way in which facts divide the machines."""

    columns: Array  # orthonormal, without their mean [machines, columns]
    values: tuple[Value, ...]  # of each machine
    names: list[str]  # of the facts that divide them so


def facts_that_go_with(log_ratios: Array, divisions: Sequence[Division], rows: int) -> tuple[GoesWith, ...]:
    """Return what the ratio is by each fact that divides the machines, the smallest p-value first.

    `log_ratios` [machines] are those of the machines that are divided; `rows` is for how many rows that is done.
    Returns nothing for fewer machines than `FEWEST`, or equal ratios.
    """
    count = len(log_ratios)
    if count < FEWEST or not divisions or not np.ptp(log_ratios):
        return ()
    away = log_ratios - log_ratios.mean()
    chances = _chances(away[_deals(count)], [each.columns for each in divisions])
    smallest = chances.min(axis=1)
    corrected = [float(np.mean(smallest * TIED <= own)) for own in chances[0]]
    found = [_told(log_ratios, each, min(1.0, p * rows)) for each, p in zip(divisions, corrected, strict=True)]
    return tuple(sorted(found, key=lambda each: each.p))


def divisions_by(facts: Sequence[Facts], names: Iterable[str]) -> tuple[Division, ...]:
    """Return the ways in which facts with these names divide machines, which have the facts.

    Those that put nearly each machine into a part of its own are left out, and those that put all into one.
    """
    found: dict[tuple[int, ...] | str, Division] = {}
    for name in names:
        values = tuple(each[name] for each in facts)
        order = list(dict.fromkeys(values))
        numbers = [value for value in values if isinstance(value, float)]
        if len(order) > 2 and len(numbers) == len(values):
            found[name] = Division(_columns(np.log2(numbers)[:, None]), values, [name])
        elif 2 <= len(order) <= len(values) // 2:
            places = {value: place for place, value in enumerate(order)}
            codes = tuple(places[value] for value in values)
            if codes in found:
                found[codes].names.append(name)
            else:
                members = np.equal.outer(codes, np.arange(1, len(order))).astype(float)
                found[codes] = Division(_columns(members), values, [name])
    return tuple(found.values())


def _columns(design: Array) -> Array:
    """Return orthonormal columns that span a design [machines, columns] without its mean."""
    found: Array = np.linalg.qr(design - design.mean(axis=0))[0]
    return found


@cache
def _deals(count: int) -> Array:
    """Return orders of so many machines [deals, machines], the true one first; drawn from a fixed seed."""
    if count <= EXHAUSTED:
        return np.array(list(itertools.permutations(range(count))))
    rng = np.random.default_rng(SEED)
    return np.stack([np.arange(count), *(rng.permutation(count) for _ in range(DEALS))])


def _chances(dealt: Array, designs: Sequence[Array]) -> Array:
    """Return the p-values of the analysis of variance of each deal by each fact [deals, facts].

    They are a measure of how well a fact goes with a deal, the same for facts of two values and of many. `dealt` are
    differences from the mean [deals, machines].
    """
    squares = (dealt[0] ** 2).sum()
    parts = np.array([each.shape[1] for each in designs])
    explained = np.add.reduceat((dealt @ np.hstack(designs)) ** 2, np.cumsum(parts) - parts, axis=1)
    left = dealt.shape[1] - 1 - parts
    rest = np.maximum(squares - explained, squares * np.finfo(float).eps)
    found: Array = special.fdtrc(parts, left, explained / parts / (rest / left))
    return found


def _told(log_ratios: Array, division: Division, p: float) -> GoesWith:
    names, values = tuple(division.names), division.values
    distinct = sorted(set(values), key=lambda value: (isinstance(value, str), value))
    if division.columns.shape[1] == 1 and len(distinct) > 2:
        doublings = np.log2(np.array(values, dtype=float))
        away = doublings - doublings.mean()
        return GoesWith(names, (), math.exp(float(away @ log_ratios / (away @ away))), p)
    by_value = [(in_words(value), log_ratios[[each == value for each in values]]) for value in distinct]
    parts = tuple(Part(value, len(own), math.exp(own.mean())) for value, own in by_value)
    return GoesWith(names, parts, None, p)


def known_names(facts: Mapping[str, Facts]) -> list[str]:
    """Return the names of all facts of some machines."""
    return list(next(iter(facts.values()), {}))
