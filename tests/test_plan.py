"""From what the user chose to jobs: names and their choices, rows, and blocks in an order drawn anew."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from backends.registry import BACKENDS
from bench.errors import UserError
from bench.plan import BadChoice, Choice, choose_rows, choose_tasks, resolved, schedule
from bench.records import Job, Row
from bench.tasks import HEADLINE, TASKS
from bench.tasks.overrides import BadSetting, override, settings

PAIRS = [(entry.name, mode) for entry in BACKENDS.values() for mode in entry.modes]


def rows_of(*, has_gpu: bool = False, **chosen: Any) -> tuple[Row, ...]:
    return choose_rows(Choice(**chosen), has_gpu=has_gpu)


def jobs_of(rows: tuple[Row, ...], workers: int, **more: Any) -> tuple[Job, ...]:
    return schedule(rows, **({"workers": workers, "threads": 2, "settings": {}} | more))


ROWS = rows_of(tasks=("linear_fit", "iris_mlp", "thermometer"), has_gpu=True)


# Tasks


def test_no_task_named_means_the_headline_tasks() -> None:
    assert [task.name for task in choose_tasks(())] == list(HEADLINE)


def test_all_means_every_task() -> None:
    assert [task.name for task in choose_tasks(["all"])] == list(TASKS)


def test_tasks_come_in_the_order_named_and_once() -> None:
    assert [task.name for task in choose_tasks(["iris_mlp", "linear_fit", "iris_mlp"])] == ["iris_mlp", "linear_fit"]


@pytest.mark.parametrize("names", [["linear_fti"], ["linear_fit", "linear_fti"], ["linear_fti", "all"]])
def test_an_unknown_task_is_refused_with_all_there_are(names: list[str]) -> None:
    with pytest.raises(BadChoice) as caught:
        choose_tasks(names)
    assert str(caught.value) == f"unknown task 'linear_fti'; choose from {', '.join(sorted(TASKS))}"


# Rows


def test_no_backend_named_means_every_mode_of_every_backend() -> None:
    rows = rows_of(tasks=("linear_fit",))
    assert [(row.backend, row.mode) for row in rows] == PAIRS
    assert {(row.task, row.device, row.precision) for row in rows} == {("linear_fit", "cpu", "float32")}


def test_backends_come_once_and_with_all_their_modes() -> None:
    rows = rows_of(tasks=("linear_fit",), backends=("jax", "numpy", "jax"))
    assert Counter((row.backend, row.mode) for row in rows) == Counter(
        pair for pair in PAIRS if pair[0] in ("jax", "numpy")
    )


@pytest.mark.parametrize("modes", [("eager",), ("scan", "eager"), ("loop",)])
def test_only_backends_with_a_chosen_mode_have_rows(modes: tuple[str, ...]) -> None:
    rows = rows_of(tasks=("linear_fit",), modes=modes)
    assert [(row.backend, row.mode) for row in rows] == [pair for pair in PAIRS if pair[1] in modes]


def test_modes_are_chosen_within_the_chosen_backends() -> None:
    rows = rows_of(tasks=("linear_fit",), backends=("torch",), modes=("eager",))
    assert [(row.backend, row.mode) for row in rows] == [("torch", "eager")]


def test_rows_are_every_task_with_every_backend() -> None:
    rows = rows_of(tasks=("linear_fit", "iris_mlp"), backends=("numpy",), precision="float64")
    assert [str(row) for row in rows] == ["linear_fit numpy loop cpu float64", "iris_mlp numpy loop cpu float64"]


@pytest.mark.parametrize(
    ("device", "has_gpu", "devices"),
    [
        ("auto", False, ["cpu"]),
        ("auto", True, ["cpu", "gpu"]),
        ("cpu", True, ["cpu"]),
        ("gpu", True, ["gpu"]),
        ("gpu", False, ["gpu"]),
    ],
)
def test_devices_are_those_chosen_or_those_there(device: str, has_gpu: bool, devices: list[str]) -> None:
    rows = rows_of(tasks=("linear_fit",), backends=("jax",), modes=("jit",), device=device, has_gpu=has_gpu)
    assert [row.device for row in rows] == devices


def test_no_row_comes_twice() -> None:
    assert len(set(ROWS)) == len(ROWS) == 3 * 2 * len(PAIRS)


@pytest.mark.parametrize(
    ("chosen", "kind", "name"),
    [
        ({"tasks": ("nope",)}, "task", "nope"),
        ({"backends": ("pytorch",)}, "backend", "pytorch"),
        ({"backends": ("torch", "tensroflow")}, "backend", "tensroflow"),
        ({"modes": ("jitted",)}, "mode", "jitted"),
        ({"backends": ("torch",), "modes": ("scan",)}, "mode", "scan"),
    ],
)
def test_an_unknown_name_is_refused_with_the_choices(chosen: dict[str, Any], kind: str, name: str) -> None:
    with pytest.raises(BadChoice) as caught:
        rows_of(**chosen)
    assert str(caught.value).startswith(f"unknown {kind} {name!r}; choose from ")


def test_the_choices_of_a_backend_are_all_backends() -> None:
    with pytest.raises(BadChoice) as caught:
        rows_of(backends=("pytorch",))
    assert str(caught.value).partition("choose from ")[2].split(", ") == sorted(BACKENDS)


def test_the_choices_of_a_mode_are_those_of_the_chosen_backends() -> None:
    with pytest.raises(BadChoice, match=r"choose from compile, eager$"):
        rows_of(backends=("torch",), modes=("scan",))


def test_a_bad_choice_is_the_users_to_mend() -> None:
    assert issubclass(BadChoice, UserError)


@pytest.mark.parametrize("changes", [{"epochs": "-1"}, {"nope": "1"}, {"optimizer": "lbfgs"}])
def test_a_bad_setting_is_refused_before_anything_runs(changes: dict[str, Any]) -> None:
    with pytest.raises(BadSetting):
        rows_of(tasks=("linear_fit",), settings=changes)


def test_a_setting_that_one_of_the_tasks_has_not_is_refused_by_that_tasks_name() -> None:
    with pytest.raises(BadSetting, match=r"iris_mlp has no setting 'data\.rows'"):
        rows_of(tasks=("linear_fit", "iris_mlp"), settings={"data.rows": "5"})


def test_settings_do_not_change_the_rows() -> None:
    assert rows_of(tasks=("linear_fit",), settings={"epochs": "5"}) == rows_of(tasks=("linear_fit",))


# Schedule


def blocks_of(jobs: tuple[Job, ...]) -> list[list[Row]]:
    return [[job.row for job in jobs if job.block == block] for block in sorted({job.block for job in jobs})]


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_each_block_has_every_row_once(workers: int) -> None:
    blocks = blocks_of(jobs_of(ROWS, workers))
    assert len(blocks) == workers
    assert all(sorted(block) == sorted(ROWS) for block in blocks)


def test_blocks_are_numbered_from_zero_and_follow_each_other() -> None:
    numbers = [job.block for job in jobs_of(ROWS, 3)]
    assert numbers == sorted(numbers)
    assert set(numbers) == {0, 1, 2}


def test_the_rows_of_a_task_stay_together_in_every_block() -> None:
    for block in blocks_of(jobs_of(ROWS, 5)):
        changes = [row.task for i, row in enumerate(block) if i == 0 or block[i - 1].task != row.task]
        assert changes == ["linear_fit", "iris_mlp", "thermometer"]


def test_the_rows_of_a_task_stay_together_even_where_they_were_given_mixed() -> None:
    mixed = tuple(sorted(ROWS, key=lambda row: (row.backend, row.mode, row.device)))
    for block in blocks_of(jobs_of(mixed, 3)):
        assert sum(a.task != b.task for a, b in pairwise(block)) == 2


def test_the_order_is_drawn_anew_for_each_block() -> None:
    blocks = blocks_of(jobs_of(ROWS, 8))
    assert len({tuple(block) for block in blocks}) == 8


def test_the_order_is_drawn_anew_for_each_task() -> None:
    (block,) = blocks_of(jobs_of(ROWS, 1))
    orders = {
        task: tuple((row.backend, row.mode, row.device) for row in block if row.task == task)
        for task in ("linear_fit", "iris_mlp", "thermometer")
    }
    assert len(set(orders.values())) == 3


def test_no_row_is_always_the_first_of_its_task() -> None:
    rows = rows_of(tasks=("linear_fit",))
    firsts = Counter(block[0] for block in blocks_of(jobs_of(rows, 50 * len(rows))))
    assert set(firsts) == set(rows)
    assert max(firsts.values()) < 100  # 50 are expected of each


def test_the_order_depends_on_the_seed_alone() -> None:
    assert jobs_of(ROWS, 3) == jobs_of(ROWS, 3)
    assert jobs_of(ROWS, 3, seed=1) == jobs_of(ROWS, 3, seed=1)
    assert jobs_of(ROWS, 3, seed=1) != jobs_of(ROWS, 3, seed=2)


def test_more_workers_leave_the_earlier_blocks_as_they_are() -> None:
    assert jobs_of(ROWS, 5)[: 2 * len(ROWS)] == jobs_of(ROWS, 2)


def test_every_job_carries_threads_and_settings() -> None:
    jobs = jobs_of(ROWS, 2, threads=3, settings={"epochs": 4})
    assert {job.threads for job in jobs} == {3}
    assert all(job.settings == {"epochs": 4} for job in jobs)


def test_jobs_do_not_share_their_settings_with_the_caller() -> None:
    changes = {"epochs": 4}
    jobs = jobs_of(ROWS, 1, settings=changes)
    changes["epochs"] = 5
    assert all(job.settings == {"epochs": 4} for job in jobs)


def test_no_rows_are_no_jobs() -> None:
    assert jobs_of((), 3) == ()


# Resolved settings


def test_the_resolved_settings_are_those_each_task_is_trained_with() -> None:
    changes = {"epochs": "3", "optimizer": "adam"}
    names = ("linear_fit", "iris_mlp", "thermometer")
    assert resolved(ROWS, changes) == {name: settings(override(TASKS[name], changes)) for name in names}
    assert resolved(ROWS, changes)["iris_mlp"]["epochs"] == 3
