"""Planted cheats: each is caught, and the table says by what."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace
from support import ROOT, a_parity_result, a_record, a_row, no_files, require, run_bench

from backends.contract import Placement, Precision
from backends.numpy_backend import NumpyTrainer
from backends.registry import BACKENDS
from bench.analysis.tolerance import MULTIPLE
from bench.harness.job import find_data
from bench.harness.measure import measure
from bench.harness.quality import prediction_error, repeated
from bench.machine.usage import read_usage
from bench.parity.envelope import Envelope
from bench.parity.rounding import surrounded
from bench.parity.tiers import compare_repeated, compare_repetition
from bench.records.schema import Quality
from bench.selftest import CHEATING, cheating
from bench.selftest.caught import FLAG, HONEST, NOTHING, TASKS, Caught, by_cheat, cheat_row, verdict
from bench.selftest.cheating import CHEATS
from bench.tasks import TASKS as DEFINED
from bench.tasks.settings import override
from bench.tasks.training import Training, make_training, repetition

LATER = ("ends_early_later", "every_twentieth_later", "last_layer_later", "half_precision_later", "skips_later")
REPEATED = ("skips_later", "keeps_state")  # their repeated pass gives them away already
SHORT = {"mlp_regression": {"epochs": 100}, "iris_mlp": {"epochs": 10}}


@cache
def training(task: str, number: int, precision: Precision = "float32") -> Training:
    changed = override(DEFINED[task], SHORT[task])
    return repetition(make_training(changed, precision, no_files), changed, precision, number)


@cache
def envelope(task: str, number: int) -> Envelope:
    return surrounded(training(task, number, "float64"), training(task, number), number)


def opened(cheat: str, task: str) -> NumpyTrainer:
    place = Placement(mode=cheat, device="cpu", precision="float32", threads=1)
    return cheating.open_trainer(training(task, 0).problem, place)


def begun(cheat: str, task: str) -> tuple[NumpyTrainer, Quality]:
    """Return a trainer after its first training and the repeated pass, and what these came to."""
    trainer, first = opened(cheat, task), training(task, 0)
    trainer.reset(first.initial)
    done = measure(trainer, first, time.perf_counter, read_usage)
    quality = Quality(
        losses=tuple(map(float, done.losses)),
        metric=first.metric,
        value=0.0,
        parameters=None,
        truth=(),
        repeated=repeated(first.initial, done.first_pass, done.again),
        predicted=prediction_error(first.problem, done.params, first.test.inputs, done.outputs),
    )
    return trainer, quality


def fault_of_repetition(trainer: NumpyTrainer, task: str, number: int) -> str:
    each = training(task, number)
    trainer.reset(each.initial)
    losses = np.concatenate([trainer.train(order) for order in each.orders])
    outputs = trainer.predict(each.test.inputs)
    return compare_repetition(losses, trainer.params(), outputs, "float32", envelope(task, number)).fault


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("cheat", LATER)
def test_a_repetition_gives_away_who_does_something_else_in_later_trainings(cheat: str, task: str) -> None:
    trainer, quality = begun(cheat, task)
    if cheat not in REPEATED:  # nothing else does
        assert compare_repeated(quality, "float32", envelope(task, 0)).fault == ""
    assert fault_of_repetition(trainer, task, 1)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("cheat", REPEATED)
def test_the_repeated_pass_gives_away_who_does_not_begin_anew(cheat: str, task: str) -> None:
    _, quality = begun(cheat, task)
    assert compare_repeated(quality, "float32", envelope(task, 0)).fault


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("cheat", ["params_averaged", "predicts_averaged", "predicts_half"])
def test_predictions_give_away_who_has_two_kinds_of_parameters(cheat: str, task: str) -> None:
    _, quality = begun(cheat, task)
    assert quality.predicted is not None
    assert quality.predicted > MULTIPLE


@pytest.mark.slow
@pytest.mark.parametrize("task", ["mnist_mlp", "text_classifier"])
def test_predictions_give_away_lower_precision_and_averages_on_large_models_too(task: str) -> None:
    require(a_row(task))
    large = make_training(DEFINED[task], "float32", find_data())

    def error(mode: str) -> float:
        place = Placement(mode=mode, device="cpu", precision="float32", threads=1)
        trainer = cheating.open_trainer(large.problem, place)
        trainer.reset(large.initial)
        trainer.train(large.orders[0][:60])
        return prediction_error(large.problem, trainer.params(), large.test.inputs, trainer.predict(large.test.inputs))

    assert error("product_at_once") < MULTIPLE  # which predicts as it should
    assert error("predicts_half") > 10 * MULTIPLE
    assert error("predicts_averaged") > 10 * MULTIPLE


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("cheat", ["remembers", "trains_in_reset", "waits_first", "product_at_once"])
def test_who_computes_the_right_thing_agrees_and_must_be_caught_by_its_times(cheat: str, task: str) -> None:
    trainer, quality = begun(cheat, task)
    assert compare_repeated(quality, "float32", envelope(task, 0)).fault == ""
    assert fault_of_repetition(trainer, task, 1) == ""


def test_every_cheat_is_a_mode_of_a_backend_that_no_user_sees() -> None:
    assert CHEATING.modes == tuple(CHEATS)
    assert CHEATING.name not in BACKENDS
    assert CHEATING.load() is cheating  # type: ignore[comparison-overlap]


def test_a_verdict_names_the_tier_or_the_flag() -> None:
    row, honest = cheat_row("iris_mlp", "remembers"), a_record(a_row("iris_mlp"), 0, 1.0, 1.0)
    good = a_record(row, 0, 1.0, 1.0)
    assert verdict(a_parity_result(row), good, honest) == Caught("remembers", "iris_mlp", NOTHING, "")
    wrong = a_parity_result(row, agrees=False, tier="repetition", reason="it is wrong")
    assert verdict(wrong, good, honest) == Caught("remembers", "iris_mlp", "repetition", "it is wrong")
    assert good.timing is not None
    waits = replace(good, timing=replace(good.timing, read_s=(0.5, 0.5)))
    flagged = verdict(a_parity_result(row), waits, honest)
    assert (flagged.by, flagged.reason[:13]) == (FLAG, "does not wait")
    failed = verdict(a_parity_result(row), a_record(row, status="crashed", reason="it crashed"), honest)
    assert (failed.by, failed.reason) == ("crashed", "it crashed")
    assert [each.settled for each in (flagged, failed)] == [True, False]


def test_only_an_honest_process_may_go_uncaught() -> None:
    assert not Caught("remembers", "iris_mlp", NOTHING, "").settled
    assert Caught(HONEST, "iris_mlp", NOTHING, "").settled
    assert not Caught(HONEST, "iris_mlp", FLAG, "does not wait").settled


def test_the_table_has_a_line_a_cheat_and_one_for_the_honest() -> None:
    lines = by_cheat([Caught("remembers", "iris_mlp", FLAG, "it remembers")])
    assert [line["cheat"] for line in lines] == [*(title for title, _ in CHEATS.values()), "none: honest"]
    assert lines[1] == {"cheat": "remembers by start and order", "iris_mlp": "flag: it remembers"}


def test_the_table_that_is_kept_is_complete_and_every_cheat_in_it_was_caught() -> None:
    found = pd.read_csv(ROOT / "results" / "cheats.csv", keep_default_na=False)
    expected = {(cheat, task) for cheat in (*CHEATS, HONEST) for task in TASKS}
    assert set(zip(found["cheat"], found["task"], strict=True)) == expected
    assert len(found) == len(expected)
    for line in found.itertuples():
        assert Caught(line.cheat, line.task, line.by, line.reason).settled, line


@pytest.mark.slow
@pytest.mark.exhaustive  # the tests above catch each of them in this process
def test_the_command_catches_every_cheat_and_writes_the_table(tmp_path: Path) -> None:
    result = run_bench("cheats", "--out", "out", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "| a patched clock " in (tmp_path / "out" / "cheats.md").read_text()
