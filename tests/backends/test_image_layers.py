"""Convolution, pools and images as rows: against loops, finite differences, and each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from gradients import worst_gradient

from backends import numpy_backend, numpy_reference
from backends.contract import (
    SGD,
    Array,
    AveragePool2d,
    Conv2d,
    Dense,
    Flatten,
    Layer,
    MaxPool2d,
    Misfit,
    Placement,
    Problem,
    flow_shapes,
    map_params,
    parts,
)
from backends.numpy_reference import arithmetic_of
from backends.numpy_reference_affine import Forward
from backends.numpy_reference_layers import LAYERS, conv2d, flatten, max_pool2d
from bench.harness.quality import prediction_error
from bench.tasks.flops import flops_per_pass
from bench.tasks.seeding import epoch_order, initial_params

EXACT = Placement(mode="loop", device="cpu", precision="float64", threads=1)
CONVOLUTIONS = [
    Conv2d(inputs=2, outputs=3, kernel=(3, 3), stride=1, padding=(1, 1, 1, 1), activation="identity"),
    Conv2d(inputs=2, outputs=3, kernel=(2, 3), stride=2, padding=(0, 1, 2, 0), activation="tanh"),
    Conv2d(inputs=2, outputs=1, kernel=(5, 1), stride=3, padding=(0, 0, 0, 0), activation="sigmoid"),
]
STACK: tuple[Layer, ...] = (
    Conv2d(inputs=2, outputs=3, kernel=(3, 3), stride=1, padding=(1, 1, 1, 1), activation="relu"),
    MaxPool2d(2),
    Conv2d(inputs=3, outputs=4, kernel=(3, 2), stride=2, padding=(0, 1, 1, 0), activation="tanh"),
    AveragePool2d(2),
    Flatten(),
    Dense(4, 3, "identity"),
)


def problem_of(layers: tuple[Layer, ...] = STACK, rows: int = 6, batch_size: int = 6) -> Problem:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, rows).astype(np.int32)
    return Problem(rng.normal(size=(rows, 8, 8, 2)), targets, layers, "softmax_cross_entropy", SGD(0.1), batch_size)


@pytest.mark.parametrize("layer", CONVOLUTIONS, ids=repr)
def test_a_convolution_is_the_sum_of_its_definition(layer: Conv2d) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 9, 7, 2))
    (params,) = initial_params((layer,), "uniform", 0)
    found = conv2d(layer, params, x, arithmetic_of(problem_of()), None).outputs
    height, width, outputs = layer.output(x.shape[1:])
    top, _, left, _ = layer.padding
    assert found.shape == (2, height, width, outputs)
    activation = {"identity": lambda z: z, "tanh": np.tanh, "sigmoid": lambda z: 1 / (1 + np.exp(-z))}
    for n, i, j, o in np.ndindex(found.shape):
        total = params["bias"][o]
        for k, m, c in np.ndindex(*layer.kernel, layer.inputs):
            row, column = layer.stride * i + k - top, layer.stride * j + m - left
            if 0 <= row < 9 and 0 <= column < 7:
                total += x[n, row, column, c] * params["weights"][k, m, c, o]
        assert found[n, i, j, o] == pytest.approx(activation[layer.activation](total), abs=1e-12)


def test_pools_take_the_maximum_and_the_mean_of_windows_of_each_channel() -> None:
    image = np.arange(32.0).reshape(1, 4, 4, 2)
    arithmetic = arithmetic_of(problem_of())
    largest = LAYERS[MaxPool2d](MaxPool2d(2), {}, image, arithmetic, None).outputs
    mean = LAYERS[AveragePool2d](AveragePool2d(2), {}, image, arithmetic, None).outputs
    assert largest[0, :, :, 0].tolist() == [[10, 14], [26, 30]]
    assert mean[0, :, :, 1].tolist() == [[6, 10], [22, 26]]


def test_the_gradient_of_equal_values_goes_to_one_of_them() -> None:
    forward = max_pool2d(MaxPool2d(2), {}, np.ones((1, 2, 2, 1)), arithmetic_of(problem_of()), None)
    gradient = forward.backward(np.full((1, 1, 1, 1), 5.0)).inputs()
    assert sorted(gradient.ravel().tolist()) == [0, 0, 0, 5]


def test_an_image_is_flattened_by_height_then_width_then_channel() -> None:
    image = np.arange(12.0).reshape(1, 2, 3, 2)
    assert flatten(Flatten(), {}, image, arithmetic_of(problem_of()), None).outputs.tolist() == [list(range(12))]


def worst(problem: Problem) -> float:
    return worst_gradient(problem, initial_params(problem.layers, "uniform", 3))


def test_gradients_are_those_of_finite_differences() -> None:
    assert worst(problem_of()) < 1e-7


def wrong_way_back(layer: type) -> Callable[..., Forward]:
    """Return the layer with the rows of its inputs' gradient in reverse."""
    right = LAYERS[layer]

    def changed(*arguments: object) -> Forward:
        forward = right(*arguments)

        def backward(gradient: Array) -> object:
            found = forward.backward(gradient)
            return found._replace(inputs=lambda: found.inputs()[:, ::-1])

        return Forward(forward.outputs, backward)

    return changed


