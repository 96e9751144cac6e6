"""How far a repeated pass and predictions are off: 0 where nothing is, and far beyond rounding where something is."""

from __future__ import annotations

import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from support import no_files

from backends.contract import Array, Params, Placement, Precision, map_params
from backends.numpy_backend import NumpyTrainer
from bench.harness.quality import prediction_error, repeated
from bench.tasks import TASKS
from bench.tasks.training import Training, make_training

START = ({"weights": np.zeros((2, 1)), "bias": np.zeros(1)}, {"weights": np.zeros((1, 1)), "bias": np.zeros(1)})
RIGHT = 4.0  # half of what the parity check allows


def moved(*by: float) -> Params:
    """Return parameters that are off the start by these numbers: two weights, a bias, a weight, a bias."""
    return (
        {"weights": np.array(by[:2])[:, None], "bias": np.array(by[2:3])},
        {"weights": np.array([by[3:4]]), "bias": np.array(by[4:5])},
    )


def test_a_repeated_pass_is_off_by_a_share_of_the_way() -> None:
    first = moved(3, 0, 0, 0, 4)
    assert repeated(START, first, first) == 0
    assert repeated(START, first, START) == 1
    assert repeated(START, first, moved(3, 0.5, 0, 0, 4)) == pytest.approx(0.1)
    assert repeated(START, START, first) is None


def test_a_repeated_pass_that_ends_at_no_number_is_off_and_one_that_ends_there_again_is_not() -> None:
    first, nowhere = moved(3, 0, 0, 0, 4), moved(3, np.nan, 0, 0, 4)
    assert repeated(START, first, nowhere) == sys.float_info.max
    assert repeated(START, nowhere, nowhere) == 0


def trained(task: str, precision: Precision) -> tuple[Training, NumpyTrainer]:
    training = make_training(TASKS[task], precision, no_files)
    trainer = NumpyTrainer(training.problem, Placement(mode="loop", device="cpu", precision=precision, threads=1))
    trainer.reset(training.initial)
    trainer.train(training.orders[0])
    return training, trainer


def error_of(training: Training, params: Params, outputs: Array) -> float:
    return prediction_error(training.problem, params, training.test.inputs, outputs)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("task", ["linear_fit", "mlp_regression", "iris_mlp", "thermometer"])
def test_predictions_of_the_parameters_are_off_by_what_rounding_explains(task: str, precision: Precision) -> None:
    training, trainer = trained(task, precision)
    outputs, params = trainer.predict(training.test.inputs), trainer.params()
    assert error_of(training, params, outputs) < RIGHT
    assert error_of(training, params, outputs) > 0 or precision == "float64"
    last = outputs.copy()
    last[-1, -1] += 1e-4 * np.abs(outputs).max()
    assert error_of(training, params, last) > 2 * RIGHT


@pytest.mark.parametrize("task", ["linear_fit", "mlp_regression", "iris_mlp"])
def test_predictions_in_half_precision_or_of_other_parameters_are_off_by_far_more(task: str) -> None:
    training, trainer = trained(task, "float32")
    outputs, params = trainer.predict(training.test.inputs), trainer.params()
    assert error_of(training, params, outputs.astype(np.float16)) > 8 * RIGHT
    trainer.reset(map_params(lambda part: part * np.float32(1 + 1e-4), params))
    assert error_of(training, params, trainer.predict(training.test.inputs)) > 8 * RIGHT


def test_predictions_that_are_no_numbers_are_off_unless_the_parameters_give_none() -> None:
    training, trainer = trained("linear_fit", "float32")
    outputs, params = trainer.predict(training.test.inputs), trainer.params()
    assert error_of(training, params, np.full_like(outputs, np.nan)) == sys.float_info.max
    nowhere = tuple({**layer, "bias": np.full_like(layer["bias"], np.nan)} for layer in params)
    assert error_of(training, nowhere, np.full_like(outputs, np.nan)) == 0
    assert error_of(training, nowhere, outputs) == sys.float_info.max


def test_predictions_are_compared_batch_by_batch_to_the_last_row() -> None:
    training, trainer = trained("iris_mlp", "float32")
    problem = replace(training.problem, batch_size=7)  # the rows are no multiple of it
    outputs, params = trainer.predict(training.test.inputs), trainer.params()
    right = prediction_error(problem, params, training.test.inputs, outputs)
    outputs[-1] += 0.01
    assert prediction_error(problem, params, training.test.inputs, outputs) > 100 * right


def test_a_check_of_many_rows_in_one_batch_takes_little_memory() -> None:
    training, trainer = trained("linear_fit", "float32")
    inputs = np.tile(training.test.inputs, (60, 1))  # many more rows than are checked at a time
    problem = replace(training.problem, batch_size=len(inputs))
    params, outputs = trainer.params(), np.tile(trainer.predict(training.test.inputs), (60, 1))
    tracemalloc.start()
    try:
        assert prediction_error(problem, params, inputs, outputs) < RIGHT
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2 * inputs.nbytes  # at once it would take several times that much, in float64
    outputs[-1] += 0.01
    assert prediction_error(problem, params, inputs, outputs) > 8 * RIGHT
