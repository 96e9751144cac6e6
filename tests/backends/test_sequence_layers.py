"""Layers for sequences: against definitions, finite differences and each other; what padding must do."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from gradients import worst_gradient

from backends import numpy_backend, numpy_reference
from backends.contract import (
    SGD,
    Adam,
    Array,
    Attention,
    Dense,
    Embedding,
    Layer,
    LayerNorm,
    MeanPool,
    Misfit,
    Params,
    Placement,
    Problem,
    Residual,
    RMSNorm,
    Supported,
    Unsupported,
    every,
    flow_shapes,
    inner,
    map_params,
    outer,
    parameter_count,
    parts,
    require_ids,
)
from backends.numpy_reference import arithmetic_of
from backends.numpy_reference_affine import Forward
from backends.numpy_reference_layers import LAYERS
from backends.numpy_reference_sequences import softmax
from bench.harness.explained import ERRORS
from bench.harness.explained_affine import Flow
from bench.harness.quality import prediction_error
from bench.tasks.flops import flops_per_pass
from bench.tasks.seeding import epoch_order, initial_params

EXACT = Placement(mode="loop", device="cpu", precision="float64", threads=1)
POSITIONS, WIDTH, WORDS = 5, 4, 7


def stack(norm: Layer) -> tuple[Layer, ...]:
    """Return a block of a transformer with this normalization."""
    return (
        Embedding(words=WORDS, positions=POSITIONS, width=WIDTH),
        Residual((norm, Attention(width=WIDTH, heads=2))),
        Residual((norm, Dense(WIDTH, 6, "gelu"), Dense(6, WIDTH, "identity"))),
        norm,
        MeanPool(),
        Dense(WIDTH, 3, "identity"),
    )


STACK = stack(LayerNorm(width=WIDTH, epsilon=1e-5))
RMS_STACK = stack(RMSNorm(width=WIDTH, epsilon=1e-5))
BOTH = pytest.mark.parametrize("layers", [STACK, RMS_STACK], ids=["LayerNorm", "RMSNorm"])


def ids(rows: int) -> Array:
    """Return ids [rows, POSITIONS] of documents with one word up to as many as there are positions."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(1, WORDS, (rows, POSITIONS), dtype=np.int32)
    return np.where(np.arange(POSITIONS) < rng.integers(1, POSITIONS + 1, (rows, 1)), drawn, 0).astype(np.int32)


def problem_of(layers: tuple[Layer, ...] = STACK, rows: int = 6, batch_size: int = 6) -> Problem:
    targets = np.random.default_rng(1).integers(0, 3, rows).astype(np.int32)
    return Problem(ids(rows), targets, layers, "softmax_cross_entropy", SGD(0.1), batch_size)


def drawn(layers: tuple[Layer, ...] = STACK) -> Params:
    """Return parameters of which no two are alike: scales of 1 and shifts of 0 would hide a fault."""
    rng = np.random.default_rng(3)
    return map_params(lambda part: part + rng.normal(scale=0.3, size=part.shape), initial_params(layers, "uniform", 3))


def of(layer: Layer, params: Params, x: Array, mask: Array | None = None) -> Array:
    return LAYERS[type(layer)](layer, params[0], x, arithmetic_of(problem_of()), mask).outputs


def test_attention_is_the_sum_of_its_definition() -> None:
    layer = Attention(width=WIDTH, heads=2)
    params, rng = drawn((layer,)), np.random.default_rng(2)
    x, mask = rng.normal(size=(2, POSITIONS, WIDTH)), ids(2) != 0
    found, named, size = of(layer, params, x, mask), params[0], 2
    for n, i in np.ndindex(2, POSITIONS):
        heads = np.zeros(WIDTH)
        for h in range(2):
            columns = slice(h * size, (h + 1) * size)

            def part(name: str, p: int, n: int = n, columns: slice = columns) -> Array:
                return (x[n, p] @ named[name] + named[f"{name}_bias"])[columns]

            powers = {
                j: math.exp(part("query", i) @ part("key", j) / math.sqrt(size)) for j in range(POSITIONS) if mask[n, j]
            }
            heads[columns] = sum(power * part("value", j) for j, power in powers.items()) / sum(powers.values())
        np.testing.assert_allclose(found[n, i], heads @ named["output"] + named["output_bias"], rtol=1e-12)


