"""A client that comes anew: what another one, which is gone, has left in the folder and on the hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fleet_hosts import LINES_AT_ONCE, Scene, assert_complete

from bench.fleet.news import Outcome
from bench.fleet.units import Order


def test_units_that_are_whole_are_not_measured_again(tmp_path: Path, doer: Any) -> None:
    first = Scene(tmp_path / "run", doer("a"))
    first.run()
    content = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    idle = doer("a")
    again = Scene(tmp_path / "run", idle)
    assert not again.run().unfinished()
    assert idle.orders == []
    assert content == {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}


def cut_off(tmp_path: Path, doer: Any, lines: int) -> bytes:
    """Leave a folder as a client leaves it that is killed while host a measures the first unit; return what it has."""
    scene = Scene(tmp_path / "run", doer("a"))
    scene.begin()
    order = Order(run="r", manner=scene.plan.manner, unit=scene.plan.units[0])
    writer = doer("a")
    writer.begin(order)
    begun = b"".join(writer.content.splitlines(keepends=True)[:lines])
    (tmp_path / "run" / "01-linear_fit.jsonl.part").write_bytes(begun + b'{"type":"rec')  # the last write was cut off
    return begun


def test_an_unfinished_unit_goes_on_on_its_machine_from_the_lines_that_are_here(tmp_path: Path, doer: Any) -> None:
    begun = cut_off(tmp_path, doer, 4)
    other, same = doer("b"), doer("a", process="a new process")
    scene = Scene(tmp_path / "run", other, same)
    scene.run()
    assert_complete(scene)
    assert same.orders[0].unit.task == "linear_fit"
    assert same.orders[0].begun.encode() == begun
    assert (tmp_path / "run" / "01-linear_fit.jsonl").read_bytes().startswith(begun)
    assert scene.said("01-linear_fit goes on on a")
    assert not list((tmp_path / "run").glob("*.lost"))


def test_it_begins_anew_elsewhere_where_its_machine_is_not_there(tmp_path: Path, doer: Any) -> None:
    begun = cut_off(tmp_path, doer, 4)
    scene = Scene(tmp_path / "run", doer("b"))
    scene.run()
    assert_complete(scene)
    assert (scene.headers()[0].host, scene.headers()[0].instead_of) == ("b", "a")
    assert (tmp_path / "run" / "01-linear_fit.jsonl.lost").read_bytes() == begun


def test_a_machine_that_does_not_go_on_with_a_run_file_begins_anew(tmp_path: Path, doer: Any) -> None:
    cut_off(tmp_path, doer, 4)
    same = doer("a")
    begin = same.begin

    def changed(order: Order) -> None:
        begin(order)
        why = "it was begun under other conditions"
        same.answer = Outcome(ended="refused", reason=why) if order.begun else Outcome(ended="whole")

    same.begin = changed
    scene = Scene(tmp_path / "run", same)
    assert not scene.run().unfinished()
    assert_complete(scene)
    assert (tmp_path / "run" / "01-linear_fit.jsonl.lost").exists()


def test_a_unit_that_still_runs_is_taken_over_from_a_client_that_is_gone(tmp_path: Path, doer: Any) -> None:
    begun = cut_off(tmp_path, doer, 4)
    scene = Scene(tmp_path / "run", doer("a", running=("r/01-linear_fit", "other/01-linear_fit")))
    host = scene.hosts.doers["tcp://0"]
    host.begin(Order(run="r", manner=scene.plan.manner, unit=scene.plan.units[0]))
    assert host.content.startswith(begun)
    scene.run()
    assert_complete(scene)
    assert len(host.orders) == 3  # the first was given by the client that is gone
    assert scene.said("01-linear_fit still runs on a")
    assert "other/01-linear_fit" not in scene.hosts.ended  # of another run


def test_a_unit_that_runs_with_other_lines_than_those_here_is_ended(tmp_path: Path, doer: Any) -> None:
    cut_off(tmp_path, doer, 4)
    scene = Scene(tmp_path / "run", doer("b", running=("r/01-linear_fit",)))
    host = scene.hosts.doers["tcp://0"]
    host.begin(Order(run="r", manner=scene.plan.manner, unit=scene.plan.units[0]))
    scene.run()
    assert_complete(scene)
    assert scene.hosts.ended[0] == "r/01-linear_fit"
    assert not scene.said("still runs")


def test_an_interrupt_takes_the_last_lines_and_the_run_can_go_on(tmp_path: Path, doer: Any) -> None:
    only = doer("a")
    only.only_lines = 5
    scene = Scene(tmp_path / "run", only)

    def interrupt() -> None:
        raise KeyboardInterrupt

    scene.hosts.script = {4: interrupt}
    with pytest.raises(KeyboardInterrupt):
        scene.run()
    assert only.stopped
    part = tmp_path / "run" / "01-linear_fit.jsonl.part"
    assert part.read_bytes().count(b"\n") > LINES_AT_ONCE
    again = Scene(tmp_path / "run", doer("a"))
    assert not again.run().unfinished()
    assert_complete(again)
    assert again.said("01-linear_fit goes on on a")
