"""A run on a cluster of made-up hosts: what comes back when all goes well, and when something is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fleet_hosts import (
    GOAL,
    HERE,
    LINES_AT_ONCE,
    ROWS,
    FakeHosts,
    Heard,
    Scene,
    a_plan,
    assert_complete,
    facts,
    header_of,
)
from msgspec.structs import replace
from support import a_row

from bench.errors import UserError
from bench.fleet.checked import Checked, NoHost
from bench.fleet.fleet import POLL_S, UNREACHABLE_S, WAIT_S
from bench.fleet.folder import Folder
from bench.fleet.hosts import Unreachable
from bench.fleet.news import Outcome
from bench.fleet.units import Order


def test_every_unit_is_measured_once_and_hosts_share_them(tmp_path: Path, doer: Any) -> None:
    scene = Scene(tmp_path / "run", doer("a"), doer("b"))
    fleet = scene.run()
    assert_complete(scene)
    assert [path.name for path in fleet.paths()] == ["01-linear_fit.jsonl", "02-line_fit.jsonl", "03-iris_mlp.jsonl"]
    assert {header.host for header in scene.headers()} == {"a", "b"}
    assert not fleet.unfinished()
    assert {each.name for each in (tmp_path / "run").iterdir()} == {"plan.json", *(each.name for each in fleet.paths())}
    assert all(header.schedule_seed == 7 and header.instead_of == "" for header in scene.headers())
    assert scene.heard.shown[0][0][0].unit == "01-linear_fit"
    assert scene.hosts.accepted == list(scene.hosts.doers)
    assert len(scene.hosts.ended) == 3  # each host is told that its outcome is known


def test_lines_are_on_the_disk_as_they_come(tmp_path: Path, doer: Any) -> None:
    only = doer("a")
    scene = Scene(tmp_path / "run", only)
    seen: list[int] = []
    part = tmp_path / "run" / "01-linear_fit.jsonl.part"

    def look() -> None:
        seen.append(part.read_bytes().count(b"\n") if part.exists() else 0)

    scene.hosts.script = dict.fromkeys((2, 3, 4), look)
    scene.run()
    assert seen == [0, 0, LINES_AT_ONCE]  # the third look comes after the first news


def test_a_lost_host_s_rounds_begin_anew_elsewhere_and_are_marked(tmp_path: Path, doer: Any) -> None:
    lost = doer("a")
    lost.only_lines = 4
    scene = Scene(tmp_path / "run", lost, doer("b"))
    scene.hosts.script = {6: lambda: scene.hosts.doers.pop("tcp://0")}
    scene.run()
    assert_complete(scene)
    marks = {header.rows[0].task: (header.host, header.instead_of) for header in scene.headers()}
    assert marks["linear_fit"] == ("b", "a")
    assert marks["line_fit"] == ("b", "")
    aside = tmp_path / "run" / "01-linear_fit.jsonl.lost"
    assert aside.read_bytes().count(b"\n") == 4
    assert scene.said("a is lost; 01-linear_fit begins anew")


def test_a_worker_that_was_started_again_at_its_address_is_a_lost_host(tmp_path: Path, doer: Any) -> None:
    again = doer("a")
    again.only_lines = 3

    def restart() -> None:
        """Start the worker again between two looks: the addresses in the cluster are the same."""
        again.facts = replace(again.facts, process="another process")
        again.only_lines, again.key = None, ""

    scene = Scene(tmp_path / "run", again)
    scene.hosts.script = {4: restart}
    scene.run()
    assert_complete(scene)
    assert scene.headers()[0].instead_of == "a"
    assert (tmp_path / "run" / "01-linear_fit.jsonl.lost").exists()


def test_a_unit_that_loses_host_after_host_is_given_up_and_the_others_are_not(tmp_path: Path, doer: Any) -> None:
    scene = Scene(tmp_path / "run", *(doer(name) for name in "abcd"))

    def lose() -> None:
        for address, each in list(scene.hosts.doers.items()):
            if each.key.endswith("01-linear_fit"):
                del scene.hosts.doers[address]

    for each in scene.hosts.doers.values():
        each.only_lines = 0
    scene.hosts.script = dict.fromkeys(range(2, 20), lose)
    scene.hosts.script[8] = lambda: [setattr(each, "only_lines", None) for each in scene.hosts.doers.values()]
    fleet = scene.run()
    (failed,) = fleet.unfinished()
    assert failed.unit.task == "linear_fit"
    assert "3 hosts in a row were lost while they measured it" in failed.reason
    assert len(fleet.paths()) == 2


@pytest.mark.parametrize("ended", ["refused", "crashed"])
def test_a_host_that_cannot_measure_a_unit_is_not_asked_again_and_another_one_is(
    tmp_path: Path, doer: Any, ended: Any
) -> None:
    small = doer("small")
    small.answer, small.only_lines = Outcome(ended=ended, reason="too little memory"), None
    scene = Scene(tmp_path / "run", small, doer("large"))
    scene.run()
    assert_complete(scene)
    assert {host for _, _, host in scene.records()} == {"large"}
    keys = [order.key for order in small.orders]
    assert len(keys) == len(set(keys))
    assert scene.said("too little memory")


def test_a_unit_that_all_refuse_ends_no_other_and_the_run_ends_at_once(tmp_path: Path, doer: Any) -> None:
    only = doer("a")
    begin = only.begin

    def choosy(order: Order) -> None:
        begin(order)
        refuses = order.unit.task == "line_fit"
        only.answer = Outcome(ended="refused", reason="no data") if refuses else Outcome(ended="whole")

    only.begin = choosy
    scene = Scene(tmp_path / "run", only)
    fleet = scene.run()
    assert [(place.unit.task, place.reason) for place in fleet.unfinished()] == [("line_fit", "a: no data")]
    assert len(fleet.paths()) == 2
    assert scene.clock.now_s < WAIT_S


def test_without_hosts_the_run_waits_and_then_ends_with_what_it_has(tmp_path: Path, doer: Any) -> None:
    scene = Scene(tmp_path / "run", doer("a"))
    scene.hosts.script = {9: scene.hosts.doers.clear}
    fleet = scene.run()
    assert fleet.paths()
    assert fleet.unfinished()[0].reason == "there is no host"
    assert WAIT_S < scene.clock.now_s < WAIT_S + 90


def test_hosts_that_come_later_take_part_when_they_were_checked(tmp_path: Path, doer: Any) -> None:
    scene = Scene(tmp_path / "run", doer("a"))
    late, other = doer("late"), doer("other", versions={"numpy": "1.0"})
    scene.hosts.doers["tcp://0"].only_lines = 3
    scene.hosts.script = {3: lambda: scene.hosts.doers.update({"tcp://7": late, "tcp://8": other})}
    scene.hosts.script[20] = lambda: setattr(scene.hosts.doers["tcp://0"], "only_lines", None)
    scene.run()
    assert_complete(scene)
    assert {host for _, _, host in scene.records()} == {"a", "late"}
    assert other.orders == []


def test_hosts_that_differ_are_named_with_what_differs_and_left_out(tmp_path: Path, doer: Any) -> None:
    unlike = {
        "code": {"code": "0ther", "commit": "def"},
        "python": {"python": "CPython 3.12.0"},
        "numpy": {"versions": {"numpy": "2.0.0"}},
        "jax": {"versions": {"numpy": "2.4.6", "jax": "1.0"}},
        "variable": {"environment": {"OMP_NUM_THREADS": "1"}},
    }
    scene = Scene(tmp_path / "run", *(doer(name, **changes) for name, changes in unlike.items()), doer("good"))
    scene.hosts.told = {"tcp://9": "levelfield is not installed there"}
    scene.run()
    assert {host for _, _, host in scene.records()} == {"good"}
    for line in (
        "left out: code: code: c0de (commit abc) here, 0ther (commit def) there",
        "left out: python: Python: CPython 3.11.7 here, CPython 3.12.0 there",
        "left out: numpy: numpy: 2.4.6 here, 2.0.0 there",
        "left out: jax: jax: none here, 1.0 there",
        "left out: variable: variable OMP_NUM_THREADS: none here, 1 there",
        "left out: tcp://9: levelfield is not installed there",
    ):
        assert line in scene.heard.lines


def test_with_no_host_left_nothing_runs(tmp_path: Path, doer: Any) -> None:
    scene = Scene(tmp_path / "run", doer("a", code="0ther"))
    with pytest.raises(NoHost, match="every host differs from this machine and is left out: a: code"):
        scene.run()
    assert not (tmp_path / "run").exists()
    with pytest.raises(NoHost, match="the cluster has no workers"):
        Scene(tmp_path / "run").run()


def test_hosts_that_come_soon_after_the_first_are_there_when_a_run_is_planned(tmp_path: Path, doer: Any) -> None:
    scene = Scene(tmp_path / "run", doer("odd", code="0ther"))
    scene.hosts.script = {-995: lambda: scene.hosts.doers.update({"tcp://7": doer("a")})}
    scene.hosts.script[-985] = lambda: scene.hosts.doers.update({"tcp://8": doer("b")})
    assert {each.host for each in scene.begin().accepted.values()} == {"a", "b"}


def test_one_unit_at_a_time_on_a_machine_whatever_the_number_of_its_workers(tmp_path: Path, doer: Any) -> None:
    twins = [doer("a", process="one"), doer("a", process="two")]
    scene = Scene(tmp_path / "run", *twins)
    at_once: list[int] = []
    scene.hosts.script = {look: lambda: at_once.append(sum(bool(each.key) for each in twins)) for look in range(2, 30)}
    scene.run()
    assert_complete(scene)
    assert max(at_once) == 1


def test_rows_for_gpus_go_where_there_are_any_and_other_rows_to_other_hosts_first(tmp_path: Path, doer: Any) -> None:
    rows = (*ROWS, a_row("linear_fit", "torch", "eager", device="gpu"))
    scene = Scene(tmp_path / "run", doer("gpu", gpus=("an H100",)), doer("cpu"), plan=a_plan(rows))
    fleet = scene.run()
    assert fleet.paths()[3].name == "04-linear_fit-gpu.jsonl"
    by_task = {(row.task, row.device): host for row, _, host in scene.records()}
    assert by_task["linear_fit", "gpu"] == "gpu"
    assert by_task["linear_fit", "cpu"] == "cpu"


def test_without_a_gpu_units_for_gpus_say_so(tmp_path: Path, doer: Any) -> None:
    rows = (a_row("linear_fit"), a_row("linear_fit", "torch", "eager", device="gpu"))
    fleet = Scene(tmp_path / "run", doer("cpu"), plan=a_plan(rows)).run()
    assert [place.reason for place in fleet.unfinished()] == ["no host has an NVIDIA GPU"]


def test_every_host_measures_all_and_shares_no_unit(tmp_path: Path, doer: Any) -> None:
    scene = Scene(tmp_path / "run", doer("a"), doer("b"), plan=a_plan(machines={"a id-a": False, "b id-b": True}))
    fleet = scene.run()
    assert [path.name for path in fleet.paths()] == [
        f"{number:02}-{task}-{host}.jsonl"
        for number, (host, task) in enumerate(
            ((host, task) for host in "ab" for task in ("linear_fit", "line_fit", "iris_mlp")), start=1
        )
    ]
    assert sorted(scene.records()) == sorted((row, block, host) for row in ROWS for block in (0, 1) for host in "ab")
    assert {unit.goal.time_s for unit in scene.plan.units} == {GOAL.time_s / 3}


def forged(text: str) -> str:
    return text.replace('"schedule_seed":7', '"schedule_seed":8')


@pytest.mark.parametrize("change", [forged, lambda text: text.replace('"host":"a"', '"host":"b"'), lambda _: "junk\n"])
def test_what_a_host_sends_must_be_the_run_that_was_ordered(tmp_path: Path, doer: Any, change: Any) -> None:
    liar = doer("a")
    liar.change = change
    scene = Scene(tmp_path / "run", liar, doer("b"))
    scene.run()
    assert_complete(scene)
    assert {host for _, _, host in scene.records()} == {"b"}
    assert scene.said("what it sent is not the unit")
    assert list((tmp_path / "run").glob("*.lost"))


def test_a_lost_connection_is_waited_for_and_then_ends_the_client(tmp_path: Path, doer: Any) -> None:
    scene = Scene(tmp_path / "run", doer("a"))
    scene.hosts.script = {
        3: lambda: setattr(scene.hosts, "lost_connection", True),
        8: lambda: setattr(scene.hosts, "lost_connection", False),
    }
    assert not scene.run().unfinished()
    gone = Scene(tmp_path / "gone", doer("a"))
    gone.hosts.script = {3: lambda: setattr(gone.hosts, "lost_connection", True)}
    with pytest.raises(Unreachable, match="the cluster cannot be reached"):
        gone.run()
    assert UNREACHABLE_S < gone.clock.now_s < UNREACHABLE_S + 10 * POLL_S + 60


def test_a_host_whose_job_ends_leaves_its_unit_to_another(tmp_path: Path, doer: Any) -> None:
    ending = doer("a")
    ending.answer = Outcome(ended="late", reason="the job that this runs in ends in 60 s")
    scene = Scene(tmp_path / "run", ending, doer("b"))
    scene.run()
    assert_complete(scene)
    assert {host for _, _, host in scene.records()} == {"b"}


def test_a_folder_is_written_by_one_client_at_a_time(tmp_path: Path, doer: Any) -> None:
    scene = Scene(tmp_path / "run", doer("a"))
    scene.begin()
    other = Folder(tmp_path / "run")
    with scene.folder.locked(), pytest.raises(UserError, match="another run is writing"), other.locked():
        pass


def test_a_checked_host_that_is_gone_is_forgotten_and_checked_anew_when_it_is_back(tmp_path: Path, doer: Any) -> None:
    hosts, heard = FakeHosts(doer("a"), doer("b")), Heard()
    checked = Checked(HERE, heard)
    assert checked.look(hosts) == (["tcp://0", "tcp://1"], [])
    away = hosts.doers.pop("tcp://0")
    assert checked.look(hosts) == ([], ["tcp://0"])
    hosts.doers["tcp://0"] = away
    assert checked.look(hosts) == (["tcp://0"], [])


def test_the_header_of_a_made_up_host_is_that_of_the_order() -> None:
    plan = a_plan()
    order = Order(run="r", manner=plan.manner, unit=plan.units[0], instead_of="z")
    header = header_of(order, facts("a"))
    assert (header.rows, header.host, header.instead_of) == (plan.units[0].rows, "a", "z")
