"""What a layer says of itself, and the functions that loop over it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from backends import contract, numpy_layers, numpy_reference_layers
from backends.contract import (
    SGD,
    Dense,
    EmbeddingSum,
    Layer,
    Misfit,
    Problem,
    Supported,
    Unsupported,
    every,
    flow_shapes,
    map_params,
    parameter_count,
    parts,
    views,
)
from bench.conformance.cases import CASES
from bench.harness.explained import ERRORS
from bench.tasks import TASKS
from bench.tasks.definition import Model
from bench.tasks.settings import BadSetting
from bench.tasks.training import make_training

# Of the contract; the tables of other backends may have fewer.
LAYERS = {each for each in vars(contract).values() if isinstance(each, type) and "flops" in dir(each)} - {Layer}
STACK = (EmbeddingSum(5, 4, "relu"), Dense(4, 3, "identity"))


@dataclass(frozen=True)
class Unknown(Dense):
    """A layer that no backend knows, although it has all that a dense one has."""


def missing() -> list[str]:
    """Return which layer is missing where."""
    tables = {
        "numpy_reference_layers.LAYERS": numpy_reference_layers.LAYERS,
        "numpy_layers.LAYERS": numpy_layers.LAYERS,
        "explained.ERRORS": ERRORS,
        "cases.CASES": {type(layer) for make in CASES for layer in every(make("float64").problem.layers)},
    }
    return [f"{layer.__name__}: {name}" for name, table in tables.items() for layer in LAYERS - set(table)]


def test_every_layer_of_the_contract_has_a_reference_its_errors_and_a_case() -> None:
    assert {Dense, EmbeddingSum, contract.Residual} < LAYERS
    assert missing() == []


@pytest.mark.parametrize("table", [numpy_reference_layers.LAYERS, numpy_layers.LAYERS, ERRORS])
def test_a_layer_that_is_left_out_is_named(table: dict[type, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(table, contract.Residual)
    (found,) = missing()
    assert found.startswith("Residual: ")


def test_parameters_are_named_in_the_order_in_which_they_are_drawn() -> None:
    assert [list(layer.shapes().items()) for layer in STACK] == [
        [("weights", (5, 4)), ("bias", (4,))],
        [("weights", (4, 3)), ("bias", (3,))],
    ]
    assert parameter_count(STACK) == 5 * 4 + 4 + 4 * 3 + 3


def test_each_layer_takes_what_the_one_before_it_gives() -> None:
    assert flow_shapes(STACK, (5,)) == [(5,), (4,), (3,)]


@pytest.mark.parametrize(
    ("layers", "inputs", "message"),
    [
        (STACK, (6,), r"EmbeddingSum\(inputs=5, .*\) takes inputs of shape \[5\], and got \[6\]"),
        ((Dense(5, 4, "relu"), Dense(5, 3, "relu")), (5,), r"Dense\(inputs=5, outputs=3, .* \[5\], and got \[4\]"),
        ((Dense(5, 4, "relu"),), (28, 28), r"takes inputs of shape \[positions, 5\] or \[5\], and got \[28, 28\]"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_with_the_layer_and_both_shapes(
    layers: tuple[Dense, ...], inputs: tuple[int, ...], message: str
) -> None:
    with pytest.raises(Misfit, match=message):
        flow_shapes(layers, inputs)


def test_an_unknown_layer_is_refused_although_it_is_like_a_known_one() -> None:
    supported = Supported("Here", {Dense: 1, EmbeddingSum: 2}, {"relu", "identity"}, {"mse"}, {SGD})
    problem = Problem(np.zeros((2, 5)), np.zeros((2, 3)), STACK, "mse", SGD(0.1), 2)
    supported.require(problem)
    with pytest.raises(Unsupported, match="the backend of Here has no Unknown"):
        supported.require(replace(problem, layers=(*STACK, Unknown(3, 3, "relu"))))


def test_views_share_the_memory_of_the_vector_and_change_with_it() -> None:
    vector = np.arange(39.0)
    named = views(vector, STACK)
    assert named[0]["weights"].tolist() == np.arange(20.0).reshape(5, 4).tolist()
    assert named[1]["bias"].tolist() == [36, 37, 38]
    np.testing.assert_array_equal(np.concatenate([part.ravel() for part in parts(named)]), vector)
    named[1]["bias"][0] = -1
    assert vector[36] == -1


def test_a_change_of_several_parameters_goes_by_name_and_not_by_order() -> None:
    one = ({"weights": np.ones((2, 1)), "bias": np.zeros(1)},)
    other = ({"bias": np.full(1, 5.0), "weights": np.full((2, 1), 3.0)},)
    (found,) = map_params(np.subtract, one, other)
    assert list(found) == ["weights", "bias"]
    assert found["weights"].tolist() == [[-2], [-2]]
    assert found["bias"].tolist() == [-5]


@dataclass(frozen=True, kw_only=True)
class OneTooMany(Model):
    """A model for one input more than the data have."""

    def layers(self, inputs: tuple[int, ...], outputs: int, _words: int = 0, /) -> tuple[Dense, ...]:
        return (Dense(inputs[0] + 1, outputs, "identity"),)


def test_a_model_that_does_not_fit_its_data_is_refused_before_anything_runs() -> None:
    task = replace(TASKS["linear_fit"], model=OneTooMany())
    with pytest.raises(BadSetting, match=r"model of linear_fit does not fit its data: Dense\(inputs=3.* and got \[2\]"):
        make_training(task, "float32", lambda _: {})