def test_a_normalization_has_the_biased_variance_and_adds_epsilon_to_it() -> None:
    layer = LayerNorm(width=2, epsilon=0.5)
    found = of(layer, ({"scale": np.array([1.0, 10.0]), "shift": np.array([0.0, 1.0])},), np.array([[[1.0, 4.0]]]))
    deviation = math.sqrt(1.5**2 + 0.5)
    np.testing.assert_allclose(found, [[[-1.5 / deviation, 15 / deviation + 1]]], rtol=1e-15)


def test_a_normalization_by_the_root_mean_square_adds_epsilon_to_the_mean_of_squares_and_subtracts_nothing() -> None:
    layer = RMSNorm(width=2, epsilon=0.5)
    found = of(layer, ({"scale": np.array([1.0, 10.0])},), np.array([[[1.0, 4.0]]]))
    root = math.sqrt((1 + 16) / 2 + 0.5)
    np.testing.assert_allclose(found, [[[1 / root, 40 / root]]], rtol=1e-15)


def test_a_mean_counts_no_padding_and_an_embedding_adds_word_and_position() -> None:
    x = np.array([[[1.0], [3.0], [100.0]]])
    assert of(MeanPool(), ({},), x, np.array([[True, True, False]])).tolist() == [[2]]
    layer = Embedding(words=3, positions=2, width=1)
    params = ({"words": np.array([[7.0], [1.0], [2.0]]), "positions": np.array([[10.0], [20.0]])},)
    assert of(layer, params, np.array([[2, 0], [1, 2]])).tolist() == [[[12], [27]], [[11], [22]]]


def worst(problem: Problem) -> float:
    return worst_gradient(problem, drawn(problem.layers), step=1e-5)


@BOTH
def test_gradients_are_those_of_finite_differences(layers: tuple[Layer, ...]) -> None:
    assert worst(problem_of(layers)) < 1e-8


KINDS = [Attention, LayerNorm, RMSNorm, MeanPool, Residual]


@pytest.mark.parametrize("layer", KINDS, ids=lambda layer: layer.__name__)
def test_a_wrong_way_back_through_a_layer_is_seen(layer: type, monkeypatch: pytest.MonkeyPatch) -> None:
    right = LAYERS[layer]

    def changed(*arguments: object) -> Forward:
        forward = right(*arguments)

        def backward(gradient: Array) -> object:
            found = forward.backward(gradient)
            return found._replace(inputs=lambda: 1.01 * found.inputs())

        return Forward(forward.outputs, backward)

    monkeypatch.setitem(LAYERS, layer, changed)
    assert worst(problem_of(RMS_STACK if layer is RMSNorm else STACK)) > 1e-4


def both(problem: Problem, initial: Params) -> list[tuple[Array, ...]]:
    """Return losses, predictions and parameters of the tuned and of the plain backend."""
    order = np.concatenate([epoch_order(len(problem.inputs), problem.batch_size, 0, epoch) for epoch in range(4)])
    if problem.full_batch:
        order = np.broadcast_to(np.arange(problem.batch_size, dtype=np.int32), order.shape)
    found = []
    for trainer in (numpy_backend.open_trainer(problem, EXACT), numpy_reference.open_trainer(problem, EXACT)):
        trainer.reset(initial)
        found.append((trainer.train(order), trainer.predict(ids(9)), *parts(trainer.params())))
    return found


@BOTH
@pytest.mark.parametrize("batch_size", [6, 2])
def test_the_tuned_layers_train_as_the_reference_does(batch_size: int, layers: tuple[Layer, ...]) -> None:
    for tuned, plain in zip(*both(problem_of(layers, batch_size=batch_size), drawn(layers)), strict=True):
        np.testing.assert_allclose(tuned, plain, rtol=1e-11, atol=1e-13)


