"""All randomness, and the training that is made of it: streams, starts, orders, types, and what is read-only."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends.contract import Dense, EmbeddingSum, WordCounts, parts
from bench.tasks import TASKS, Task
from bench.tasks.datasets.base import Dataset, Find, Size, Split
from bench.tasks.datasets.fetch import Collection, DataMissing
from bench.tasks.seeding import epoch_order, full_order, initial_params, stream
from bench.tasks.settings import BadSetting, override
from bench.tasks.training import Training, evaluate, make_training

LAYERS = (Dense(400, 30, "relu"), Dense(30, 3, "identity"))
PURPOSES = ("data", "weights", "order")
OFFLINE = (
    "linear_fit",
    "linear_fit_minibatch",
    "linear_fit_3d",
    "line_fit",
    "mlp_regression",
    "iris_mlp",
    "thermometer",
)


def no_files(collection: Collection) -> dict[str, Path]:
    raise AssertionError(f"asked for the files of {collection.name}")


def training_of(name: str, precision: Any = "float32", **changes: Any) -> Training:
    """Make a training; in the names of settings a double underscore stands for the dot."""
    settings = {key.replace("__", "."): value for key, value in changes.items()}
    return make_training(override(TASKS[name], settings), precision, no_files)


@dataclass(frozen=True, kw_only=True)
class FewWords:
    """Six documents over five words, two of them to test."""

    collection = None
    size = Size(rows=4, test_rows=2, shape=(5,), outputs=3, words=7)

    def load(self, rng: np.random.Generator, find: Find) -> Dataset:
        words = np.array([0, 3, 1, 4, 2, 0, 1], np.int32)
        counts = np.array([1, 2, 1, 1, 5, 1, 1], np.float64)
        train = WordCounts(np.array([0, 2, 4, 4, 5], np.int64), words[:5], counts[:5], 5)
        test = WordCounts(np.array([0, 1, 2], np.int64), words[5:], counts[5:], 5)
        return Dataset(
            Split(train, np.array([0, 1, 2, 0], np.int32)), Split(test, np.array([1, 0], np.int32)), outputs=3
        )


def words_task(first_layer: Any) -> Task:
    task = replace(TASKS["text_classifier"], data=FewWords(), batch_size=2)
    return override(task, {"model.first_layer": first_layer})


# Streams


def test_a_stream_is_the_same_every_time() -> None:
    np.testing.assert_array_equal(stream(3, "order", 2).random(50), stream(3, "order", 2).random(50))


def test_streams_differ_by_seed_purpose_and_index() -> None:
    draws = [stream(seed, purpose, i).random(4) for seed in range(5) for purpose in PURPOSES for i in range(5)]  # type: ignore[arg-type]
    assert len({tuple(draw) for draw in draws}) == len(draws)


def test_streams_are_not_correlated() -> None:
    draws = [stream(seed, purpose, i).random(4000) for seed in range(2) for purpose in PURPOSES for i in range(3)]  # type: ignore[arg-type]
    others = np.corrcoef(draws)[np.triu_indices(len(draws), 1)]
    assert np.abs(others).max() < 5 / np.sqrt(4000)


def test_a_stream_is_the_same_in_every_process() -> None:
    """Python's own hashes differ from process to process."""
    draws = "[stream(5, purpose, 1).random() for purpose in ('data', 'weights', 'order')]"
    script = f"from bench.tasks.seeding import stream; print({draws})"
    command = [sys.executable, "-c", script]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed.strip() == str([stream(5, purpose, 1).random() for purpose in PURPOSES])  # type: ignore[arg-type]


def test_more_data_leave_weights_as_they_are() -> None:
    few, many = training_of("linear_fit", data__rows=10), training_of("linear_fit", data__rows=500)
    np.testing.assert_array_equal(few.initial[0]["weights"], many.initial[0]["weights"])


def test_other_weights_leave_data_and_orders_as_they_are() -> None:
    small = training_of("linear_fit_minibatch", epochs=3)
    large = training_of("linear_fit_minibatch", epochs=3, model__hidden=[50], model__start="gaussian")
    np.testing.assert_array_equal(small.problem.inputs, large.problem.inputs)
    np.testing.assert_array_equal(small.orders, large.orders)


def test_more_epochs_leave_the_earlier_orders_as_they_are() -> None:
    short, long = training_of("linear_fit_minibatch", epochs=3), training_of("linear_fit_minibatch", epochs=8)
    np.testing.assert_array_equal(short.orders, long.orders[:3])


# Starts


@pytest.mark.parametrize("start", ["uniform", "gaussian", "one_zero"])
def test_starts_depend_on_the_seed_alone(start: Any) -> None:
    first, again, other = (initial_params(LAYERS, start, seed) for seed in (1, 1, 2))
    for one, two, three in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one["weights"], two["weights"])
        np.testing.assert_array_equal(one["bias"], two["bias"])
        assert np.array_equal(one["weights"], three["weights"]) is (start == "one_zero")


@pytest.mark.parametrize("start", ["uniform", "gaussian", "one_zero"])
def test_starts_have_the_shapes_of_their_layers_in_float64(start: Any) -> None:
    params = initial_params(LAYERS, start, 0)
    assert [(layer["weights"].shape, layer["bias"].shape) for layer in params] == [((400, 30), (30,)), ((30, 3), (3,))]
    assert {part.dtype for part in parts(params)} == {np.dtype("float64")}


@pytest.mark.parametrize("inputs", [1, 4, 400])
def test_uniform_starts_fill_the_bounds_of_one_over_the_root_of_the_inputs(inputs: int) -> None:
    (layer,) = initial_params((Dense(inputs, 2000, "relu"),), "uniform", 0)
    bound = 1 / np.sqrt(inputs)
    for part in layer.values():
        assert np.abs(part).max() <= bound
        assert part.min() < -0.99 * bound
        assert part.max() > 0.99 * bound
        assert part.std() == pytest.approx(bound / np.sqrt(3), rel=0.05)


def test_gaussian_starts_have_deviation_one_whatever_the_inputs() -> None:
    (layer,) = initial_params((Dense(400, 2000, "relu"),), "gaussian", 0)
    for part in layer.values():
        assert part.mean() == pytest.approx(0, abs=0.1)
        assert part.std() == pytest.approx(1, rel=0.05)


def test_the_one_zero_start_is_ones_and_zeros() -> None:
    (layer,) = initial_params((Dense(2, 3, "relu"),), "one_zero", 0)
    assert layer["weights"].tolist() == [[1, 1, 1], [1, 1, 1]]
    assert layer["bias"].tolist() == [0, 0, 0]


def test_weights_and_biases_of_all_layers_are_different_numbers() -> None:
    params = initial_params((Dense(4, 4, "relu"), Dense(4, 4, "relu")), "uniform", 0)
    numbers = np.concatenate([part.ravel() for part in parts(params)])
    assert len(np.unique(numbers)) == 40


def test_a_sparse_layer_starts_as_a_dense_one() -> None:
    (dense,), (sparse,) = (initial_params((kind(9, 4, "relu"),), "uniform", 0) for kind in (Dense, EmbeddingSum))
    np.testing.assert_array_equal(dense["weights"], sparse["weights"])
    np.testing.assert_array_equal(dense["bias"], sparse["bias"])


# Orders


@pytest.mark.parametrize(("rows", "batch_size", "steps"), [(10, 3, 3), (10, 5, 2), (10, 10, 1), (10, 1, 10), (7, 4, 1)])
def test_the_last_batch_is_left_out_unless_it_is_full(rows: int, batch_size: int, steps: int) -> None:
    order = epoch_order(rows, batch_size, seed=0, epoch=0)
    assert order.shape == (steps, batch_size)
    assert order.dtype == np.int32
    assert len(np.unique(order)) == order.size  # no row twice
    assert order.min() >= 0
    assert order.max() < rows


@pytest.mark.parametrize("epoch", range(4))
def test_an_epoch_has_every_row_once(epoch: int) -> None:
    assert sorted(epoch_order(60, 12, seed=0, epoch=epoch).ravel()) == list(range(60))


def test_rows_that_are_left_out_differ_from_epoch_to_epoch() -> None:
    left_out = {tuple(set(range(10)) - set(epoch_order(10, 4, seed=0, epoch=epoch).ravel())) for epoch in range(20)}
    assert len(left_out) > 5


def test_an_order_depends_on_seed_and_epoch_alone() -> None:
    order = epoch_order(50, 5, seed=1, epoch=2)
    np.testing.assert_array_equal(order, epoch_order(50, 5, seed=1, epoch=2))
    assert not np.array_equal(order, epoch_order(50, 5, seed=2, epoch=2))
    assert not np.array_equal(order, epoch_order(50, 5, seed=1, epoch=1))


def test_every_epoch_is_shuffled_anew() -> None:
    orders = training_of("linear_fit_minibatch", epochs=20).orders
    assert len({order.tobytes() for order in orders}) == 20
    assert all((np.diff(order.ravel()) < 0).any() for order in orders)


def test_a_full_batch_takes_all_rows_as_they_stand_in_every_step() -> None:
    order = full_order(5, 3)
    assert order.tolist() == [[0, 1, 2, 3, 4]] * 3
    assert order.dtype == np.int32


def test_a_full_batch_order_uses_the_memory_of_one_row() -> None:
    order = full_order(1000, 10**9)  # 4 terabytes, if it were written out
    assert order.shape == (10**9, 1000)
    assert order.strides == (0, 4)


# Trainings


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", OFFLINE)
def test_a_training_is_the_same_every_time(name: str, precision: Any) -> None:
    first, again = training_of(name, precision), training_of(name, precision)
    for one, two in [
        (first.problem.inputs, again.problem.inputs),
        (first.problem.targets, again.problem.targets),
        (first.test.inputs, again.test.inputs),
        *((a, b) for x, y in zip(first.initial, again.initial, strict=True) for a, b in zip(x, y, strict=True)),
        *zip(first.orders[:5], again.orders[:5], strict=True),
    ]:
        np.testing.assert_array_equal(one, two)


def test_another_seed_is_another_training() -> None:
    one, two = training_of("linear_fit_minibatch", seed=1), training_of("linear_fit_minibatch", seed=2)
    assert not np.array_equal(one.problem.inputs, two.problem.inputs)
    assert not np.array_equal(one.initial[0]["weights"], two.initial[0]["weights"])
    assert not np.array_equal(one.orders[0], two.orders[0])


@pytest.mark.parametrize("name", OFFLINE)
def test_both_precisions_are_the_same_numbers_rounded(name: str) -> None:
    single, double = training_of(name, "float32"), training_of(name, "float64")
    np.testing.assert_array_equal(single.problem.inputs, double.problem.inputs.astype(np.float32))
    np.testing.assert_array_equal(single.initial[0]["weights"], double.initial[0]["weights"].astype(np.float32))
    np.testing.assert_array_equal(single.orders[0][:5], double.orders[0][:5])


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", OFFLINE)
def test_all_numbers_are_in_the_precision_asked_for(name: str, precision: Any) -> None:
    training = training_of(name, precision)
    targets = np.int32 if name == "iris_mlp" else np.dtype(precision)
    assert training.problem.inputs.dtype == training.test.inputs.dtype == np.dtype(precision)
    assert training.problem.targets.dtype == training.test.targets.dtype == targets
    assert {part.dtype for part in parts(training.initial)} == {np.dtype(precision)}
    assert {order.dtype for order in training.orders} == {np.dtype("int32")}


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", OFFLINE)
def test_all_arrays_are_read_only(name: str, precision: Any) -> None:
    training = training_of(name, precision)
    arrays = [training.problem.inputs, training.problem.targets, training.test.inputs, training.test.targets]
    arrays += parts(training.initial)
    arrays += [*training.orders, *training.shortened(1).orders]
    assert not any(array.flags.writeable for array in arrays)
    with pytest.raises(ValueError, match="read-only"):
        training.problem.inputs[0] = 0


