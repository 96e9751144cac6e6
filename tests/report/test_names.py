from __future__ import annotations

from bench.report.names import titles

PLACES = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "x")]


def test_a_task_is_told_apart_by_its_run_only_where_several_runs_have_it() -> None:
    assert list(titles(PLACES).values()) == ["x (a)", "y", "x (b)"]


def test_below_the_name_of_their_machine_runs_of_other_machines_do_not_count() -> None:
    assert list(titles(PLACES, {"a": "one", "b": "two"}).values()) == ["x", "y", "x"]
    assert list(titles(PLACES, {"a": "one", "b": "one"}).values()) == ["x (a)", "y", "x (b)"]
