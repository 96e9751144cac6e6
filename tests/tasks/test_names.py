"""Tasks by name, with settings in it, and the grids of sweeps."""

from __future__ import annotations

import pytest

from bench.errors import BadChoice
from bench.runs.plan import resolved
from bench.runs.selection import Choice, choose_rows
from bench.tasks import TASKS
from bench.tasks.names import TaskRef, find_task, grid, threads_of
from bench.tasks.settings import BadSetting, override


def test_a_name_without_settings_is_the_task_itself() -> None:
    assert find_task("mnist_mlp") is TASKS["mnist_mlp"]
    assert TaskRef.parse("mnist_mlp") == TaskRef("mnist_mlp", {})


def test_settings_in_a_name_change_the_task_and_what_it_is_called() -> None:
    task = find_task("mnist_mlp:batch_size=256:model.hidden=512x256")
    changed = override(TASKS["mnist_mlp"], {"batch_size": 256, "model.hidden": (512, 256)})
    assert (task.model, task.batch_size, task.optimizer) == (changed.model, 256, changed.optimizer)
    assert task.name == "mnist_mlp:batch_size=256:model.hidden=512x256"
    assert task.summary == f"{TASKS['mnist_mlp'].summary}, but with batch_size 256, model.hidden 512x256"


@pytest.mark.parametrize("name", ["mnist_mlp", "mnist_mlp:batch_size=256", "iris_mlp:model.hidden=8x8:epochs=2"])
def test_a_reference_is_the_text_that_it_was_read_from(name: str) -> None:
    reference = TaskRef.parse(name)
    assert (reference.name, str(reference)) == (name, name)
    assert reference == TaskRef.parse(name)
    assert hash(reference) == hash(TaskRef.parse(name))


def test_a_reference_holds_the_settings_in_the_order_given() -> None:
    reference = TaskRef.parse("mnist_mlp:model.hidden=512x256:batch_size=256:data.x=a=b")
    assert reference.base == "mnist_mlp"
    assert list(reference.settings.items()) == [("model.hidden", "512x256"), ("batch_size", "256"), ("data.x", "a=b")]
    assert reference != TaskRef.parse("mnist_mlp:batch_size=256")


def test_a_reference_takes_a_further_setting_and_stays_what_it_is() -> None:
    reference = TaskRef.parse("mnist_mlp:batch_size=256")
    assert reference.having("epochs", "3").name == "mnist_mlp:batch_size=256:epochs=3"
    assert reference.name == "mnist_mlp:batch_size=256"


def test_threads_stand_in_a_name_and_change_no_setting() -> None:
    reference = TaskRef.parse("iris_mlp:threads=2:epochs=3")
    assert (reference.threads, TaskRef.parse("iris_mlp").threads) == (2, None)
    assert (threads_of("iris_mlp:threads=2", 4), threads_of("iris_mlp", 4)) == (2, 4)
    assert reference.task().epochs == 3
    assert reference.task().model == TASKS["iris_mlp"].model
    assert grid("iris_mlp", ["threads=1,2"]) == ("iris_mlp:threads=1", "iris_mlp:threads=2")


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("iris_mlp:threads=0", BadSetting, "threads of iris_mlp must be a whole number above 0, got '0'"),
        ("iris_mlp:threads=x", BadSetting, "threads of iris_mlp must be a whole number above 0, got 'x'"),
        ("mnits", BadChoice, "unknown task 'mnits'; choose from iris_mlp, "),
        ("mnits:epochs=2", BadChoice, "unknown task 'mnits'; choose from iris_mlp, "),
        ("iris_mlp:epochs", BadSetting, "are KEY=VALUE, with colons between; got 'epochs' in 'iris_mlp:epochs'"),
        ("iris_mlp:epochs=1:epochs=2", BadSetting, "epochs stands twice in 'iris_mlp:epochs=1:epochs=2'"),
        ("iris_mlp:epoch=1", BadSetting, "iris_mlp has no setting 'epoch'; choose from "),
        ("iris_mlp:epochs=0", BadSetting, "epochs cannot be '0'; it takes a whole number of at least 1"),
    ],
)
def test_a_name_of_nothing_is_refused(name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        find_task(name)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("base", "varied"),
    [
        ("text_classifier", ["data.categories=a:epochs=5,b"]),
        ("text_classifier:epochs=5", ["batch_size=64,128"]),
        ("text_classifier", ["data.categories:x=a,b"]),
    ],
)
def test_a_grid_makes_no_name_that_would_be_read_as_another_task(base: str, varied: list[str]) -> None:
    with pytest.raises(BadSetting, match="a colon stands only between settings"):
        grid(base, varied)


def test_a_grid_has_every_combination_the_last_setting_changing_fastest() -> None:
    assert grid("iris_mlp", ["batch_size=10,30", "model.hidden=none,8,16x8"]) == (
        "iris_mlp:batch_size=10:model.hidden=none",
        "iris_mlp:batch_size=10:model.hidden=8",
        "iris_mlp:batch_size=10:model.hidden=16x8",
        "iris_mlp:batch_size=30:model.hidden=none",
        "iris_mlp:batch_size=30:model.hidden=8",
        "iris_mlp:batch_size=30:model.hidden=16x8",
    )


@pytest.mark.parametrize(
    ("varied", "message"),
    [
        ([], "a sweep needs two points at least"),
        (["epochs=3"], "a sweep needs two points at least"),
        (["epochs"], "--vary wants KEY=VALUE,VALUE,..., got 'epochs'"),
        (["epochs=1,,2"], "--vary wants KEY=VALUE,VALUE,..., got 'epochs=1,,2'"),
        (["=1,2"], "--vary wants KEY=VALUE,VALUE,..., got '=1,2'"),
        (["epochs=1,2", "epochs=3,4"], "--vary epochs is given twice; list all its values behind one"),
        (["epochs=1,2,1"], "--vary epochs=1,2,1 has a value twice"),
        (["epochs=1,many"], "epochs cannot be 'many'"),
    ],
)
def test_a_grid_that_is_none_is_refused(varied: list[str], message: str) -> None:
    with pytest.raises(BadSetting) as caught:
        grid("iris_mlp", varied)
    assert message in str(caught.value)


def test_a_grid_of_a_billion_points_is_refused_and_not_enumerated() -> None:
    values = ",".join(map(str, range(1, 1001)))
    with pytest.raises(BadSetting, match="this grid has 1,000,000,000 points; a sweep takes 1,000 at most"):
        grid("iris_mlp", [f"{key}={values}" for key in ("batch_size", "epochs", "seed")])


def test_a_number_of_threads_of_thousands_of_digits_is_refused_in_a_short_sentence() -> None:
    with pytest.raises(BadSetting, match="whole number above 0") as caught:
        TaskRef.parse(f"iris_mlp:threads={'9' * 10_000}").threads  # noqa: B018
    assert len(str(caught.value)) < 200


def test_rows_of_one_run_may_differ_in_settings() -> None:
    names = ("iris_mlp", "iris_mlp:batch_size=10")
    rows = choose_rows(Choice(tasks=names, backends=("numpy",), settings={"epochs": 2}), has_gpu=False)
    assert [row.task for row in rows] == list(names)
    found = resolved(rows, {"epochs": 2})
    assert [found[name]["epochs"] for name in names] == [2, 2]
    assert found["iris_mlp:batch_size=10"]["batch_size"] == 10 != found["iris_mlp"]["batch_size"]


def test_a_setting_is_not_both_in_a_name_and_for_all() -> None:
    choice = Choice(tasks=("iris_mlp:epochs=3",), settings={"epochs": 2})
    with pytest.raises(
        BadChoice, match="epochs is set twice for iris_mlp:epochs=3: in its name and by --set or --epochs"
    ):
        choose_rows(choice, has_gpu=False)


@pytest.mark.parametrize("text", ["128,64", "128x64"])
def test_layers_may_be_written_with_a_cross(text: str) -> None:
    assert override(TASKS["mnist_mlp"], {"model.hidden": text}).model.hidden == (128, 64)


def test_a_cross_in_other_texts_is_a_letter() -> None:
    changed = override(TASKS["text_classifier"], {"data.categories": "comp.windows.x,sci.med"})
    assert changed.data == type(changed.data)(categories=("comp.windows.x", "sci.med"))  # type: ignore[call-arg]
