"""The command `bench sweep`."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from run_files import Bench

from bench.records.runfile import read_run

SWEEP = ("sweep", "thermometer_raw", "--vary", "epochs=50,100", "--backend", "misbehaving", "--quick", "--no-inference")


def test_a_sweep_prints_and_writes_what_it_found_and_can_be_gone_on_with_quietly(
    run_here: Bench, tmp_path: Path
) -> None:
    result = run_here(*SWEEP, "--mode", "right", "--mode", "raises", "--out", "s.jsonl")
    assert result.returncode == 1, result.stdout + result.stderr  # one of the modes raises
    assert "epochs 50" in result.stdout
    assert "epochs 100" in result.stdout
    assert "not ranked: misbehaving raises: failed: " in result.stdout
    frame = pd.read_csv(tmp_path / "s.csv")
    assert sorted(frame["epochs"]) == [50, 50, 100, 100]
    assert frame.loc[frame["mode"] == "right", "agrees"].astype(bool).all()
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    rows = read_run(tmp_path / "s.jsonl").header.rows
    assert {row.task for row in rows} == {"thermometer_raw:epochs=50", "thermometer_raw:epochs=100"}
    for name in ("s.csv", "s.png"):
        (tmp_path / name).unlink()
    again = run_here("sweep", "--resume", "s.jsonl", "--quiet", "--json")
    assert again.returncode == 1, again.stderr
    assert "[" not in again.stderr  # no progress, though the row that raises runs again
    found = json.loads(again.stdout)
    assert (found["exit_code"], found["table"], found["plot"]) == (1, "s.csv", "s.png")
    assert (tmp_path / "s.csv").is_file()
    assert (tmp_path / "s.png").is_file()
    assert len(found["rows"]) == 4


@pytest.mark.parametrize("name", ["s.csv", "s.png"])
def test_a_sweep_writes_over_no_file_beside_its_run_file(name: str, bench_here: Bench, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    result = bench_here("sweep", "thermometer_raw", "--vary", "epochs=50,100", "--backend", "numpy", "--out", "s.jsonl")
    assert result.returncode == 2
    assert f"{name} exists already, and a sweep writes there; name another run file by --out" in result.stderr
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sweep",), "error: bench sweep needs a task; choose from iris_mlp, "),
        (("sweep", "iris_mlp"), "a sweep needs two points at least"),
        (("sweep", "iris", "--vary", "epochs=1,2"), "unknown task 'iris'; choose from "),
        (("sweep", "iris_mlp", "--vary", "epoch=1,2"), "iris_mlp has no setting 'epoch'"),
        (("sweep", "iris_mlp", "--vary", "epochs=1,2", "--epochs", "3"), "epochs is set twice for iris_mlp:epochs=1"),
        (("sweep", "mnist_mlp", "--vary", "model.hidden=10,1000000x100000"), "100000 does not fit: it needs up to "),
    ],
)
def test_a_sweep_of_nothing_is_refused(
    arguments: tuple[str, ...], message: str, bench_here: Bench, tmp_path: Path
) -> None:
    result = bench_here(*arguments)
    assert result.returncode == 2, result.stdout
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []
