"""From what the user chose to jobs: names and their choices, rows, and blocks in an order drawn anew."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from typing import Any

import msgspec
import pytest
from support import a_row

from backends.registry import BACKENDS
from bench.errors import UserError
from bench.records.schema import Goal, Job, Row
from bench.runs.plan import (
    EFFECT,
    BadChoice,
    Plan,
    percent,
    random_seed,
    resolved,
    round_order,
    turn_order,
    watched_repetitions,
)
from bench.runs.selection import Choice, choose_rows, choose_tasks, require_row
from bench.tasks import HEADLINE, TASKS
from bench.tasks.settings import BadSetting, override, settings

PAIRS = [(entry.name, mode) for entry in BACKENDS.values() for mode in entry.modes]
ON_GPU = [(entry.name, mode) for entry in BACKENDS.values() if "gpu" in entry.devices for mode in entry.modes]


def rows_of(*, has_gpu: bool = False, **chosen: Any) -> tuple[Row, ...]:
    return choose_rows(Choice(**chosen), has_gpu=has_gpu)


TASK_NAMES = ("linear_fit", "iris_mlp", "thermometer")
DEVICES = ("cpu", "auto", "gpu")
ROWS = rows_of(tasks=TASK_NAMES, has_gpu=True)
PLAN = Plan(rows=ROWS, threads=2, settings={}, goal=Goal(workers=3, effect=EFFECT, time_s=60.0), seed=0)


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
    ],
)
def test_devices_are_those_chosen_or_those_there(device: str, has_gpu: bool, devices: list[str]) -> None:
    rows = rows_of(tasks=("linear_fit",), backends=("jax",), modes=("jit",), device=device, has_gpu=has_gpu)
    assert [row.device for row in rows] == devices


def test_a_backend_that_has_no_gpu_is_asked_only_where_the_user_names_the_device() -> None:
    chosen = {"tasks": ("linear_fit",), "backends": ("numpy", "keras-tensorflow", "keras-jax"), "has_gpu": True}
    on_gpu = {
        device: [row.backend for row in rows_of(**chosen, device=device) if row.device == "gpu"] for device in DEVICES
    }
    assert on_gpu == {"cpu": [], "auto": ["keras-jax"], "gpu": ["numpy", "keras-tensorflow", "keras-jax"]}


def test_a_gpu_that_is_not_there_is_refused_with_the_choices() -> None:
    with pytest.raises(BadChoice, match=r"no NVIDIA GPU on this machine .* choose --device cpu or auto"):
        rows_of(tasks=("linear_fit",), device="gpu", has_gpu=False)


def test_a_quick_run_has_each_framework_once_by_the_mode_meant_to_be_its_fastest() -> None:
    rows = rows_of(tasks=("linear_fit",), quick=True)
    assert [row.backend for row in rows] == ["numpy", "torch", "tensorflow", "jax"]
    assert [row.backend for row in rows_of(tasks=("linear_fit",), backends=("sklearn",), quick=True)] == ["sklearn"]
    modes = {row.backend: row.mode for row in rows}
    assert [modes[name] for name in ("numpy", "torch", "tensorflow", "jax")] == ["loop", "compile-pass", "xla", "scan"]
    assert [row.mode for row in rows_of(tasks=("linear_fit",), modes=("eager",), quick=True)] == ["eager", "eager"]


def test_a_quick_run_takes_an_epoch_or_500_steps_on_all_rows_unless_told_otherwise() -> None:
    def names(*tasks: str, **changes: Any) -> list[str]:
        rows = rows_of(tasks=tasks, backends=("numpy",), quick=True, settings=changes)
        return [row.task for row in rows]

    assert names("mnist_mlp", "linear_fit") == ["mnist_mlp:epochs=1", "linear_fit"]
    assert names("text_classifier") == ["text_classifier:epochs=1"]
    assert names("mlp_regression", "thermometer") == ["mlp_regression:epochs=500", "thermometer:epochs=500"]
    assert names("mlp_regression:epochs=3000") == ["mlp_regression:epochs=3000"]
    assert names("mnist_mlp:batch_size=128") == ["mnist_mlp:batch_size=128:epochs=1"]
    assert names("mnist_mlp:epochs=4") == ["mnist_mlp:epochs=4"]
    assert names("mnist_mlp", epochs=3) == ["mnist_mlp"]


def test_no_row_comes_twice() -> None:
    assert len(set(ROWS)) == len(ROWS) == 3 * (len(PAIRS) + len(ON_GPU))


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
    with pytest.raises(BadChoice, match=r"choose from compile, compile-pass, dataloader, eager$"):
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


# Order


def blocks_of(rows: tuple[Row, ...], blocks: int, seed: int = 0) -> list[tuple[Row, ...]]:
    return [round_order(rows, seed=seed, block=block) for block in range(blocks)]


@pytest.mark.parametrize("task", TASK_NAMES)
def test_each_block_has_every_row_once(task: str) -> None:
    rows = PLAN.tasks[task]
    assert len(rows) == len(PAIRS) + len(ON_GPU)
    assert all(sorted(block) == sorted(rows) for block in blocks_of(rows, 7))


def test_the_order_is_drawn_anew_for_each_block() -> None:
    assert len(set(blocks_of(PLAN.tasks["iris_mlp"], 8))) == 8


def test_the_order_is_drawn_anew_for_each_task() -> None:
    orders = {
        tuple((row.backend, row.mode, row.device) for row in round_order(rows, seed=0, block=0))
        for rows in PLAN.tasks.values()
    }
    assert len(orders) == 3


def test_the_order_is_drawn_anew_for_each_seed() -> None:
    assert len({round_order(PLAN.tasks["iris_mlp"], seed=seed, block=0) for seed in range(8)}) == 8


def test_the_order_of_a_block_depends_on_seed_task_and_block_alone() -> None:
    rows = PLAN.tasks["iris_mlp"]
    alone = round_order(rows, seed=3, block=5)
    assert blocks_of(rows, 6, seed=3)[5] == alone  # whatever blocks ran before it
    assert round_order(rows_of(tasks=("iris_mlp",), has_gpu=True), seed=3, block=5) == alone  # or tasks beside it
    as_floats = tuple(msgspec.structs.replace(row, precision="float64") for row in rows)
    assert [row.mode for row in round_order(as_floats, seed=3, block=5)] == [row.mode for row in alone]


def test_the_order_is_the_same_on_every_machine() -> None:
    rows = tuple(a_row("linear_fit", mode=mode) for mode in "abcdefg")
    orders = ["".join(row.mode for row in block) for block in blocks_of(rows, 3, seed=7)]
    assert orders == ["adfegbc", "fgabdce", "fcgbade"]


def test_no_row_is_always_the_first_of_its_task() -> None:
    rows = rows_of(tasks=("linear_fit",))
    firsts = Counter(block[0] for block in blocks_of(rows, 50 * len(rows)))
    assert set(firsts) == set(rows)
    assert max(firsts.values()) < 100  # 50 are expected of each


def test_every_two_rows_are_run_in_either_order() -> None:
    rows = rows_of(tasks=("linear_fit",))
    before = Counter(pair for block in blocks_of(rows, 200) for pair in itertools.combinations(block, 2))
    assert len(before) == len(rows) * (len(rows) - 1)
    assert min(before.values()) > 60  # 100 are expected of each


def test_the_order_of_turns_is_drawn_anew_for_each_turn_round_and_seed() -> None:
    rows = PLAN.tasks["iris_mlp"]
    orders = [
        turn_order(rows, seed=seed, block=block, turn=turn)
        for seed in range(3)
        for block in range(3)
        for turn in range(5)
    ]
    assert all(sorted(order) == sorted(rows) for order in orders)
    rounds = [round_order(rows, seed=seed, block=block) for seed in range(3) for block in range(3)]
    assert len({*orders, *rounds}) == len(orders) + len(rounds)
    assert turn_order(rows, seed=1, block=2, turn=3) == turn_order(rows, seed=1, block=2, turn=3)


def test_in_turns_every_two_rows_follow_each_other_in_either_order() -> None:
    rows = tuple(a_row("linear_fit", mode=mode) for mode in "abc")
    firsts = Counter(turn_order(rows, seed=0, block=block, turn=turn)[0] for block in range(30) for turn in range(10))
    assert min(firsts.values()) > 75  # 100 are expected of each


def test_one_repetition_of_each_span_is_watched_and_which_one_is_drawn() -> None:
    drawn = [watched_repetitions(seed, "iris_mlp") for seed in range(200)]
    for first, *others in drawn:
        assert first == 1  # slow rows repeat a training three times
        for span, number in enumerate(others):
            assert 2 * 4**span <= number < 8 * 4**span
    assert {each[1] for each in drawn} == set(range(2, 8))  # none is known not to be checked
    assert {each[2] for each in drawn} == set(range(8, 32))
    assert len(set(drawn)) == 200
    assert watched_repetitions(1, "iris_mlp") != watched_repetitions(1, "mnist_mlp")
    assert PLAN.watched("iris_mlp") == watched_repetitions(PLAN.seed, "iris_mlp")


@pytest.mark.parametrize(("repeated", "least"), [(3, 1), (4, 1), (7, 2), (100, 8), (1000, 128), (10_000, 512)])
def test_slow_rows_have_a_watched_repetition_and_fast_ones_a_late_one(repeated: int, least: int) -> None:
    for seed in range(200):
        completed = [number for number in watched_repetitions(seed, "iris_mlp") if number <= repeated]
        assert completed[-1] >= least


def test_no_rows_have_no_order() -> None:
    assert turn_order((), seed=0, block=0, turn=0) == ()
    assert round_order((), seed=0, block=0) == ()


# Plan


def test_the_rows_of_a_task_stay_together_even_where_they_were_given_mixed() -> None:
    mixed = tuple(sorted(ROWS, key=lambda row: (row.backend, row.mode, row.device)))
    tasks = dataclasses.replace(PLAN, rows=mixed).tasks
    assert sorted(tasks) == sorted(TASK_NAMES)
    assert all(tasks[name] == tuple(row for row in mixed if row.task == name) for name in tasks)


def test_tasks_keep_the_order_in_which_they_were_chosen() -> None:
    assert tuple(PLAN.tasks) == TASK_NAMES
    assert tuple(itertools.chain(*PLAN.tasks.values())) == ROWS


def test_every_job_carries_row_block_threads_and_settings() -> None:
    plan = dataclasses.replace(PLAN, threads=3, settings={"epochs": 4})
    assert plan.job(ROWS[5], 7) == Job(row=ROWS[5], threads=3, block=7, settings={"epochs": 4})


def test_jobs_do_not_share_their_settings_with_the_caller() -> None:
    changes = {"epochs": 4}
    job = dataclasses.replace(PLAN, settings=changes).job(ROWS[0], 0)
    changes["epochs"] = 5
    assert job.settings == {"epochs": 4}


def test_no_rows_are_no_tasks() -> None:
    assert dataclasses.replace(PLAN, rows=()).tasks == {}


# Percent


@pytest.mark.parametrize(
    ("text", "share"),
    [("5%", 0.05), ("5 %", 0.05), ("5", 0.05), (" 2.5% ", 0.025), ("0.1", 0.001), ("150%", 1.5), ("1e1%", 0.1)],
)
def test_a_share_is_given_in_percent_with_or_without_the_sign(text: str, share: float) -> None:
    assert percent(text, "--detect") == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "%", "five", "0", "0%", "-5%", "nan", "inf", "inf%", "5%%", "5 percent", "1e400"])
def test_what_is_no_share_is_refused_by_what_it_is(text: str) -> None:
    with pytest.raises(BadChoice) as caught:
        percent(text, "--detect")
    assert str(caught.value) == f"--detect wants a percentage above 0, such as 5%; got {text!r}"


def test_the_usual_effect_can_be_written_and_read() -> None:
    assert percent(f"{EFFECT:.0%}", "--detect") == EFFECT


def test_a_random_seed_is_one_that_the_command_line_takes_and_hardly_ever_the_same() -> None:
    seeds = {random_seed() for _ in range(20)}
    assert len(seeds) > 15
    assert min(seeds) >= 0


# Rows of an earlier run


@pytest.mark.parametrize("row", ROWS[:3], ids=str)
def test_a_row_that_there_still_is_is_taken(row: Row) -> None:
    require_row(row)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (a_row("linear_fti"), "unknown task 'linear_fti'; choose from "),
        (a_row("linear_fit", "theano"), "unknown backend 'theano'; choose from "),
        (
            a_row("linear_fit", "torch", "scan"),
            "unknown mode 'scan'; choose from compile, compile-pass, dataloader, eager",
        ),
    ],
)
def test_a_row_that_there_is_no_more_is_refused_by_what_is_gone(row: Row, says: str) -> None:
    with pytest.raises(BadChoice) as caught:
        require_row(row)
    assert str(caught.value).startswith(says)


# Resolved settings


def test_the_resolved_settings_are_those_each_task_is_trained_with() -> None:
    changes = {"epochs": "3", "optimizer": "adam"}
    assert resolved(ROWS, changes) == {name: settings(override(TASKS[name], changes)) for name in TASK_NAMES}
    assert resolved(ROWS, changes)["iris_mlp"]["epochs"] == 3
