"""Tests that share what is costly to start are in one group, all others in none; processes of tests share the cores."""

from __future__ import annotations

import pytest
from sharing import ALL_ROWS, ONE_RUN, TOGETHER, group_of, share_of
from support import ROOT

ROWS = "tests/backends/test_backends.py"


@pytest.mark.parametrize(
    ("node_id", "group"),
    [
        (f"{ROWS}::{ALL_ROWS}[mnist_mlp torch eager cpu float64]", ALL_ROWS),
        (f"{ROWS}::test_every_setting[tanh, SGD-torch-eager]", "rows of torch"),
        (f"{ROWS}::test_every_setting[tanh, SGD-keras-torch-fit]", "rows of keras-torch"),
        ("tests/backends/test_guests.py::test_keras_trains[keras-torch-fit]", "rows of keras-torch"),
        ("tests/backends/test_results.py::test_mnist_3v7_learns", "rows of numpy"),
        ("tests/harness/test_process.py::test_a", "tests/harness/test_process.py"),
        (f"tests/cli/test_run.py::{ONE_RUN['one_run'][0]}", "one_run"),
        ("tests/harness/test_measure.py::test_a[b]", "tests/harness/test_measure.py::test_a[b]"),
    ],
)
def test_a_test_is_in_the_group_of_those_that_share_its_process(node_id: str, group: str) -> None:
    assert group_of(node_id) == group


def test_what_is_grouped_is_there() -> None:
    assert all((ROOT / "tests" / name).is_file() for name in TOGETHER)
    assert f"def {ALL_ROWS}(" in (ROOT / ROWS).read_text()
    code = "".join(path.read_text() for path in (ROOT / "tests" / "cli").glob("test_*.py"))
    for fixture, tests in ONE_RUN.items():
        assert all(f"def {name}(" in code for name in (fixture, *tests))


@pytest.mark.parametrize(
    ("cores", "workers", "shares"),
    [
        ({0, 1}, 2, [{0}, {1}]),
        ({3, 5, 8, 9, 11}, 2, [{3, 8, 11}, {5, 9}]),
        ({0, 1}, 1, [{0, 1}]),
        ({0, 1}, 3, [{0}, {1}, set()]),
        ({4}, 2, [{4}, set()]),
        (set(), 2, [set(), set()]),
    ],
)
def test_each_process_has_cores_of_its_own_while_there_are_some(
    cores: set[int], workers: int, shares: list[set[int]]
) -> None:
    assert [share_of(cores, worker, workers) for worker in range(workers)] == shares
