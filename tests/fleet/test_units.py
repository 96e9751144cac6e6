"""Units of work: what travels is JSON, and a unit is the rounds of one task on one kind of device."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from fleet_hosts import GOAL, ROWS, a_plan
from support import a_row

from bench.errors import UserError
from bench.fleet.folder import Folder
from bench.fleet.units import Order, encoded, plan_from, units_of
from bench.runs.plan import round_order


def test_a_unit_has_all_rows_of_a_task_on_one_kind_of_device_and_a_share_of_the_time() -> None:
    rows = (*ROWS, a_row("linear_fit", "jax", "jit", device="gpu"), a_row("iris_mlp", "jax", "jit"))
    units = units_of(rows, GOAL)
    assert [unit.name for unit in units] == ["01-linear_fit", "02-line_fit", "03-iris_mlp", "04-linear_fit-gpu"]
    assert sorted(row for unit in units for row in unit.rows) == sorted(rows)
    assert all(len({(row.task, row.device) for row in unit.rows}) == 1 for unit in units)
    assert sum(unit.goal.time_s for unit in units) == pytest.approx(GOAL.time_s)


def test_names_of_units_are_names_of_files_and_none_comes_twice() -> None:
    rows = [a_row(f"mnist_mlp:model.hidden={'64x' * 60}{number}") for number in range(120)]
    names = [unit.name for unit in units_of([*rows, a_row("a/../b c:x=1")], GOAL, {"n/1 id": True, "n 2 id": False})]
    assert len(set(names)) == len(names) == 242
    assert all(len(name) < 200 and "/" not in name and " " not in name for name in names)
    assert names == sorted(names)
    assert names[-1] == "242-a_.._b_c_x=1-n"


def test_every_host_has_units_for_its_devices_only() -> None:
    rows = (a_row("linear_fit"), a_row("linear_fit", "torch", "eager", device="gpu"))
    units = units_of(rows, GOAL, {"a": True, "b": False})
    assert [unit.name for unit in units] == ["01-linear_fit-a", "02-linear_fit-gpu-a", "03-linear_fit-b"]


def test_an_order_travels_as_text_and_gives_the_same_schedule_anywhere() -> None:
    plan = a_plan()
    order = Order(run=plan.run, manner=plan.manner, unit=plan.units[0], instead_of="h", begun='{"a"}\n')
    text = encoded(order)
    assert json.loads(text)["unit"]["rows"][0]["task"] == "linear_fit"
    assert "\n" not in text  # it is one line of the standard input of its process
    there = msgspec.json.decode(text, type=Order)
    assert there == order
    orders = [round_order(each.unit.rows, seed=each.plan(2).seed, block=3) for each in (order, there)]
    assert orders[0] == orders[1]
    assert there.plan(2).threads == 2
    assert there.plan(2).goal == plan.units[0].goal


def test_a_plan_is_read_back_from_its_folder(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "run")
    folder.create(a_plan())
    assert folder.plan() == a_plan()
    with pytest.raises(UserError, match=r"exists already; name another folder, or continue it with --resume"):
        folder.create(a_plan())
    with pytest.raises(UserError, match=r"is not the folder of a run on a cluster: it has no plan\.json"):
        Folder(tmp_path).plan()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda plan: plan | {"version": 2}, "has version 2; this levelfield reads version 1"),
        (
            lambda plan: plan | {"units": [plan["units"][0] | {"name": "../x"}]},
            "each unit needs rows of one task",
        ),
        (lambda plan: plan | {"units": plan["units"][:1] * 2}, "each unit needs rows of one task"),
        (lambda plan: plan | {"units": [plan["units"][0] | {"rows": []}]}, "each unit needs rows of one task"),
        (
            lambda plan: plan | {"units": [plan["units"][0] | {"rows": [each["rows"][0] for each in plan["units"]]}]},
            "each unit needs rows of one task",
        ),
        (lambda plan: plan | {"more": 1}, "is not the plan of a run on a cluster"),
        (lambda plan: [], "is not the plan of a run on a cluster"),
    ],
)
def test_what_is_no_plan_is_refused_in_a_sentence(change: object, says: str) -> None:
    plan = json.loads(encoded(a_plan()))
    with pytest.raises(UserError, match=says):
        plan_from(json.dumps(change(plan)).encode(), "plan.json")  # type: ignore[operator]


def test_what_was_set_aside_is_never_overwritten(tmp_path: Path) -> None:
    folder, unit = Folder(tmp_path), a_plan().units[0]
    assert folder.set_aside(unit) is None
    for number in range(3):
        folder.append(unit, f"{number}\n")
        assert folder.set_aside(unit)
    names = ["01-linear_fit.jsonl.lost", "01-linear_fit.2.jsonl.lost", "01-linear_fit.3.jsonl.lost"]
    assert [(tmp_path / name).read_text() for name in names] == ["0\n", "1\n", "2\n"]


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="exists already"):
        Folder(tmp_path / "file").create(a_plan())
    with pytest.raises(UserError, match="cannot write to"):
        Folder(tmp_path / "file" / "run").create(a_plan())
