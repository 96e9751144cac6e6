"""A run on hosts that are joined by a network, one of which is cut off midway."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from fleet_runs import (
    CHOICE,
    ENVIRONMENT,
    TASKS,
    WAIT_S,
    assert_same_as_plain,
    client,
    lines,
    plain_run,
    runs_in,
    until,
)

from bench.records.runfile import read_run


def loaded() -> ModuleType:
    """Return the script that makes the hosts."""
    spec = importlib.util.spec_from_file_location("namespaces", Path(__file__).with_name("namespaces.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["namespaces"] = module
    spec.loader.exec_module(module)
    return module


namespaces = loaded()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not namespaces.possible(), reason="no namespaces of the network can be made here"),
]


@pytest.fixture
def network() -> Iterator[namespaces.Network]:  # type: ignore[name-defined]
    with namespaces.network("ada", "bob", "cyd") as found:
        yield found


@pytest.mark.exhaustive
def test_a_host_that_is_cut_off_midway_costs_only_what_it_had_not_finished(
    tmp_path: Path,
    network: namespaces.Network,  # type: ignore[name-defined]
) -> None:
    plain, folder = plain_run(tmp_path, *CHOICE), tmp_path / "run"
    part = folder / "01-linear_fit.jsonl.part"
    with (
        namespaces.cluster(network, ENVIRONMENT) as address,
        client(tmp_path, *TASKS, *CHOICE, "--cluster", address, "--out", "run") as process,
    ):
        until(lambda: lines(part) > 1, "lines of the first unit", process)
        lost = read_run(part).header.host
        network.cut(lost)
        output, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, errors
    assert f"{lost} is lost; 01-linear_fit begins anew" in errors
    assert_same_as_plain(folder, plain)
    marks = {run.header.rows[0].task: (run.header.host, run.header.instead_of) for run in runs_in(folder)}
    host, instead_of = marks.pop("linear_fit")
    assert instead_of == lost
    assert host != lost
    assert {host for host, _ in marks.values()} <= {"ada", "bob", "cyd"} - {lost}
    assert {instead_of for _, instead_of in marks.values()} == {""}
    assert "run files: run (3 of 3 units)" in output


def test_every_host_measures_everything(tmp_path: Path) -> None:
    words = ("line_fit", "--backend", "numpy", "--quick", "--no-inference", "--every-host")
    with (
        namespaces.network("ada", "bob") as network,  # two are enough to tell this from sharing the work out
        namespaces.cluster(network, ENVIRONMENT) as address,
        client(tmp_path, *words, "--cluster", address, "--out", "run") as process,
    ):
        _, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, errors
    names = {each.name for each in (tmp_path / "run").glob("*.jsonl")}
    assert {run.header.host for run in runs_in(tmp_path / "run")} == {"ada", "bob"}
    assert {name.split("-", 1)[1] for name in names} == {f"line_fit-{host}.jsonl" for host in ("ada", "bob")}
