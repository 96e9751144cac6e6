"""Which facts of machines go with a ratio: described, corrected for looking at many, and not named by chance."""

from __future__ import annotations

import math

import machines_simulation as simulation
import numpy as np
import pytest
from scipy import stats

from bench.analysis.goes_with import DEALS, FEWEST, GoesWith, divisions_by, facts_that_go_with
from bench.analysis.machine_facts import Facts

ALONG = np.array([0.0, 0.02, 0.01, 0.03, 0.4, 0.42, 0.41, 0.43, 0.02, 0.41, 0.0, 0.4])
KIND = ["old" if each < 0.2 else "new" for each in ALONG]


def found(log_ratios: np.ndarray, rows: int = 1, **facts: list[object]) -> tuple[GoesWith, ...]:
    machines: list[Facts] = [dict(zip(facts, values, strict=True)) for values in zip(*facts.values(), strict=True)]
    return facts_that_go_with(log_ratios, divisions_by(machines, facts), rows)


def test_the_ratio_is_told_by_the_values_of_a_fact() -> None:
    (fact,) = found(ALONG, kind=KIND)
    assert {part.value: part.machines for part in fact.parts} == {"new": 6, "old": 6}
    old = [value for value, kind in zip(ALONG, KIND, strict=True) if kind == "old"]
    assert fact.parts[1].ratio == pytest.approx(math.exp(np.mean(old)))
    assert fact.told


def test_a_number_of_many_values_has_a_factor_for_twice_as_much() -> None:
    cores = [2.0, 4.0, 8.0, 16.0] * 3
    (fact,) = found(np.log2(cores) * math.log(1.25), cores=cores)
    assert fact.per_doubling == pytest.approx(1.25)
    assert fact.parts == ()
    assert fact.told


def test_a_number_of_two_values_divides_the_machines_as_a_text_does_in_the_order_of_the_numbers() -> None:
    (fact,) = found(ALONG, cores=[16.0 if kind == "old" else 2.0 for kind in KIND])
    assert [part.value for part in fact.parts] == ["2", "16"]


def test_facts_that_divide_the_machines_alike_are_one() -> None:
    (fact,) = found(ALONG, kind=KIND, also=[each[0] for each in KIND])
    assert fact.names == ("kind", "also")


def test_what_is_the_same_everywhere_or_nearly_everywhere_another_is_not_looked_at() -> None:
    assert found(ALONG, same=["x"] * 12, name=[f"host {place}" for place in range(12)]) == ()


def test_a_chance_is_that_of_an_exact_test_where_there_is_one_fact() -> None:
    rng = np.random.default_rng(4)
    log_ratios, half = rng.normal(size=12), ["a", "b"] * 6
    exact = stats.permutation_test(
        (log_ratios[::2], log_ratios[1::2]), lambda a, b: abs(a.mean() - b.mean()), alternative="greater",
        n_resamples=np.inf,
    ).pvalue  # fmt: skip
    (fact,) = found(log_ratios, half=half)
    assert fact.p == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / DEALS))


def test_looking_at_more_facts_and_more_rows_makes_each_less_sure() -> None:
    rng = np.random.default_rng(5)
    others = {f"coin {number}": [str(rng.integers(2)) for _ in ALONG] for number in range(12)}
    weak = ALONG + rng.normal(0, 0.25, 12)
    (alone,) = found(weak, kind=KIND)
    among = next(fact for fact in found(weak, kind=KIND, **others) if "kind" in fact.names)
    assert 2 * alone.p < among.p
    (of_three,) = found(weak, rows=3, kind=KIND)
    assert of_three.p == pytest.approx(3 * alone.p)


def test_few_machines_or_equal_ratios_say_nothing() -> None:
    few = FEWEST - 1
    assert found(ALONG[:few], kind=KIND[:few]) == ()
    assert found(np.zeros(12), kind=KIND) == ()


def test_facts_that_have_nothing_to_do_with_a_ratio_are_hardly_ever_named_and_a_large_effect_mostly_is() -> None:
    alarms, _ = simulation.facts_found(machines=10, effect=0.0, runs=100)
    _, named = simulation.facts_found(machines=14, effect=0.3, runs=20)
    assert alarms <= 0.05 + 3 * simulation.error(0.05, 100)
    assert named > 0.9
