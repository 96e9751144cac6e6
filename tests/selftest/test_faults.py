"""Planted faults: each is caught, by the tier that it should be; a right backend never is."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support import a_parity_result, a_row, no_files, run_bench

from backends import numpy_backend, numpy_reference
from backends.contract import Placement, Precision
from backends.registry import BACKENDS
from bench.parity.envelope import Envelope
from bench.parity.rounding import surrounded
from bench.parity.tiers import (
    Departure,
    Tier,
    compare_evaluations,
    compare_gradients,
    compare_losses,
    compare_params,
    compare_timed_losses,
    compare_timed_metric,
)
from bench.parity.traces import traces, training_results
from bench.selftest import FAULTY, faulty
from bench.selftest.alarms import Trial, by_row, tidy
from bench.selftest.faulty import FAULTS
from bench.selftest.planted import MISSED, NOTHING, Catch, by_fault, caught, counts
from bench.tasks import TASKS
from bench.tasks.settings import override
from bench.tasks.training import Training, make_training, reseeded

SETTINGS: dict[str, dict[str, Any]] = {
    "iris_mlp": {"epochs": 6},
    "mlp_regression": {"epochs": 60},
    "linear_fit": {},
}
TIMED_ONLY = "replayed"  # a first training that is right; the others are seen by timed runs alone


def place(mode: str, precision: Precision) -> Placement:
    return Placement(mode=mode, device="cpu", precision=precision, threads=1)


@cache
def training(task: str, precision: Precision, seed: int = 0) -> Training:
    changed = override(TASKS[task], SETTINGS[task])
    return reseeded(make_training(changed, precision, no_files), changed, precision, seed)


@cache
def envelope(task: str, seed: int = 0) -> Envelope:
    pair = training(task, "float64", seed), training(task, "float32", seed)
    return surrounded(*pair, seed)


def departures(backend: Any, mode: str, task: str, seed: int = 0) -> dict[Tier, Departure]:
    """Return the first departure of each tier."""
    exact, single = training(task, "float64", seed), training(task, "float32", seed)
    (right,) = traces(numpy_reference, place("plain", "float64"), [exact], 100)
    with np.errstate(all="ignore"):  # some faults make a training diverge
        (mine,) = traces(backend, place(mode, "float64"), [exact], 100)
        (timed,) = training_results(backend, place(mode, "float32"), [single])
    losses = compare_losses(mine.losses, right.losses)
    return {
        "gradient": compare_gradients(mine.gradient, right.gradient),
        "trajectory": losses if losses.fault else compare_params(mine.params, right.params),
        "prediction": compare_evaluations(mine.evaluation, right.evaluation),
        "envelope": compare_timed_losses(timed.losses, "float32", envelope(task, seed)),
        "metric": compare_timed_metric(single.metric, timed.metric, "float32", envelope(task, seed)),
    }


def first_tier(found: dict[Tier, Departure]) -> str:
    return next((tier for tier, departure in found.items() if departure.fault), "")


PLANTED = [
    pytest.param(name, task, id=f"{name}-{task}")
    for name, fault in FAULTS.items()
    for task in SETTINGS
    if name != TIMED_ONLY and fault.concerns(TASKS[task])
]


@pytest.mark.parametrize(("name", "task"), PLANTED)
def test_a_planted_fault_is_caught(name: str, task: str) -> None:
    tier = first_tier(departures(faulty, name, task))
    expected = {"tf32": "envelope", "evaluates_start": "prediction"}
    assert tier == expected[name] if name in expected else tier in ("gradient", "trajectory")


@pytest.mark.parametrize("task", SETTINGS)
def test_a_fault_that_concerns_a_task_changes_it_and_another_does_not(task: str) -> None:
    right = departures(numpy_backend, "loop", task)
    for name, fault in FAULTS.items():
        if not fault.concerns(TASKS[task]):
            assert departures(faulty, name, task) == right, name


@pytest.mark.parametrize("task", SETTINGS)
@pytest.mark.parametrize("seed", range(4))
def test_a_right_backend_is_not(task: str, seed: int) -> None:
    assert first_tier(departures(numpy_backend, "loop", task, seed)) == ""


def test_every_fault_is_a_mode_of_a_backend_that_no_user_sees() -> None:
    assert FAULTY.modes == tuple(FAULTS)
    assert FAULTY.name not in BACKENDS
    assert FAULTY.load() is faulty  # type: ignore[comparison-overlap]


def test_what_a_verdict_says_of_a_fault() -> None:
    row = a_row("linear_fit", "faulty", "tf32")
    assert caught("tf32", "linear_fit", None).tier == NOTHING
    assert caught("tf32", "linear_fit", a_parity_result(row)).tier == MISSED
    crashed = caught("tf32", "linear_fit", a_parity_result(row, agrees=None, status="crashed", reason="it crashed"))
    assert (crashed.tier, crashed.settled) == ("crashed", False)
    assert not caught("tf32", "linear_fit", a_parity_result(row)).settled
    assert caught("tf32", "linear_fit", None).settled
    wrong = a_parity_result(row, agrees=False, tier="envelope", reason="it departs")
    assert caught("tf32", "linear_fit", wrong) == Catch("tf32", "linear_fit", "envelope", "it departs")


def test_the_table_has_a_line_a_fault_and_a_column_a_task() -> None:
    lines = by_fault([Catch("tf32", "a", "envelope", ""), Catch("tf32", "b", NOTHING, "")])
    assert [line["fault"] for line in lines] == [fault.title for fault in FAULTS.values()]
    assert {"fault": FAULTS["tf32"].title, "a": "envelope", "b": NOTHING} in lines


def test_on_the_screen_tasks_are_counted_and_those_where_a_fault_was_missed_are_named() -> None:
    found = [Catch("tf32", "a", "envelope", ""), Catch("tf32", "b", "envelope", ""), Catch("tf32", "c", MISSED, "")]
    (line,) = [line for line in counts(found) if line["fault"] == FAULTS["tf32"].title]
    assert (line["envelope"], line["metric"], line[MISSED], line["on"]) == ("2", "", "1", "c: MISSED")


def test_the_command_plants_every_fault_and_writes_the_table(tmp_path: Path) -> None:
    result = run_bench("faults", "linear_fit", "--out", "out", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    table = (tmp_path / "out" / "faults.md").read_text()
    assert "| losses replayed " in table
    found = pd.read_csv(tmp_path / "out" / "faults.csv").set_index("fault")
    assert set(found.index) == set(FAULTS)
    assert found.loc["replayed", "tier"] == "envelope"
    assert "off by 1 of the distance that the first pass moved them; rounding" in found.loc["replayed", "reason"]
    assert found.loc["tf32", "tier"] == "envelope"
    assert found.loc["momentum_dampened", "tier"] == NOTHING
    assert "first wrong at step 0 of 100: loss " in found.loc["loss_after", "reason"]
    assert "; largest difference at this step: bias of layer 1, by" in found.loc["batch_skipped", "reason"]


def a_trial(**changes: Any) -> Trial:
    sizes = dict.fromkeys(("gradient", "losses", "parameters", "envelope", "metric"), 1e-15)
    return Trial(**{"row": a_row("linear_fit"), "seed": 0, **sizes, "reason": "", **changes})


def test_alarms_are_counted_a_row_and_the_largest_departures_are_shown() -> None:
    found = [a_trial(), a_trial(seed=1, envelope=9.0, reason="it departs"), a_trial(row=a_row("line_fit"))]
    first, second = by_row(found)
    assert (first["task"], first["trials"], first["false alarms"], first["of envelope"]) == (
        "linear_fit",
        "2",
        "1",
        "9.0",
    )
    assert (second["trials"], second["false alarms"]) == ("1", "0")
    assert [line["seed"] for line in tidy(found)] == [0, 1, 0]
    failed = by_row([a_trial(gradient=math.nan, reason="crashed")])
    assert failed[0]["false alarms"] == "1"


def test_the_command_trains_right_backends_from_many_starts_and_raises_no_alarm(tmp_path: Path) -> None:
    chosen = ("iris_mlp", "linear_fit", "--backend", "numpy", "--seeds", "6")  # more than are trained at once
    result = run_bench("alarms", *chosen, "--out", "out", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    found = pd.read_csv(tmp_path / "out" / "alarms.csv")
    assert len(found) == 12
    assert found["reason"].isna().all()
    assert sorted(found[found["task"] == "iris_mlp"]["seed"]) == list(range(6))
    assert found["envelope"].nunique() > 6
    assert "false alarms" in (tmp_path / "out" / "alarms.md").read_text()


def test_the_command_says_where_a_right_backend_is_called_wrong(tmp_path: Path) -> None:
    chosen = ("linear_fit", "--backend", "misbehaving", "--mode", "too_fast", "--seeds", "1")
    result = run_bench("alarms", *chosen, "--out", "out", cwd=tmp_path)
    assert result.returncode == 3, result.stdout + result.stderr
    (reason,) = pd.read_csv(tmp_path / "out" / "alarms.csv")["reason"]
    assert "of layer 1: off by 1.0e-02 relative" in reason


def test_losses_of_a_first_training_that_are_replayed_look_right() -> None:
    found = departures(faulty, TIMED_ONLY, "linear_fit")
    assert first_tier(found) == ""
    assert np.isfinite(found["envelope"].size)
