"""Settings of tasks by name, what each takes, and what a task and its model are made of."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest

from backends.contract import (
    SGD,
    Adam,
    AveragePool2d,
    Conv2d,
    Dense,
    EmbeddingSum,
    Flatten,
    MaxPool2d,
    Momentum,
    flow_shapes,
    parameter_count,
)
from bench.errors import UserError
from bench.tasks import HEADLINE, TASKS
from bench.tasks.datasets.base import Size
from bench.tasks.definition import Model
from bench.tasks.fields import Count, Seed
from bench.tasks.settings import BadSetting, describe, override, settings

LINEAR = TASKS["linear_fit"]


def as_text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return str(value)


@dataclass(frozen=True, kw_only=True)
class Switched:
    """Data with a switch, as somebody may add them."""

    rows: Count = 10
    shuffled: bool = False
    odd: frozenset[int] = frozenset()

    @property
    def size(self) -> Size:
        return Size(self.rows, 0, shape=(1,), outputs=1)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False)])
def test_a_setting_may_be_a_switch(text: str, value: bool) -> None:
    task = override(replace(LINEAR, data=Switched(shuffled=not value)), {"data.shuffled": text})
    assert task.data.shuffled is value


@pytest.mark.parametrize("text", ["yes", "1", "0.5"])
def test_a_switch_takes_nothing_else(text: str) -> None:
    with pytest.raises(BadSetting, match=r"^data.shuffled cannot be '.*'; it takes true or false$"):
        override(replace(LINEAR, data=Switched()), {"data.shuffled": text})


def test_a_number_is_no_switch() -> None:
    with pytest.raises(BadSetting, match="epochs cannot be 'true'; it takes a whole number"):
        override(LINEAR, {"epochs": "true"})


def test_a_type_that_no_setting_can_have_is_told_with_those_that_it_can() -> None:
    with pytest.raises(TypeError, match=r"a setting cannot be a frozenset.*: its type is bool, int, float, str, a Lit"):
        override(replace(LINEAR, data=Switched()), {"data.odd": "3"})


# Every kind of setting

GOOD = [
    ("linear_fit", "epochs", "7", 7),
    ("linear_fit", "check_epochs", "1", 1),
    ("linear_fit", "seed", "0", 0),
    ("linear_fit", "seed", "12345", 12345),
    ("linear_fit", "batch_size", "32", 32),
    ("linear_fit_minibatch", "batch_size", "all", "all"),
    ("linear_fit", "optimizer.learning_rate", "0.5", 0.5),
    ("linear_fit", "optimizer.learning_rate", "1e-3", 0.001),
    ("linear_fit", "optimizer.learning_rate", "1", 1.0),
    ("linear_fit", "data.bias", "-2.5", -2.5),
    ("linear_fit", "data.rows", "10", 10),
    ("linear_fit", "data.weights", "1,2.5,-3", (1.0, 2.5, -3.0)),
    ("linear_fit", "data.weights", "4", (4.0,)),
    ("linear_fit", "model.hidden", "none", ()),
    ("linear_fit", "model.hidden", "", ()),
    ("linear_fit", "model.hidden", "10", (10,)),
    ("linear_fit", "model.hidden", "20,10", (20, 10)),
    ("linear_fit", "model.activation", "tanh", "tanh"),
    ("mnist_mlp", "model.activation", "gelu", "gelu"),
    ("linear_fit", "model.output_activation", "sigmoid", "sigmoid"),
    ("linear_fit", "model.start", "gaussian", "gaussian"),
    ("linear_fit", "model.first_layer", "embedding_sum", "embedding_sum"),
    ("linear_fit", "loss", "mse", "mse"),
    ("linear_fit", "metric", "threshold_accuracy", "threshold_accuracy"),
    ("mlp_regression", "data.formula", "sine_cube_line", "sine_cube_line"),
    ("thermometer", "data.scaling", "raw", "raw"),
    ("mnist_3v7", "data.labels", "one_two", "one_two"),
    ("iris_mlp", "optimizer.momentum", "0.5", 0.5),
    ("mlp_regression", "optimizer.beta2", "0.99", 0.99),
    ("text_classifier", "data.categories", "sci.space,rec.autos", ("sci.space", "rec.autos")),
    ("text_classifier", "data.categories", "sci.space", ("sci.space",)),
]


@pytest.mark.parametrize(("task", "key", "text", "value"), GOOD)
def test_a_text_becomes_what_the_setting_wants(task: str, key: str, text: str, value: Any) -> None:
    got = settings(override(TASKS[task], {key: text}))[key]
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(("task", "key", "text", "value"), GOOD)
def test_a_native_value_is_taken_as_its_text_is(task: str, key: str, text: str, value: Any) -> None:
    assert override(TASKS[task], {key: value}) == override(TASKS[task], {key: text})


@pytest.mark.parametrize(("task", "key", "text", "value"), GOOD)
def test_only_the_named_setting_changes(task: str, key: str, text: str, value: Any) -> None:
    before, after = settings(TASKS[task]), settings(override(TASKS[task], {key: text}))
    assert before | {key: value} == after


@pytest.mark.parametrize("value", [[20, 10], (20, 10)])
def test_lists_and_tuples_are_the_same(value: Any) -> None:
    assert override(LINEAR, {"model.hidden": value}).model.hidden == (20, 10)


def test_a_single_number_is_a_tuple_of_one() -> None:
    assert override(LINEAR, {"model.hidden": 10}).model.hidden == (10,)


def test_nothing_changed_is_the_same_task() -> None:
    assert override(LINEAR, {}) == LINEAR


def test_the_task_itself_is_never_changed() -> None:
    before = settings(LINEAR)
    override(LINEAR, {"epochs": 3, "optimizer": "adam", "data.rows": 9})
    assert settings(LINEAR) == before


def test_several_settings_change_together() -> None:
    task = override(LINEAR, {"epochs": "3", "data.rows": "20", "model.hidden": "4", "seed": "9"})
    assert (task.epochs, task.data.rows, task.model.hidden, task.seed) == (3, 20, (4,), 9)  # type: ignore[attr-defined]


def test_loss_and_metric_change_together() -> None:
    changed = override(TASKS["iris_mlp"], {"loss": "mse", "metric": "rmse"})
    assert (changed.loss, changed.metric) == ("mse", "rmse")


# What is refused

BAD = [
    ("epochs", "-1"),
    ("epochs", "0"),
    ("epochs", "1.5"),
    ("epochs", "1e2"),
    ("epochs", "many"),
    ("epochs", ""),
    ("epochs", "true"),
    ("epochs", "null"),
    ("epochs", "5,6"),
    ("epochs", "[5]"),
    ("check_epochs", "0"),
    ("seed", "-1"),
    ("seed", "x"),
    ("batch_size", "0"),
    ("batch_size", "-32"),
    ("batch_size", "some"),
    ("batch_size", "1.5"),
    ("data.rows", "0"),
    ("data.bias", "five"),
    ("data.bias", "true"),
    ("data.weights", "1,two"),
    ("data.weights", "1,,2"),
    ("model.hidden", "10,0"),
    ("model.hidden", "10,"),
    ("model.hidden", "1.5"),
    ("model.activation", "gelu_tanh"),
    ("model.start", "zeros"),
    ("model.first_layer", "sparse"),
    ("optimizer.learning_rate", "fast"),
    ("optimizer.learning_rate", ""),
    ("optimizer", "lbfgs"),
    ("optimizer", ""),
    ("loss", "mae"),
    ("metric", "f1"),
    # From Python
    ("epochs", -1),
    ("epochs", 0),
    ("epochs", 2.0),
    ("epochs", True),
    ("epochs", None),
    ("epochs", [3]),
    ("batch_size", False),
    ("seed", -1),
    ("model.hidden", [10, -1]),
    ("model.hidden", [10, "x"]),
    ("model.hidden", None),
    ("model.activation", 3),
    ("data.bias", [1.0]),
    ("data.bias", True),
    ("optimizer.learning_rate", None),
    ("optimizer", 3),
    ("optimizer", None),
]


@pytest.mark.parametrize(("key", "value"), BAD)
def test_a_value_of_the_wrong_kind_is_refused_with_what_the_setting_takes(key: str, value: Any) -> None:
    with pytest.raises(BadSetting) as caught:
        override(LINEAR, {key: value})
    message = str(caught.value)
    assert message.startswith(f"{key} cannot be {value!r}; ")
    assert "it takes " in message or "choose from sgd, momentum, adam" in message
    assert "\n" not in message


@pytest.mark.parametrize("value", [["sgd"], {}])
def test_an_optimizer_that_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises(BadSetting, match="optimizer cannot be"):
        override(LINEAR, {"optimizer": value})


def test_a_number_with_very_many_digits_is_refused() -> None:
    with pytest.raises(BadSetting, match="epochs cannot be"):
        override(LINEAR, {"epochs": "9" * 5000})


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("epochs", "-1", "a whole number of at least 1"),
        ("seed", "-1", "a whole number of at least 0"),
        ("batch_size", "0", "a whole number of at least 1 or all"),
        ("data.bias", "x", "a number"),
        ("model.hidden", "x", "a whole number of at least 1, or several with commas between, or none"),
        ("model.activation", "x", "identity, sigmoid, tanh, relu or gelu"),
        ("optimizer.learning_rate", "0", "a number above 0"),
        ("optimizer.learning_rate", "-0.1", "a number above 0"),
    ],
)
def test_a_refusal_says_what_is_taken(key: str, value: str, wanted: str) -> None:
    with pytest.raises(BadSetting) as caught:
        override(LINEAR, {key: value})
    assert str(caught.value) == f"{key} cannot be {value!r}; it takes {wanted}"


@pytest.mark.parametrize(
    ("optimizer", "key", "refused", "taken"),
    [
        ("adam", "beta1", ("1", "-0.1", "1.5"), ("0", "0.5")),
        ("adam", "beta2", ("1", "-0.1"), ("0", "0.9999")),
        ("adam", "epsilon", ("0", "-1e-8"), ("1e-30",)),
        ("momentum", "momentum", ("1", "-0.5"), ("0", "0.99")),
    ],
)
def test_a_number_outside_the_bounds_of_its_arithmetic_is_refused(
    optimizer: str, key: str, refused: tuple[str, ...], taken: tuple[str, ...]
) -> None:
    for value in refused:
        with pytest.raises(BadSetting, match=f"optimizer.{key} cannot be '{value}'; it takes a number "):
            override(LINEAR, {"optimizer": optimizer, f"optimizer.{key}": value})
    for value in taken:
        changed = override(LINEAR, {"optimizer": optimizer, f"optimizer.{key}": value})
        assert getattr(changed.optimizer, key) == float(value)


@pytest.mark.parametrize(
    "value", ["[" * 100_000, "9" * 400, "9" * 10_000, "-" + "9" * 400, "\ud800", "1e999", "{", "\x00"]
)
@pytest.mark.parametrize("key", ["optimizer.learning_rate", "epochs", "model.hidden", "model.activation", "batch_size"])
def test_text_that_no_setting_takes_is_refused_in_a_short_sentence(key: str, value: str) -> None:
    with pytest.raises(BadSetting) as caught:
        override(LINEAR, {key: value})
    assert len(str(caught.value)) < 400


def test_a_batch_larger_than_all_rows_is_refused_before_anything_is_loaded() -> None:
    with pytest.raises(BadSetting, match="batch_size 60001 is more than the 60000 rows of mnist_mlp; all uses every"):
        override(TASKS["mnist_mlp"], {"batch_size": "60001"})
    assert override(TASKS["mnist_mlp"], {"batch_size": "60000"}).batch_size == 60000


def test_a_refused_setting_is_the_users_to_mend() -> None:
    assert issubclass(BadSetting, UserError)


@pytest.mark.parametrize("name", list(TASKS))
@pytest.mark.parametrize(
    "key", ["lerning_rate", "learning_rate", "optimizer.lr", "data", "model", "name", "summary", "epochs.x", "", "."]
)
def test_an_unknown_setting_is_refused_with_all_there_are(name: str, key: str) -> None:
    with pytest.raises(BadSetting) as caught:
        override(TASKS[name], {key: "1"})
    message = str(caught.value)
    assert message.startswith(f"{name} has no setting {key!r}; choose from ")
    assert message.partition("choose from ")[2].split(", ") == list(settings(TASKS[name]))


@pytest.mark.parametrize("key", ["optimizer.momentum", "optimizer.beta1", "data.formula", "data.categories"])
def test_a_setting_of_another_kind_of_task_is_unknown(key: str) -> None:
    with pytest.raises(BadSetting, match="linear_fit has no setting"):
        override(LINEAR, {key: "1"})


@pytest.mark.parametrize(
    ("task", "changes"),
    [
        ("linear_fit", {"loss": "softmax_cross_entropy"}),
        ("linear_fit", {"metric": "accuracy"}),
        ("iris_mlp", {"loss": "mse"}),
        ("iris_mlp", {"metric": "rmse"}),
        ("iris_mlp", {"metric": "threshold_accuracy"}),
    ],
)
def test_a_metric_that_does_not_go_with_the_loss_is_refused(task: str, changes: dict[str, Any]) -> None:
    with pytest.raises(BadSetting, match="do not go together"):
        override(TASKS[task], changes)


# Optimizers


@pytest.mark.parametrize(("name", "kind"), [("sgd", SGD), ("momentum", Momentum), ("adam", Adam)])
@pytest.mark.parametrize("task", ["linear_fit", "iris_mlp", "mlp_regression"])
def test_another_optimizer_keeps_the_learning_rate_and_takes_its_own_defaults(task: str, name: str, kind: Any) -> None:
    changed = override(TASKS[task], {"optimizer": name})
    assert changed.optimizer == kind(TASKS[task].optimizer.learning_rate)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adam", "optimizer.beta1": "0.5", "optimizer.learning_rate": "0.2"},
        {"optimizer.learning_rate": "0.2", "optimizer.beta1": "0.5", "optimizer": "adam"},
        {"optimizer.beta1": 0.5, "optimizer": "adam", "optimizer.learning_rate": 0.2},
    ],
)
def test_the_optimizer_is_chosen_before_its_settings_in_whatever_order_they_come(changes: dict[str, Any]) -> None:
    assert override(LINEAR, changes).optimizer == Adam(0.2, beta1=0.5)


def test_settings_of_the_earlier_optimizer_are_unknown_to_the_new_one() -> None:
    with pytest.raises(BadSetting, match=r"no setting 'optimizer\.momentum'"):
        override(TASKS["iris_mlp"], {"optimizer": "adam", "optimizer.momentum": "0.5"})


# All settings


@pytest.mark.parametrize("name", list(TASKS))
def test_settings_go_back_in(name: str) -> None:
    task = TASKS[name]
    assert override(task, settings(task)) == task


@pytest.mark.parametrize("name", list(TASKS))
def test_settings_go_back_in_as_json(name: str) -> None:
    task = TASKS[name]
    assert override(task, json.loads(json.dumps(settings(task)))) == task


@pytest.mark.parametrize("name", list(TASKS))
def test_settings_go_back_in_as_texts(name: str) -> None:
    task = TASKS[name]
    assert override(task, {key: as_text(value) for key, value in settings(task).items()}) == task


@pytest.mark.parametrize(("source", "target"), [("linear_fit", "linear_fit_3d"), ("thermometer", "thermometer_raw")])
def test_the_settings_of_one_task_make_another_of_its_family(source: str, target: str) -> None:
    made = override(TASKS[source], settings(TASKS[target]))
    assert replace(made, name=target, summary=TASKS[target].summary) == TASKS[target]


def test_settings_of_a_changed_task_go_back_in() -> None:
    changed = override(LINEAR, {"optimizer": "adam", "optimizer.beta1": 0.5, "model.hidden": [3, 4], "batch_size": 8})
    assert override(LINEAR, settings(changed)) == changed


def test_settings_are_those_of_data_model_and_optimizer_by_dotted_names() -> None:
    assert settings(LINEAR) == {
        "data.weights": (3.0, -4.0),
        "data.bias": 5.0,
        "data.rows": 1000,
        "data.noise": 0.1,
        "data.spread": 10.0,
        "model.hidden": (),
        "model.activation": "relu",
        "model.output_activation": "identity",
        "model.first_layer": "dense",
        "model.start": "uniform",
        "loss": "half_mse",
        "optimizer": "sgd",
        "optimizer.learning_rate": 0.01,
        "batch_size": "all",
        "epochs": 100,
        "metric": "rmse",
        "check_epochs": 100,
        "seed": 0,
    }


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (int, "a whole number"),
        (float, "a number"),
        (str, "a text"),
        (Count, "a whole number of at least 1"),
        (Seed, "a whole number of at least 0"),
        (Literal["one"], "one"),
        (Literal["one", "two", "three"], "one, two or three"),
        (Count | Literal["all"], "a whole number of at least 1 or all"),
        (tuple[float, ...], "a number, or several with commas between, or none"),
    ],
)
def test_kinds_are_described_in_words(kind: Any, words: str) -> None:
    assert describe(kind) == words


# Definitions


@pytest.mark.parametrize("name", list(TASKS))
def test_a_task_is_listed_by_its_own_name_and_says_what_it_is(name: str) -> None:
    assert TASKS[name].name == name
    assert TASKS[name].summary


@pytest.mark.parametrize("name", list(TASKS))
def test_parity_follows_no_more_epochs_than_a_task_has(name: str) -> None:
    assert 1 <= TASKS[name].check_epochs <= TASKS[name].epochs


def test_headline_tasks_are_tasks() -> None:
    assert len(HEADLINE) == 4
    assert set(HEADLINE) <= set(TASKS)


@pytest.mark.parametrize(
    ("model", "layers"),
    [
        (Model(), (Dense(5, 2, "identity"),)),
        (Model(output_activation="sigmoid"), (Dense(5, 2, "sigmoid"),)),
        (Model(hidden=(7,)), (Dense(5, 7, "relu"), Dense(7, 2, "identity"))),
        (
            Model(hidden=(7, 4), activation="tanh", output_activation="sigmoid"),
            (Dense(5, 7, "tanh"), Dense(7, 4, "tanh"), Dense(4, 2, "sigmoid")),
        ),
        (Model(first_layer="embedding_sum"), (EmbeddingSum(5, 2, "identity"),)),
        (
            Model(hidden=(7, 4), first_layer="embedding_sum"),
            (EmbeddingSum(5, 7, "relu"), Dense(7, 4, "relu"), Dense(4, 2, "identity")),
        ),
    ],
)
def test_a_model_is_its_layers(model: Model, layers: Any) -> None:
    assert model.layers((5,), 2) == layers


LENET = TASKS["mnist_cnn"]


def test_the_convolutional_task_is_lenet_5() -> None:
    first = Conv2d(inputs=1, outputs=6, kernel=(5, 5), stride=1, padding=(2, 2, 2, 2), activation="relu")
    second = Conv2d(inputs=6, outputs=16, kernel=(5, 5), stride=1, padding=(0, 0, 0, 0), activation="relu")
    dense = Dense(400, 120, "relu"), Dense(120, 84, "relu"), Dense(84, 10, "identity")
    assert LENET.layers == (first, MaxPool2d(2), second, MaxPool2d(2), Flatten(), *dense)
    assert parameter_count(LENET.layers) == 61_706


@pytest.mark.parametrize(
    ("changes", "sizes"),
    [
        ({"model.filters": "8x16"}, [(28, 28, 8), (14, 14, 8), (10, 10, 16), (5, 5, 16)]),
        ({"model.kernel": "3"}, [(28, 28, 6), (14, 14, 6), (12, 12, 16), (6, 6, 16)]),
        ({"model.kernel": "4", "model.filters": "7"}, [(28, 28, 7), (14, 14, 7)]),
        ({"model.filters": "none"}, []),
    ],
)
def test_the_settings_of_a_convolutional_model(changes: dict[str, str], sizes: list[Any]) -> None:
    task = override(LENET, {**changes, "model.pool": "average", "model.activation": "tanh", "model.hidden": "none"})
    images = flow_shapes(task.layers, task.data.size.shape)[1:-2]
    assert images == sizes
    assert [layer.activation for layer in task.layers] == ["tanh", "identity"] * (len(sizes) // 2) + ["identity"] * 2
    assert sum(type(layer) is AveragePool2d for layer in task.layers) == len(sizes) // 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.kernel": "4"}, r"MaxPool2d\(window=2\) takes .* multiples of 2, and got \[11, 11, 16\]"),
        ({"model.kernel": "15"}, r"Conv2d\(.*\) takes inputs as large as its kernel, and got \[14, 14, 6\]"),
        ({"model.filters": "1x2x3"}, r"MaxPool2d\(window=2\) takes .* and got \[1, 1, 3\]"),
        ({"data.rows": "60001"}, r"data.rows cannot be '60001'; it takes .* at least 1 and of at most 60000"),
        ({"data.test_rows": "10001"}, r"it takes a whole number of at least 1 and of at most 10000"),
    ],
)
def test_a_convolutional_model_that_does_not_fit_is_refused_when_its_settings_are_read(
    changes: dict[str, str], message: str
) -> None:
    with pytest.raises(BadSetting, match=message):
        override(LENET, changes)