def test_word_counts_for_a_dense_layer_are_read_only() -> None:
    training = make_training(words_task("dense"), "float32", no_files)
    assert not training.problem.inputs.flags.writeable
    assert not training.test.inputs.flags.writeable


def test_word_counts_are_read_only() -> None:
    training = make_training(words_task("embedding_sum"), "float32", no_files)
    for counts in (training.problem.inputs, training.test.inputs):
        assert not counts.counts.flags.writeable
        assert not counts.words.flags.writeable
        assert not counts.starts.flags.writeable


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_word_counts_stay_sparse_for_a_sparse_layer_and_become_a_matrix_for_a_dense_one(precision: Any) -> None:
    sparse, dense = (make_training(words_task(kind), precision, no_files) for kind in ("embedding_sum", "dense"))
    assert isinstance(sparse.problem.inputs, WordCounts)
    assert sparse.problem.inputs.counts.dtype == dense.problem.inputs.dtype == np.dtype(precision)
    assert dense.problem.inputs.tolist() == [[1, 0, 0, 2, 0], [0, 1, 0, 0, 1], [0, 0, 0, 0, 0], [0, 0, 5, 0, 0]]
    np.testing.assert_array_equal(sparse.problem.inputs.dense(), dense.problem.inputs)
    np.testing.assert_array_equal(sparse.test.inputs.dense(), dense.test.inputs)
    np.testing.assert_array_equal(sparse.initial[0]["weights"], dense.initial[0]["weights"])
    np.testing.assert_array_equal(sparse.orders, dense.orders)
    assert sparse.problem.layers[0] == EmbeddingSum(5, 100, "relu")
    assert dense.problem.layers[0] == Dense(5, 100, "relu")


@pytest.mark.parametrize("name", OFFLINE)
def test_a_sparse_layer_for_data_that_are_no_words_is_refused(name: str) -> None:
    with pytest.raises(BadSetting, match=f"embedding_sum needs word counts; {name} has arrays: use dense"):
        training_of(name, model__first_layer="embedding_sum")


@pytest.mark.parametrize(("name", "rows"), [("linear_fit", 1000), ("iris_mlp", 150), ("thermometer", 11)])
def test_a_batch_larger_than_all_rows_is_refused(name: str, rows: int) -> None:
    with pytest.raises(BadSetting, match=f"batch_size {rows + 1} is more than the {rows} rows of {name}"):
        training_of(name, batch_size=rows + 1)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("linear_fit", {"loss": "softmax_cross_entropy", "metric": "accuracy"}),
        ("iris_mlp", {"loss": "mse", "metric": "rmse"}),
        ("iris_mlp", {"loss": "mse", "metric": "threshold_accuracy"}),
    ],
)
def test_a_loss_that_does_not_go_with_the_data_is_refused(name: str, changes: dict[str, Any]) -> None:
    with pytest.raises(BadSetting):
        training_of(name, **changes)


@pytest.mark.parametrize("batch_size", ["all", 1000])
def test_a_batch_of_all_rows_is_one_pass_of_as_many_steps_as_epochs(batch_size: Any) -> None:
    training = training_of("linear_fit", batch_size=batch_size, epochs=30)
    assert len(training.orders) == 1
    assert training.steps_per_pass == 30
    assert training.problem.full_batch
    assert training.problem.batch_size == 1000
    assert training.orders[0].strides[0] == 0


def test_a_smaller_batch_is_a_pass_an_epoch() -> None:
    training = training_of("linear_fit_minibatch", epochs=6)
    assert len(training.orders) == 6
    assert training.steps_per_pass == 1000 // 32
    assert not training.problem.full_batch


def test_a_training_carries_what_its_task_says() -> None:
    task = TASKS["mlp_regression"]
    training = make_training(task, "float64", no_files)
    assert training.problem.layers == (Dense(1, 10, "sigmoid"), Dense(10, 1, "identity"))
    assert (training.problem.loss, training.problem.optimizer) == (task.loss, task.optimizer)
    assert training.metric == "rmse"
    assert training_of("linear_fit").truth == (3.0, -4.0, 5.0)


