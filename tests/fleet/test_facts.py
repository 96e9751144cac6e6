"""What a host says of itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from fleet_hosts import facts
from support import ROOT

from bench.fleet import facts as module
from bench.fleet.facts import Facts, facts_of_this_host, host_name, unlike, without_engine
from bench.fleet.units import encoded


def test_a_host_is_called_what_the_user_says_or_slurm_or_the_system() -> None:
    system = host_name({})
    assert system
    assert host_name({"SLURMD_NODENAME": "n17"}) == "n17"
    assert host_name({"SLURMD_NODENAME": "n17", "BENCH_HOST": "mine"}) == "mine"
    assert host_name({"BENCH_HOST": ""}) == system
    assert host_name({"BENCH_HOST": "\udcff"}) == "\\udcff"  # bytes that are no text


def test_the_facts_of_a_machine_are_those_of_its_runs_and_travel_as_text() -> None:
    found = facts_of_this_host(("r/1",))
    assert msgspec.json.decode(encoded(found), type=Facts) == found
    assert found.running == ("r/1",)
    assert not unlike(found, facts_of_this_host())


def test_the_digest_of_the_code_follows_any_source_and_not_the_place(tmp_path: Path) -> None:
    for package in ("bench", "backends"):
        subprocess.run(["cp", "-r", str(ROOT / package), str(tmp_path / package)], check=True)
    here = digest(ROOT)
    assert digest(tmp_path) == here
    (tmp_path / "backends" / "words.py").write_text((ROOT / "backends" / "words.py").read_text() + "# changed\n")
    assert digest(tmp_path) != here


def digest(root: Path) -> str:
    code = "from bench.fleet.facts import code_digest; print(code_digest())"
    environment = {**os.environ, "PYTHONPATH": str(root)}
    result = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


def test_texts_of_a_host_reach_no_terminal_as_control_characters() -> None:
    evil = facts("a", versions={"numpy": "\x1b[2J1.0"})
    (told,) = unlike(facts("b"), evil)
    assert "\x1b" not in told
    assert "\\x1b[2J1.0 there" in told


def test_what_dask_sets_for_its_workers_is_taken_away_and_what_the_user_sets_is_not() -> None:
    dask = {"OMP_NUM_THREADS": 1, "MKL_NUM_THREADS": 1, "MALLOC_TRIM_THRESHOLD_": 65536}
    found = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "4", "MALLOC_TRIM_THRESHOLD_": "65536", "HOME": "/h"}
    assert without_engine(found, dask) == {"MKL_NUM_THREADS": "4", "HOME": "/h"}


def test_outside_of_dask_nothing_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "distributed", raising=False)
    assert module.of_engine() == {}
