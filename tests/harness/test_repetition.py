"""A repetition is read as it was written, and its start and order are its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import no_files

from bench.harness.repetition import Repetition, load_repetition, save_repetition
from bench.tasks import TASKS
from bench.tasks.seeding import repetition_seed
from bench.tasks.training import make_training, repetition


def test_a_repetition_is_read_as_it_was_written(tmp_path: Path) -> None:
    layers = tuple(
        {
            "weights": np.full((2, size), np.nextafter(np.float32(1), np.float32(2))),
            "bias": np.arange(size, dtype=np.float32),
        }
        for size in (3, 1)
    )
    written = Repetition(37, np.array([2.5, np.inf]), np.ones((4, 1), np.float32), layers)
    save_repetition(tmp_path / "a.npz", written)
    read = load_repetition(tmp_path / "a.npz")
    assert read.number == 37
    np.testing.assert_array_equal(read.losses, written.losses)
    np.testing.assert_array_equal(read.outputs, written.outputs)
    assert len(read.params) == 2
    for found, expected in zip(read.params, written.params, strict=True):
        assert found["weights"].dtype == np.float32
        np.testing.assert_array_equal(found["weights"], expected["weights"])
        np.testing.assert_array_equal(found["bias"], expected["bias"])


def test_each_repetition_of_each_task_has_a_seed_of_its_own_and_the_first_training_the_task_s() -> None:
    seeds = [repetition_seed(seed, number) for seed in range(20) for number in range(1, 200)]
    assert len(set(seeds)) == len(seeds)
    assert repetition_seed(7, 0) == 7
    assert repetition_seed(7, 3) == repetition_seed(7, 3)


@pytest.mark.parametrize("name", ["thermometer", "linear_fit", "mlp_regression"])
def test_a_repetition_has_another_start_and_order_on_the_same_rows(name: str) -> None:
    task = TASKS[name]
    first = make_training(task, "float32", no_files)
    one, again, two = (repetition(first, task, "float32", number) for number in (1, 1, 2))
    assert one.problem is first.problem
    assert one.test is first.test
    np.testing.assert_array_equal(one.initial[0]["weights"], again.initial[0]["weights"])
    for other in (first, two):
        assert not np.array_equal(one.initial[0]["weights"], other.initial[0]["weights"])
        assert first.problem.full_batch or not np.array_equal(one.orders[0], other.orders[0])
    assert len(one.orders) == len(first.orders)