@pytest.mark.parametrize("layer", [MaxPool2d, Conv2d, AveragePool2d, Flatten], ids=lambda layer: layer.__name__)
def test_a_wrong_way_back_through_a_layer_is_seen(layer: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LAYERS, layer, wrong_way_back(layer))
    # With the average of 2 by 2 there is one window, whose rows have the same gradient.
    layers = (*STACK[:3], AveragePool2d(1), Flatten(), Dense(16, 3, "identity"))
    assert worst(problem_of(layers)) > 1e-3


@pytest.mark.parametrize("batch_size", [6, 2])
def test_the_tuned_layers_train_as_the_reference_does(batch_size: int) -> None:
    problem = problem_of(batch_size=batch_size)
    order = np.concatenate([epoch_order(6, batch_size, 0, epoch) for epoch in range(4)])
    if problem.full_batch:
        order = np.broadcast_to(np.arange(6, dtype=np.int32), order.shape)
    initial, found = initial_params(problem.layers, "uniform", 5), []
    for trainer in (numpy_backend.open_trainer(problem, EXACT), numpy_reference.open_trainer(problem, EXACT)):
        trainer.reset(initial)
        unseen = np.random.default_rng(7).normal(size=(5, 8, 8, 2))
        found.append((trainer.train(order), trainer.predict(unseen), *parts(trainer.params())))
    for tuned, plain in zip(*found, strict=True):
        np.testing.assert_allclose(tuned, plain, rtol=1e-11, atol=1e-14)


def test_predictions_in_float32_are_what_rounding_explains_and_those_in_float16_are_not() -> None:
    exact = problem_of(rows=40, batch_size=20)
    problem = replace(exact, inputs=exact.inputs.astype(np.float32))
    params = map_params(lambda part: part.astype(np.float32), initial_params(problem.layers, "uniform", 2))
    trainer = numpy_backend.open_trainer(problem, replace(EXACT, precision="float32"))
    trainer.reset(params)
    outputs = trainer.predict(problem.inputs)
    assert 0.01 < prediction_error(problem, params, problem.inputs, outputs) < 8
    assert prediction_error(problem, params, problem.inputs, outputs.astype(np.float16)) > 100


def test_operations_are_counted_at_each_place_of_the_kernel() -> None:
    problem = problem_of()
    first = 2 * (3 * 3 * 2) * (8 * 8 * 3)
    second = 2 * (3 * 2 * 3) * (2 * 2 * 4)
    dense = 2 * 4 * 3
    assert flow_shapes(STACK, (8, 8, 2)) == [(8, 8, 2), (8, 8, 3), (4, 4, 3), (2, 2, 4), (1, 1, 4), (4,), (3,)]
    assert flops_per_pass(problem, np.zeros((5, 6), np.int32)) == 30 * (2 * first + 3 * second + 3 * dense)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (
            STACK[0],
            (8, 8, 3),
            r"Conv2d\(inputs=2, .*\) takes inputs of shape \[height, width, 2\], and got \[8, 8, 3\]",
        ),
        (STACK[0], (64,), r"takes inputs of shape \[height, width, 2\], and got \[64\]"),
        (CONVOLUTIONS[2], (4, 9, 2), r"takes inputs as large as its kernel, and got \[4, 9, 2\]"),
        (MaxPool2d(2), (8, 7, 3), r"MaxPool2d\(window=2\) takes .* multiples of 2, and got \[8, 7, 3\]"),
        (AveragePool2d(3), (8, 6, 3), r"multiples of 3, and got \[8, 6, 3\]"),
        (Flatten(), (10,), r"Flatten\(\) takes inputs of shape \[height, width, channels\], and got \[10\]"),
    ],
)
def test_images_that_do_not_fit_are_refused(layer: Layer, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(Misfit, match=message):
        layer.output(shape)


def test_the_reference_stays_in_the_precision_of_its_arrays() -> None:
    exact = problem_of(batch_size=3)
    single = replace(exact, inputs=exact.inputs.astype(np.float32))
    trainer = numpy_reference.open_trainer(single, replace(EXACT, mode="plain", precision="float32"))
    trainer.reset(map_params(lambda part: part.astype(np.float32), initial_params(STACK, "uniform", 3)))
    losses = trainer.train(np.array([[0, 3, 5], [1, 2, 4]], np.int32))
    assert {array.dtype for array in (losses, *trainer.state, trainer.predict(single.inputs))} == {np.dtype(np.float32)}


def test_gradients_of_an_image_that_is_wider_than_high_are_those_of_finite_differences() -> None:
    rng = np.random.default_rng(4)
    second = Conv2d(inputs=3, outputs=2, kernel=(2, 3), stride=1, padding=(0, 1, 0, 2), activation="tanh")
    layers = (STACK[0], second, Flatten(), Dense(2 * 4 * 7, 3, "identity"))
    targets = rng.integers(0, 3, 2).astype(np.int32)
    assert worst(Problem(rng.normal(size=(2, 4, 7, 2)), targets, layers, "softmax_cross_entropy", SGD(0.1), 2)) < 1e-7
