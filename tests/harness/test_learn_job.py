"""One more training to tell the metric by pass: from the task's own start, until its limit."""

from __future__ import annotations

import itertools

import pytest
from support import no_files

from backends.contract import Placement
from backends.numpy_backend import NumpyTrainer
from bench.harness.learn_job import with_passes
from bench.records.schema import Learned
from bench.tasks import TASKS
from bench.tasks.settings import override
from bench.tasks.training import Training, evaluate, make_training

PLACEMENT = Placement(mode="loop", device="cpu", precision="float32", threads=1)
TOLD = Learned(confusion=((1,),))


@pytest.fixture(scope="module")
def training() -> Training:
    return make_training(override(TASKS["iris_mlp"], {"epochs": 5}), "float32", no_files)


def test_the_metric_by_pass_is_that_of_the_first_training(training: Training) -> None:
    trainer = NumpyTrainer(training.problem, PLACEMENT)
    trainer.reset(training.initial)
    expected = []
    for order in training.orders:
        trainer.train(order)
        expected.append(evaluate(training.metric, trainer.predict(training.test.inputs), training.test.targets))
    trainer.train(training.orders[2])  # what turns leave
    found = with_passes(TOLD, trainer, training, 60.0, lambda: 0.0)
    assert found.metric_by_pass == pytest.approx(expected, abs=1e-6)
    assert (found.confusion, found.cut) == (TOLD.confusion, "")
    assert len(set(expected)) > 1


def test_no_pass_begins_after_the_limit_and_a_sentence_says_how_many_there_were(training: Training) -> None:
    seconds = itertools.count(0.0, 1.5)  # each look at the clock is 1.5 s later
    found = with_passes(TOLD, NumpyTrainer(training.problem, PLACEMENT), training, 4.0, lambda: next(seconds))
    assert len(found.metric_by_pass) == 2
    assert found.cut == "stopped after 2 of 5 passes: they took 4 s"
