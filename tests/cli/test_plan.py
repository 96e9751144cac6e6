"""`bench plan`: each line is an ordinary run, and all of them together are the run that was planned."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from run_files import Bench

from bench.cli import run as module
from bench.cli.app import app
from bench.cli.chosen import plan_for
from bench.records.schema import Row
from bench.runs.plan import Plan

CHOICES = (
    ("linear_fit", "iris_mlp"),
    ("mlp_regression", "linear_fit", "--quick"),
    (
        "mnist_mlp:batch_size=128",
        "--backend",
        "torch",
        "--backend",
        "numpy",
        "--set",
        "model.hidden=32,16",
        "--epochs",
        "2",
    ),
    ("iris_mlp", "--mode", "loop", "--precision", "float64", "--workers", "3", "--no-inference", "--warm-cache"),
    (
        "line_fit",
        "--device",
        "gpu",
        "--threads",
        "1",
        "--time-limit",
        "30",
        "--detect",
        "2%",
        "--data-dir",
        "a folder's",
    ),
    (),
)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Plan, Path, Any]]:
    """Remember what `bench run` would begin."""
    found: list[tuple[Plan, Path, Any]] = []

    def begin(options: Any, rows: tuple[Row, ...], path: Path) -> None:
        found.append((plan_for(options, rows, 1), path, options))
        raise typer.Exit(0)

    monkeypatch.setattr(module, "_begin", begin)
    monkeypatch.setattr(module, "gpu_names", lambda: ("an H100",))
    return found


@pytest.mark.parametrize(("words", "rounds"), [((), None), (("--quick",), 1), (("--quick", "--workers", "3"), 3)])
def test_a_quick_run_has_one_round_unless_it_is_told_otherwise(
    bench_here: Bench, begun: list[Any], words: tuple[str, ...], rounds: int | None
) -> None:
    assert bench_here("run", "linear_fit", *words).returncode == 0
    assert begun[0][0].goal.workers == rounds


@pytest.mark.parametrize("words", CHOICES, ids=" ".join)
def test_the_lines_are_the_run(bench_here: Bench, begun: list[Any], words: tuple[str, ...]) -> None:
    planned = bench_here("plan", *words, "--schedule-seed", "11", "--minutes", "40", "--out", "a folder")
    assert planned.returncode == 0, planned.stderr
    lines = planned.stdout.splitlines()
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "bench"
        assert bench_here(*arguments).returncode == 0
    bench_here(
        "run", *words, "--schedule-seed", "11", "--minutes", "40", "--device", "gpu" if "gpu" in words else "cpu"
    )
    *units, (whole, _, whole_options) = begun
    assert [row for plan, _, _ in units for row in plan.rows] == list(whole.rows)
    assert sum(plan.goal.time_s for plan, _, _ in units) == pytest.approx(whole.goal.time_s)
    for plan, path, options in units:
        assert len({row.task for row in plan.rows}) == 1
        assert (plan.seed, plan.settings, plan.inference, plan.warm_cache, plan.followed) == (
            whole.seed, whole.settings, whole.inference, whole.warm_cache, whole.followed
        )  # fmt: skip
        assert (plan.goal.workers, plan.goal.effect) == (whole.goal.workers, whole.goal.effect)
        assert (options.threads, options.time_limit, options.data_dir) == (
            whole_options.threads, whole_options.time_limit, whole_options.data_dir
        )  # fmt: skip
        assert path.parent == Path("a folder")
    assert len({path for _, path, _ in units}) == len(lines)


def test_it_says_how_long_to_ask_a_scheduler_for(bench_here: Bench) -> None:
    told = bench_here("plan", "linear_fit", "iris_mlp", "--minutes", "30", "--device", "cpu").stderr
    assert told == "2 command lines; ask the scheduler for 40 min for each\n"


def test_an_unknown_task_is_named(bench_here: Bench) -> None:
    result = bench_here("plan", "linear_fot")
    assert result.returncode == 2
    assert "unknown task 'linear_fot'" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("name", ["a\x1b[31m", "a\nb", "a\udcff"])
def test_a_folder_whose_name_cannot_be_shown_is_refused(name: str, bench_here: Bench) -> None:
    result = bench_here("plan", "linear_fit", "--backend", "numpy", "--out", name)
    assert (result.returncode, result.stdout) == (2, "")
    assert "a command line shows only printable characters" in result.stderr


def test_every_option_of_a_plan_is_one_of_a_run() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    plan, run = ({each.name: each.opts for each in commands[name].params} for name in ("plan", "run"))
    assert plan.items() <= run.items()