def test_the_missing_data_of_a_task_are_not_hidden() -> None:
    def find(collection: Collection) -> dict[str, Path]:
        raise DataMissing(collection.name)

    with pytest.raises(DataMissing, match="mnist"):
        make_training(TASKS["mnist_mlp"], "float32", find)


# Shortened


def test_a_shortened_full_batch_training_is_its_first_steps() -> None:
    training = training_of("linear_fit", epochs=50)
    short = training.shortened(7)
    assert len(short.orders) == 1
    assert short.orders[0].shape == (7, 1000)
    assert short.orders[0].strides[0] == 0


def test_a_shortened_training_in_batches_is_its_first_epochs() -> None:
    training = training_of("linear_fit_minibatch", epochs=50)
    short = training.shortened(7)
    assert len(short.orders) == 7
    np.testing.assert_array_equal(short.orders, training.orders[:7])


@pytest.mark.parametrize("name", ["linear_fit", "linear_fit_minibatch"])
def test_a_training_is_not_lengthened_and_keeps_all_else(name: str) -> None:
    training = training_of(name, epochs=3)
    short = training.shortened(100)
    assert [order.shape for order in short.orders] == [order.shape for order in training.orders]
    assert short.problem is training.problem
    assert short.initial is training.initial
    assert len(training.shortened(1).orders[0]) == (1 if name == "linear_fit" else 31)


# Evaluation


def test_rmse_is_the_root_of_the_mean_square() -> None:
    assert evaluate("rmse", np.array([[1.0], [2.0], [3.0]]), np.array([[1.0], [4.0], [7.0]])) == pytest.approx(
        np.sqrt(20 / 3)
    )


def test_rmse_is_computed_in_float64() -> None:
    outputs = np.array([[1e30], [-1e30]], np.float32)  # their squares are more than float32 holds
    assert evaluate("rmse", outputs, np.zeros((2, 1), np.float32)) == pytest.approx(1e30, rel=1e-6)


def test_accuracy_is_the_share_of_rows_whose_largest_output_is_at_the_class() -> None:
    outputs = np.array([[0.1, 0.9], [2.0, 1.0], [-5.0, -4.0], [0.0, -1.0]], np.float32)
    assert evaluate("accuracy", outputs, np.array([1, 0, 0, 0], np.int32)) == 0.75


@pytest.mark.parametrize(("three", "seven"), [(1.0, 0.0), (1.0, 2.0)])
def test_threshold_accuracy_is_the_share_of_rows_on_the_right_side_of_the_middle(three: float, seven: float) -> None:
    targets = np.array([[three], [three], [seven], [seven], [seven]])
    middle, side = (three + seven) / 2, (three - seven) / 2
    outputs = middle + side * np.array([[0.1], [-0.1], [-5.0], [-0.01], [3.0]])
    assert evaluate("threshold_accuracy", outputs, targets) == pytest.approx(3 / 5)


@pytest.mark.parametrize(
    ("metric", "targets"),
    [
        ("accuracy", np.array([0, 0, 1], np.int32)),
        ("rmse", np.array([[1.0], [0.0], [1.0]])),
        ("threshold_accuracy", np.array([[1.0], [0.0], [1.0]])),
    ],
)
@pytest.mark.parametrize("bad", [slice(None), slice(1, 2)], ids=["all", "one"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_metric_of_outputs_that_are_not_finite_is_nan(metric: Any, targets: Any, bad: slice, value: float) -> None:
    outputs = np.zeros((3, 2 if metric == "accuracy" else 1))
    outputs[bad] = value
    assert np.isnan(evaluate(metric, outputs, targets))


@pytest.mark.parametrize("metric", ["accuracy", "rmse", "threshold_accuracy"])
def test_a_metric_is_a_plain_float(metric: Any) -> None:
    targets = np.array([0, 1], np.int32) if metric == "accuracy" else np.array([[0.0], [1.0]], np.float32)
    outputs = np.array([[1, 0], [0, 1]], np.float32) if metric == "accuracy" else targets
    value = evaluate(metric, outputs, targets)
    assert type(value) is float
    assert value == (0.0 if metric == "rmse" else 1.0)