def test_padding_is_not_trained_and_its_value_does_not_matter() -> None:
    problem = replace(problem_of(batch_size=2), optimizer=Adam(0.01))
    initial = drawn()
    other = map_params(np.copy, initial)
    other[0]["words"][0] = 1000.0
    for first, second in zip(both(problem, initial), both(problem, other), strict=True):
        words, same_words = first[2], second[2]
        np.testing.assert_array_equal(words[1:], same_words[1:])
        for mine, same in zip((*first[:2], *first[3:]), (*second[:2], *second[3:]), strict=True):
            np.testing.assert_array_equal(mine, same)
        assert (words[0] == initial[0]["words"][0]).all()
        assert (same_words[0] == 1000).all()
        occurring = np.unique(problem.inputs)[1:]
        assert (words[occurring] != initial[0]["words"][occurring]).all()


@BOTH
def test_predictions_in_float32_are_what_rounding_explains_and_those_in_float16_are_not(
    layers: tuple[Layer, ...],
) -> None:
    problem = problem_of(layers, rows=40, batch_size=20)
    params = map_params(lambda part: part.astype(np.float32), drawn(layers))
    trainer = numpy_backend.open_trainer(problem, replace(EXACT, precision="float32"))
    trainer.reset(params)
    outputs = trainer.predict(problem.inputs)
    assert outputs.dtype == np.float32
    assert 0.01 < prediction_error(problem, params, problem.inputs, outputs) < 8
    assert prediction_error(problem, params, problem.inputs, outputs.astype(np.float16)) > 100


@pytest.mark.parametrize("kind", [LayerNorm, RMSNorm])
def test_a_normalization_passes_errors_of_its_inputs_on_as_large_as_they_are_drawn(kind: type) -> None:
    layer, rng = kind(width=64, epsilon=0.5), np.random.default_rng(5)
    (params,) = drawn((layer,))
    x, errors = 3 * rng.normal(size=(2, 64)), 1e-4 * rng.uniform(0.5, 2, (2, 64))
    explained = ERRORS[kind](layer, params, Flow(x, errors), 0.0, None).explained  # arithmetic that does not round
    outputs = of(layer, (params,), x + errors * rng.normal(size=(20_000, 2, 64)))
    ratios = explained / outputs.std(axis=0)
    assert 0.97 < ratios.min() < 1.03
    assert ratios.max() < 1.15  # what two ways of the same error take from each other is left out


def test_parameters_of_layers_inside_have_dotted_names() -> None:
    residual = STACK[1]
    assert list(residual.shapes())[:4] == ["0.scale", "0.shift", "1.query", "1.query_bias"]
    named = {name: np.zeros(shape) for name, shape in residual.shapes().items()}
    assert [list(each) for each in inner(residual, named)] == [list(each.shapes()) for each in residual.inside()]
    assert outer(inner(residual, named)) == named
    assert [type(each).__name__ for each in every(STACK[1:3])] == [
        *("Residual", "LayerNorm", "Attention"),
        *("Residual", "LayerNorm", "Dense", "Dense"),
    ]
    assert parameter_count(STACK) == 7 * 4 + 5 * 4 + 8 + 4 * 20 + 8 + 30 + 28 + 8 + 15


def test_a_normalization_starts_at_scale_1_and_shift_0_and_layers_inside_have_their_own_scale() -> None:
    params = initial_params(STACK, "uniform", 0)
    assert params[3]["scale"].tolist() == params[1]["0.scale"].tolist() == [1] * WIDTH
    assert params[3]["shift"].tolist() == [0] * WIDTH
    root_mean_square = initial_params(RMS_STACK, "gaussian", 0)[3]
    assert {name: part.tolist() for name, part in root_mean_square.items()} == {"scale": [1] * WIDTH}
    wide = initial_params((Residual((Dense(4, 900, "relu"), Dense(900, 4, "relu"))),), "uniform", 0)[0]
    assert 0.4 < np.abs(wide["0.weights"]).max() <= 1 / math.sqrt(4)
    assert 0.9 / 30 < np.abs(wide["1.weights"]).max() <= 1 / 30


def test_operations_are_counted() -> None:
    projection, pairs = 2 * POSITIONS * WIDTH**2, 2 * POSITIONS**2 * WIDTH
    attention = 12 * projection + 6 * pairs
    dense = 3 * 2 * POSITIONS * 2 * 6 * WIDTH
    assert flops_per_pass(problem_of(), np.zeros((5, 6), np.int32)) == 30 * (attention + dense + 3 * 2 * WIDTH * 3)


