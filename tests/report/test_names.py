from __future__ import annotations

from bench.report.names import task_summary, titles

PLACES = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "x")]


def test_a_task_is_told_apart_by_its_run_only_where_several_runs_have_it() -> None:
    assert list(titles(PLACES).values()) == ["x (a)", "y", "x (b)"]


def test_below_the_name_of_their_machine_runs_of_other_machines_do_not_count() -> None:
    assert list(titles(PLACES, {"a": "one", "b": "two"}).values()) == ["x", "y", "x"]
    assert list(titles(PLACES, {"a": "one", "b": "one"}).values()) == ["x (a)", "y", "x (b)"]


def test_a_task_is_told_with_the_settings_that_its_name_and_the_run_changed() -> None:
    plain = task_summary("iris_mlp", {})
    changed = {"optimizer.beta1": 0.0, "model.hidden": [32, 16]}
    assert "but with" not in plain
    assert task_summary("iris_mlp", changed) == f"{plain}, but with optimizer.beta1 0, model.hidden 32x16"
    assert task_summary("iris_mlp:epochs=3", {"seed": 4}) == f"{plain}, but with epochs 3, seed 4"
    assert task_summary("gone", changed) == ""
