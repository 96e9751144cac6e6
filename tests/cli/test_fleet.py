"""`bench run --cluster` with made-up hosts in the place of Dask: what it prints, writes and ends with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fleet_hosts import Doer, FakeHosts
from msgspec.structs import replace
from run_files import Bench

from bench.fleet import dask_hosts, fleet
from bench.fleet.facts import facts_of_this_host
from bench.fleet.news import Outcome
from bench.records.runfile import read_run

RUN = ("run", "linear_fit", "iris_mlp", "--backend", "numpy", "--cluster", "tcp://x:1", "--out", "lab")


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHosts:
    folder = tmp_path.parent / f"{tmp_path.name}-hosts"
    folder.mkdir()
    here = facts_of_this_host()
    made = FakeHosts(*(Doer(replace(here, host=name, process=name), folder) for name in ("ada", "bob")))

    @contextmanager
    def connected(address: str) -> Iterator[FakeHosts]:
        assert address == "tcp://x:1"
        made.looks = -1000
        yield made

    monkeypatch.setattr(dask_hosts, "connected", connected)
    monkeypatch.setattr(fleet, "POLL_S", 0.0)
    monkeypatch.setattr("bench.fleet.checked.SETTLED_S", 0.0)
    monkeypatch.setattr("bench.fleet.checked.LEFT_OUT_S", 0.0)
    return made


def test_it_shows_the_results_of_all_units_and_where_they_are(bench_here: Bench, hosts: FakeHosts) -> None:
    result = bench_here(*RUN)
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("run files: lab (2 of 2 units)\n")
    assert "ada\nlinear_fit: numpy loop is the only row" in result.stdout
    assert "01-linear_fit begins on ada" in result.stderr
    header = read_run(Path("lab/02-iris_mlp.jsonl")).header
    assert header.host == "bob"
    again = bench_here("table", "lab")
    assert again.returncode == 0
    assert "iris_mlp" in again.stdout


def test_quiet_and_json(bench_here: Bench, hosts: FakeHosts) -> None:
    result = bench_here(*RUN, "--quiet")
    assert result.stderr == ""
    assert result.stdout.splitlines()[-1] == "run files: lab (2 of 2 units)"
    assert len(result.stdout.splitlines()) == 3
    result = bench_here("run", "--cluster", "tcp://x:1", "--resume", "lab", "--json")
    told = json.loads(result.stdout)
    assert (told["folder"], told["exit_code"], told["unfinished"]) == ("lab", 0, {})
    assert [each["run_file"] for each in told["runs"]] == ["lab/01-linear_fit.jsonl", "lab/02-iris_mlp.jsonl"]
    assert told["runs"][0]["rows"][0]["backend"] == "numpy"


def test_units_that_are_missing_are_a_failure_with_a_reason_and_a_way_on(bench_here: Bench, hosts: FakeHosts) -> None:
    for doer in hosts.doers.values():
        doer.answer = Outcome(ended="refused", reason="no \x1b[2Jroom")
    result = bench_here(*RUN)
    assert result.returncode == 1
    assert "01-linear_fit is not measured: ada: no \\x1b[2Jroom; bob: no \\x1b[2Jroom" in result.stdout
    way_on = "run files: lab (0 of 2 units). Continue with: bench run --cluster tcp://x:1 --resume lab\n"
    assert result.stdout.endswith(way_on)
    told = json.loads(bench_here("run", "--cluster", "tcp://x:1", "--resume", "lab", "--json").stdout)
    assert told["exit_code"] == 1
    assert "ada: no \x1b[2Jroom" in told["unfinished"]["02-iris_mlp"]  # JSON has no control characters


def test_a_folder_that_is_there_is_not_touched(bench_here: Bench, hosts: FakeHosts) -> None:
    bench_here(*RUN)
    before = {path: path.read_bytes() for path in Path("lab").iterdir()}
    result = bench_here(*RUN)
    assert result.returncode == 2
    assert result.stderr == "error: lab exists already; name another folder, or continue it with --resume lab\n"
    assert before == {path: path.read_bytes() for path in Path("lab").iterdir()}


def test_a_run_is_not_continued_with_other_versions(bench_here: Bench, hosts: FakeHosts) -> None:
    bench_here(*RUN)
    plan = Path("lab/plan.json")
    plan.write_text(plan.read_text().replace('"python":"CPython 3', '"python":"CPython 2'))
    result = bench_here("run", "--cluster", "tcp://x:1", "--resume", "lab")
    assert result.returncode == 5
    assert "error: lab was begun under other conditions: Python: CPython 2" in result.stderr
    assert "now; begin a new run" in result.stderr


def test_a_cluster_that_is_lost_ends_with_a_way_on(
    bench_here: Bench, hosts: FakeHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "UNREACHABLE_S", 0.0)
    hosts.script = {-996: lambda: setattr(hosts, "lost_connection", True)}
    result = bench_here(*RUN)
    assert result.returncode == 2
    assert result.stderr.endswith(
        "error: the cluster cannot be reached: gone; what has come is kept. "
        "Continue with: bench run --cluster tcp://x:1 --resume lab\n"
    )


def test_a_gpu_that_no_host_has_and_hosts_that_all_differ(bench_here: Bench, hosts: FakeHosts) -> None:
    result = bench_here(*RUN, "--device", "gpu")
    assert result.returncode == 2
    assert "no host of the cluster has an NVIDIA GPU" in result.stderr
    for doer in hosts.doers.values():
        doer.facts = replace(doer.facts, python="CPython 2.7.18", process=f"{doer.facts.process} again")
    hosts.cache = {}
    result = bench_here(*RUN)
    assert result.returncode == 2
    assert "error: every host differs from this machine and is left out: ada: Python: " in result.stderr
    assert not Path("lab").exists()


def test_hosts_with_gpus_bring_their_rows_where_the_client_has_none(bench_here: Bench, hosts: FakeHosts) -> None:
    gpu = hosts.doers["tcp://1"]
    gpu.facts = replace(gpu.facts, gpus=("an H100",))
    result = bench_here("run", "iris_mlp", "--backend", "torch", "--mode", "eager", *RUN[5:])
    assert result.returncode == 0, result.stderr
    runs = {path.name: read_run(path).header for path in Path("lab").glob("*.jsonl")}
    assert {name: header.host for name, header in runs.items()} == {
        "01-iris_mlp.jsonl": "ada",
        "02-iris_mlp-gpu.jsonl": "bob",
    }


@pytest.mark.parametrize("every", [True, False])
def test_every_host_or_any(bench_here: Bench, hosts: FakeHosts, every: Any) -> None:
    bench_here(*RUN, *(["--every-host"] if every else []))
    assert len(list(Path("lab").glob("*.jsonl"))) == (4 if every else 2)