def test_values_are_those_of_all_layers_inside() -> None:
    of_sequence = POSITIONS * WIDTH
    assert STACK[0].values((POSITIONS,)) == of_sequence
    assert STACK[1].values((POSITIONS, WIDTH)) == 7 * of_sequence + 4 * POSITIONS**2
    assert STACK[4].values((POSITIONS, WIDTH)) == WIDTH


SEQUENCE = (POSITIONS, WIDTH)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (STACK[0], (6,), r"Embedding\(words=7, .*\) takes inputs of shape \[5\], and got \[6\]"),
        (STACK[3], (5, 3), r"LayerNorm\(width=4, .*\) takes inputs of shape \[..., 4\], and got \[5, 3\]"),
        (RMS_STACK[3], (5, 3), r"RMSNorm\(width=4, .*\) takes inputs of shape \[..., 4\], and got \[5, 3\]"),
        (Attention(width=4, heads=2), (4,), r"Attention\(width=4, .* shape \[positions, 4\], and got \[4\]"),
        (Attention(width=4, heads=3), SEQUENCE, r"Attention\(width=4, heads=3\) has a width that is no multiple"),
        (MeanPool(), (4,), r"MeanPool\(\) takes inputs of shape \[positions, width\], and got \[4\]"),
        (Residual((Dense(4, 3, "relu"),)), SEQUENCE, r"adds \[5, 3\] to \[5, 4\]: its layers must keep the shape"),
        (Dense(4, 3, "relu"), (2, 5, 4), r"takes inputs of shape \[positions, 4\] or \[4\], and got \[2, 5, 4\]"),
    ],
)
def test_sequences_that_do_not_fit_are_refused(layer: Layer, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(Misfit, match=message):
        flow_shapes((layer,), shape)


@pytest.mark.parametrize(
    ("layers", "ids", "message"),
    [
        (STACK, 8, r"Embedding\(.*\) must be the first layer, with all 8 words of the data"),
        ((*STACK[:1], *STACK), 7, r"Embedding\(.*\) must be the first layer"),
        (STACK, 0, r"Embedding\(.*\) takes ids of words, and got numbers"),
        ((Dense(5, 3, "identity"),), 7, r"Dense\(.*\) takes numbers, and got ids"),
        ((Residual((Attention(width=4, heads=2),)),), 0, r"Attention\(.*\) needs to know which positions"),
    ],
)
def test_layers_of_words_are_only_for_ids(layers: tuple[Layer, ...], ids: int, message: str) -> None:
    with pytest.raises(Misfit, match=message):
        require_ids(layers, ids)
    require_ids(STACK, WORDS)
    require_ids((Dense(5, 3, "identity"),), 0)


def test_an_unknown_layer_inside_another_is_refused() -> None:
    class Unknown(Dense):
        pass

    known: tuple[Callable[..., object], ...] = (Residual, Dense)
    supported = Supported("Here", known, {"relu", "identity"}, {"mse"}, {SGD})  # type: ignore[arg-type]
    problem = Problem(np.zeros((2, 5)), np.zeros((2, 5)), (Residual((Dense(5, 5, "relu"),)),), "mse", SGD(0.1), 2)
    supported.require(problem)
    with pytest.raises(Unsupported, match="the backend of Here has no Unknown"):
        supported.require(replace(problem, layers=(Residual((Unknown(5, 5, "relu"),)),)))


@BOTH
def test_the_reference_stays_in_the_precision_of_its_arrays(layers: tuple[Layer, ...]) -> None:
    trainer = numpy_reference.open_trainer(
        problem_of(layers, batch_size=3), replace(EXACT, mode="plain", precision="float32")
    )
    trainer.reset(map_params(lambda part: part.astype(np.float32), drawn(layers)))
    losses = trainer.train(np.array([[0, 3, 5], [1, 2, 4]], np.int32))
    assert {array.dtype for array in (losses, *trainer.state, trainer.predict(ids(6)))} == {np.dtype(np.float32)}


def test_scores_too_large_for_exp_give_shares() -> None:
    np.testing.assert_allclose(softmax(np.array([[1e4, 1e4, -1e4]])), [[0.5, 0.5, 0.0]])
