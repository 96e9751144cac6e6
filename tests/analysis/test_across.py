"""How ratios differ from machine to machine: what is pooled, what is kept apart, and what a result rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_up_machines import BASE, QUICK, WIDE, a_computer, a_run_on, lab
from stores import merged, runs_of
from support import a_row

from bench.analysis.across import Across, across, across_runs, divided_by, pooled
from bench.analysis.log_ratios import KEPT, LOG_RATIOS
from bench.analysis.machine_facts import facts_by_machine
from bench.analysis.random_effects import random_effects
from bench.analysis.summary import summarise
from bench.errors import BadChoice
from bench.records.lines import NotARunFile
from bench.records.machines import machine_key
from bench.records.runfile import Run
from bench.records.schema import Row


def only_row(found: Sequence[Across], row: Row) -> Any:
    (question,) = found
    (result,) = (each for each in question.rows if each.row == row)
    return result


def a_line(machine: str, log_ratio: float, error: float = 0.01, **other: Any) -> dict[str, Any]:
    """Return the line of jax / numpy in a run."""
    usual: dict[str, Any] = {name: "" for name, kind in LOG_RATIOS.items() if kind is str}
    usual |= {"task": "iris_mlp", "settings": "{}", "threads": 2, "precision": "float32", "device": "cpu"}
    usual |= {"backend": "jax", "mode": "scan", "other_device": "cpu", "other_backend": "numpy", "other_mode": "loop"}
    usual |= {"machine": machine, "log_ratio": log_ratio, "standard_error": error, "freedom": 5.0, "rounds": 6}
    return {**usual, **other}


def a_table(*lines: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame([{name: line[name] for name in LOG_RATIOS} for line in lines])


# What is divided by what


def test_the_mean_and_a_new_machine_are_those_of_random_effects_over_the_machines(tmp_path: Path) -> None:
    runs = lab(tmp_path, 5)
    row = only_row(across_runs(runs), QUICK)
    estimates = [next(each for each in summarise([run]) if each.row == QUICK).estimates[BASE] for run in runs]
    columns = (np.array([getattr(each, name) for each in estimates]) for name in ("mean", "error", "freedom"))
    expected = random_effects(*columns)
    assert row.overall.ratio == pytest.approx(expected.ratio)
    assert row.overall.prediction.high == pytest.approx(expected.prediction.high)
    assert [each.machine for each in row.on] == [machine_key(run.header) for run in runs]


def test_ratios_are_to_numpy_unless_a_baseline_is_named(tmp_path: Path) -> None:
    runs = lab(tmp_path, 3)
    assert across_runs(runs)[0].other == BASE
    (named,) = across_runs(runs, "jax")
    assert named.other == QUICK
    straight, turned = only_row(across_runs(runs), QUICK).overall, only_row([named], BASE).overall
    assert turned.ratio == pytest.approx(1 / straight.ratio)
    assert turned.interval.low == pytest.approx(1 / straight.interval.high)


def test_an_unknown_baseline_lists_the_rows_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(BadChoice, match="choose from jax:scan, numpy:loop, torch:eager"):
        across_runs(lab(tmp_path, 3), "theano")


def test_without_numpy_the_row_is_taken_that_most_machines_have_whatever_its_times() -> None:
    def pair(machine: str, row: str, other: str, log_ratio: float) -> dict[str, Any]:
        return a_line(machine, log_ratio, backend=row, mode="x", other_backend=other, other_mode="x")

    lines = [
        pair("m1", "b", "c", 0.1),
        pair("m2", "b", "c", 0.2),
        pair("m2", "a", "c", -3.0),
        pair("m1", "b", "d", 1.0),
    ]
    (found,) = across(a_table(*lines), {"m1": {}, "m2": {}})
    assert found.other == a_row("iris_mlp", "b", "x")  # c is on as many machines, and comes later


def test_a_row_that_stands_on_either_side_of_a_pair_is_turned_to_the_same_side() -> None:
    turned = a_line("m2", 0.7, backend="numpy", mode="loop", other_backend="jax", other_mode="scan")
    found = divided_by(a_table(a_line("m1", -0.7), turned), BASE)
    assert list(found["log_ratio"]) == [-0.7, -0.7]
    assert set(found["backend"]) == {"jax"}


# What is pooled, and what is kept apart


def test_runs_of_one_machine_are_one_machine(tmp_path: Path) -> None:
    machine = a_computer(0)
    runs = [a_run_on(tmp_path / f"{day}.jsonl", machine, {QUICK: 0.5}) for day in range(4)]
    other = a_run_on(tmp_path / "other.jsonl", a_computer(1), {QUICK: 0.6})
    row = only_row(across_runs([*runs, other]), QUICK)
    assert [each.runs for each in row.on] == [4, 1]
    assert row.on[0].found.rounds == 32
    assert row.on[0].ratio == pytest.approx(0.5, rel=0.02)


def test_the_mean_of_runs_is_weighted_and_runs_that_differ_more_than_they_should_make_it_less_sure() -> None:
    alike = pooled(a_table(a_line("m", 0.10, 0.01), a_line("m", 0.11, 0.02))).iloc[0]
    assert alike["log_ratio"] == pytest.approx((4 * 0.10 + 0.11) / 5)
    assert alike["standard_error"] == pytest.approx(1 / math.sqrt(1e4 + 2500))
    apart = pooled(a_table(a_line("m", 0.0, 0.01), a_line("m", 0.2, 0.01))).iloc[0]
    assert apart["standard_error"] == pytest.approx(0.1)  # half the difference, as of two values
    assert apart["freedom"] == 1


@pytest.mark.parametrize("change", [{"threads": 4}, {"tasks": {"iris_mlp": {"epochs": 2}}}])
def test_another_number_of_threads_or_other_settings_are_another_question(change: Any, tmp_path: Path) -> None:
    runs = [a_run_on(tmp_path / f"{place}.jsonl", a_computer(place), {QUICK: 0.5}) for place in range(2)]
    others = [a_run_on(tmp_path / f"{place}.jsonl", a_computer(place), {QUICK: 5.0}, **change) for place in (2, 3)]
    assert [len(each.machines) for each in across_runs([*runs, *others])] == [2, 2]
    assert across_runs([runs[0], others[0]]) == ()


def test_one_machine_says_nothing(tmp_path: Path) -> None:
    assert across_runs([a_run_on(tmp_path / f"{day}.jsonl", a_computer(0), {QUICK: 0.5}) for day in range(3)]) == ()


def test_two_machines_have_ratios_and_no_mean(tmp_path: Path) -> None:
    row = only_row(across_runs(lab(tmp_path, 2)), QUICK)
    assert row.overall is None
    assert row.reach[0].ratio < row.reach[1].ratio


def test_a_row_that_is_wrong_on_a_machine_does_not_count_there_and_is_named(tmp_path: Path) -> None:
    runs = lab(tmp_path, 3)
    bad = a_run_on(tmp_path / "bad.jsonl", a_computer(9), {QUICK: 0.001, WIDE: 2.0}, wrong=[QUICK])
    row = only_row(across_runs([*runs, bad]), QUICK)
    assert len(row.on) == 3
    assert row.reach[0].ratio > 0.4
    assert row.not_ranked == {machine_key(bad.header): "parity: loss 2 at step 7"}


# From a table of logarithms alone, and how long that takes


def test_a_hundred_thousand_lines_are_summarised_from_the_table_alone_within_seconds() -> None:
    import time

    rng = np.random.default_rng(0)
    machines = np.repeat([f"m{number}" for number in range(1000)], 100)
    lines = pd.DataFrame([a_line("", 0.0)] * len(machines))[list(LOG_RATIOS)]
    lines["machine"], lines["mode"] = machines, np.tile([f"mode {place % 20}" for place in range(100)], 1000)
    lines["log_ratio"] = rng.normal(0, 0.1, len(lines))
    begin = time.process_time()
    (found,) = across(lines, {name: {"cores": 2.0} for name in set(machines)})
    assert time.process_time() - begin < 15  # 1 s on a quiet machine
    assert [len(row.on) for row in found.rows] == [1000] * 20
    assert found.rows[0].on[0].runs == 5


def test_facts_are_those_of_the_machines_of_the_row(tmp_path: Path) -> None:
    runs = lab(tmp_path, 12)
    facts = {fact.names: fact for fact in only_row(across_runs(runs), WIDE).facts}
    found = facts["BLAS of NumPy", "avx512f"]
    assert [(part.value, part.machines) for part in found.parts] == [
        ("openblas 0.3.30 Haswell", 6),
        ("openblas 0.3.30 SkylakeX", 6),
    ]
    assert found.parts[1].ratio / found.parts[0].ratio == pytest.approx(1.5, rel=0.1)
    assert found.told
    assert not any(fact.told for fact in only_row(across_runs(runs), QUICK).facts)
    assert len(facts_by_machine(run.header for run in runs)) == 12


def test_the_ratios_of_a_store_are_read_without_the_summaries_of_its_rows(tmp_path: Path) -> None:
    runs = lab(tmp_path / "runs", 3)
    merged(tmp_path / "store", *(run.path for run in runs))
    damaged = [with_kept(run, rows=b"\x91\x01") for run in runs_of(tmp_path / "store")]
    expected = across_runs(runs)
    assert expected
    assert across_runs(damaged) == expected
    with pytest.raises(NotARunFile, match="is damaged"):  # what has no ratios is summarised
        across_runs([with_kept(run, **{KEPT: None}) for run in damaged])


def with_kept(run: Run, **changed: bytes | None) -> Run:
    """Return a run of a store with other content of what was computed of it, or without some of that."""
    kept = {name: content for name, content in {**run.records.kept, **changed}.items() if content is not None}
    return replace(run, records=replace(run.records, kept=kept))
