"""What the first trainings of a run came to: which rows are chosen, what they are called, how curves are thinned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_runs import run_of
from support import a_header, a_parity_result, a_quality, a_record, a_row, write_run

from bench.analysis.trained import Trained, alike, by_task, chosen_rows, labels, thinned, trained
from bench.errors import BadChoice, UserError
from bench.records.runfile import Run, read_run
from bench.records.schema import Learned, Lesson, Row

SLOW, FAST = (a_row(f"iris_mlp:optimizer.learning_rate={rate}") for rate in ("0.01", "0.1"))
PLAIN, JAX, GPU = a_row("iris_mlp"), a_row("iris_mlp", "jax", "scan"), a_row("iris_mlp", "jax", "scan", device="gpu")
LOSSES = (1.0, 0.5, 0.25, 0.125, None, 0.03125)


def a_run(folder: Path, *rows: Row, losses: tuple[float | None, ...] = LOSSES, **tasks: Any) -> Run:
    settings = {row.task: {"optimizer.learning_rate": 0.05, "batch_size": 16, "loss": "mse"} for row in rows}
    for row in (SLOW, FAST):
        if row in rows:
            settings[row.task]["optimizer.learning_rate"] = float(row.task.rpartition("=")[2])
    timing = {"steps_per_pass": 2, "rows_per_step": 16}
    lines: list[Any] = [a_record(row, quality=a_quality(losses=losses), timing=timing) for row in rows]
    path = folder / f"{len(list(folder.iterdir()))}.jsonl"
    header = a_header(*rows, tasks={**settings, **tasks})
    return read_run(write_run(path, header, [*map(a_parity_result, rows), *lines]))


def test_a_task_is_chosen_with_its_settings_or_all_of_them_without(tmp_path: Path) -> None:
    run = a_run(tmp_path, SLOW, FAST, JAX, a_row("linear_fit"))
    assert chosen_rows(run, (), ()) == run.header.rows
    assert chosen_rows(run, ("iris_mlp",), ()) == (SLOW, FAST, JAX)
    assert chosen_rows(run, (SLOW.task,), ("numpy",)) == (SLOW,)
    assert chosen_rows(run, (), ("jax",)) == (JAX,)


@pytest.mark.parametrize(
    ("tasks", "backends", "told"),
    [
        (("mnist_mlp",), (), "unknown task of the run 'mnist_mlp'; choose from iris_mlp, .*linear_fit"),
        ((), ("torch",), "unknown backend of the run 'torch'; choose from jax, numpy"),
        (("linear_fit",), ("jax",), "no row of jax for linear_fit"),
    ],
)
def test_what_the_run_does_not_have_is_refused(
    tasks: tuple[str, ...], backends: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    run = a_run(tmp_path, SLOW, JAX, a_row("linear_fit"))
    with pytest.raises(BadChoice, match=told):
        chosen_rows(run, tasks, backends)


def test_rows_are_called_by_what_differs_and_a_default_has_its_value(tmp_path: Path) -> None:
    run = a_run(tmp_path, SLOW, PLAIN, FAST)
    found = labels(run, run.header.rows)
    assert list(found.values()) == ["learning rate 0.01", "learning rate 0.05", "learning rate 0.1"]
    assert list(labels(run, [SLOW]).values()) == ["numpy loop"]
    both = a_run(tmp_path, SLOW, JAX, GPU)
    assert list(labels(both, both.header.rows).values()) == [
        "learning rate 0.01, numpy loop, cpu",
        "learning rate 0.05, jax scan, cpu",
        "learning rate 0.05, jax scan, gpu",
    ]


def test_sizes_of_layers_are_told_as_they_are_typed(tmp_path: Path) -> None:
    rows = [a_row(f"iris_mlp:model.hidden={hidden}") for hidden in ("none", "8x4")]
    run = a_run(tmp_path, *rows, **{rows[0].task: {"model.hidden": []}, rows[1].task: {"model.hidden": [8, 4]}})
    assert list(labels(run, rows).values()) == ["hidden none", "hidden 8x4"]


def only(run: Run) -> Trained:
    (found,) = trained(run, run.header.rows)
    return found


def test_losses_stand_at_the_epochs_that_were_over_and_epochs_at_their_middle(tmp_path: Path) -> None:
    each = only(a_run(tmp_path, PLAIN))
    np.testing.assert_array_equal(each.epochs, [0, 0.5, 1, 1.5, 2, 2.5])
    middles, means = each.by_epoch
    np.testing.assert_array_equal(middles, [0.5, 1.5, 2.5])
    np.testing.assert_array_equal(means, [0.75, 0.1875, np.nan])
    full = only(a_run(tmp_path, PLAIN, iris_mlp={"batch_size": "all"}))
    np.testing.assert_array_equal(full.by_epoch[0], np.arange(6))
    np.testing.assert_array_equal(full.by_epoch[1], full.losses)


def test_the_distance_is_that_from_the_losses_of_the_lesson(tmp_path: Path) -> None:
    lesson = Lesson(task="iris_mlp", losses=(1.5, None, 0.25, 0.125, 0.5, 0.0), allowed=(0.1, None, 0.1, 0.1, 0.1, 0.1))
    record = a_record(PLAIN, quality=a_quality(losses=LOSSES))
    each = only(run_of(tmp_path, [lesson, record]))
    np.testing.assert_array_equal(each.distance, [0.5, np.nan, 0, 0, np.nan, 0.03125])
    assert each.allowed[1] == np.inf
    short = Lesson(task="iris_mlp", losses=(1.5,), allowed=(0.1,))
    assert only(run_of(tmp_path, [short, record])).distance.size == 0
    assert only(run_of(tmp_path, [record])).distance.size == 0


def test_what_was_learned_is_that_of_the_first_record_that_tells_it(tmp_path: Path) -> None:
    told = Learned(confusion=((1,),))
    lines = [a_record(PLAIN), a_record(PLAIN, 1, learned=told), a_record(JAX, status="crashed")]
    run = run_of(tmp_path, lines)
    assert only(run).learned == told
    with pytest.raises(UserError, match="no process of these rows has ended well"):
        trained(run, [JAX])


def test_rows_of_a_task_come_together_whatever_their_settings(tmp_path: Path) -> None:
    run = a_run(tmp_path, SLOW, a_row("linear_fit"), FAST)
    assert {task: len(found) for task, found in by_task(trained(run, run.header.rows)).items()} == {
        "iris_mlp": 2,
        "linear_fit": 1,
    }


def test_curves_are_alike_if_no_epoch_differs_by_a_hundredth(tmp_path: Path) -> None:
    def run(factor: float) -> list[Trained]:
        other = tuple(None if loss is None else factor * loss for loss in LOSSES)
        both = {PLAIN: LOSSES, JAX: other}
        timing = {"steps_per_pass": 2}
        lines = [a_record(row, quality=a_quality(losses=losses), timing=timing) for row, losses in both.items()]
        found = run_of(tmp_path, lines)
        return trained(found, found.header.rows)

    assert alike(run(1.005))
    assert not alike(run(1.02))
    assert not alike(run(1.0)[:1])


@pytest.mark.parametrize("logarithmic", [False, True])
def test_a_thinned_curve_keeps_its_ends_and_its_extremes(logarithmic: bool) -> None:
    y = np.random.default_rng(0).normal(size=10_000)
    y[[3, 7777]] = [-50, 60]
    y[5000] = np.nan
    x = np.arange(1, 10_001)
    kept, values = thinned(x, y, 400, logarithmic=logarithmic)
    assert len(kept) <= 402
    assert (np.diff(kept) > 0).all()
    assert {1, 4, 7778, 10_000} <= set(kept.tolist())
    np.testing.assert_array_equal(values, y[kept - 1])
    same, _ = thinned(x[:300], y[:300], 400)
    assert len(same) == 300


def test_a_curve_that_is_nowhere_finite_is_thinned_too() -> None:
    x, y = thinned(np.arange(1000), np.full(1000, np.nan), 100)
    assert len(x) <= 102
    assert np.isnan(y).all()
