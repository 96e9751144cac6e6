"""Which rows and columns of a table are shown, and in which order."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from bench.errors import BadChoice
from bench.report.choosing import Choice, Condition, Table, chosen, columns_of

CELLS = pd.DataFrame(
    {
        "task": ["a", "a", "b", "b"],
        "backend": ["jax", "numpy", "torch", "numpy"],
        "pass": ["1.2 s", "9.5 ms", "", "30 µs"],
        "agrees": ["yes", "NO", "", "yes"],
        "gpu": ["", "", "", ""],
    }
)
NUMBERS = pd.DataFrame(
    {
        "task": CELLS["task"],
        "backend": CELLS["backend"],
        "pass_s": [1.2, 9.5e-3, math.nan, 3e-5],
        "agrees": [True, False, None, True],
        "precision": ["float32"] * 4,
    }
)
TABLE = Table(CELLS, NUMBERS, {"pass": "pass_s"})


def rows(columns: str = "", order: str = "", where: tuple[str, ...] = ()) -> list[int]:
    return list(chosen(TABLE, Choice.parse(columns, order, where)).cells.index)


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("task=a", Condition("task", "a", equal=True)),
        (" task = a ", Condition("task", "a", equal=True)),
        ("backend!=numpy", Condition("backend", "numpy", equal=False)),
        ("task=mnist_mlp:model.hidden=2048", Condition("task", "mnist_mlp:model.hidden=2048", equal=True)),
        ("note=", Condition("note", "", equal=True)),
    ],
)
def test_a_condition_names_a_column_and_a_value(text: str, condition: Condition) -> None:
    assert Condition.parse(text) == condition


@pytest.mark.parametrize("text", ["", "task", "=a", "!=a"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(BadChoice, match="--where wants COLUMN=VALUE or COLUMN!=VALUE"):
        Condition.parse(text)


@pytest.mark.parametrize(
    ("where", "left"),
    [
        ((), [0, 1, 2, 3]),
        (("task=a",), [0, 1]),
        (("backend!=numpy",), [0, 2]),
        (("backend=jax", "backend=torch"), [0, 2]),  # either
        (("task=b", "backend=numpy"), [3]),  # both
        (("backend!=jax", "backend!=numpy"), [2]),
        (("agrees=no",), [1]),  # as it is shown
        (("agrees=False",), [1]),  # as programs get it
        (("agrees=",), [2]),
        (("precision=float32",), [0, 1, 2, 3]),  # a column that is not shown
        (("pass_s=1.2",), [0]),
    ],
)
def test_rows_are_chosen_by_what_their_cells_say(where: tuple[str, ...], left: list[int]) -> None:
    assert rows(where=where) == left


@pytest.mark.parametrize(
    ("order", "sorted_rows"),
    [
        ("pass", [3, 1, 0, 2]),  # by the number, what is empty last
        ("-pass", [0, 1, 3, 2]),
        ("pass_s", [3, 1, 0, 2]),
        ("backend", [0, 1, 3, 2]),
        ("-backend", [2, 1, 3, 0]),  # rows that are alike stay in their order
    ],
)
def test_rows_are_sorted_by_numbers_and_by_names(order: str, sorted_rows: list[int]) -> None:
    assert rows(order=order) == sorted_rows


def test_of_the_usual_columns_those_that_say_nothing_are_left_out() -> None:
    assert columns_of(TABLE, Choice(), ["backend", "pass", "gpu", "device"]) == ["backend", "pass"]
    assert columns_of(TABLE, Choice(("gpu", "pass_s", "pass")), ()) == ["gpu", "pass"]
    assert columns_of(TABLE, Choice(("all",)), ()) == list(CELLS)


@pytest.mark.parametrize(
    "choose",
    [
        lambda: rows(where=("tsk=a",)),
        lambda: rows(order="tsk"),
        lambda: rows(order="-tsk"),
        lambda: columns_of(TABLE, Choice(("task", "tsk")), ()),
    ],
)
def test_an_unknown_column_is_refused_with_those_there_are(choose: object) -> None:
    with pytest.raises(BadChoice, match=r"no column '-?tsk'; choose from task, backend, pass, agrees, gpu"):
        choose()  # type: ignore[operator]


def test_a_value_that_no_row_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(BadChoice, match="no row has backend = 'pytorch'; there are: jax, numpy, torch"):
        rows(where=("backend=pytorch",))
    with pytest.raises(BadChoice, match="no row is left: task=b and backend=jax"):
        rows(where=("task=b", "backend=jax"))
    assert rows(where=("backend!=pytorch",)) == [0, 1, 2, 3]  # nothing to leave out
