"""Runs the jobs of the selected benchmarks before the first of them is reported."""

from __future__ import annotations

import shlex
import sys
from argparse import ArgumentTypeError
from typing import Any, TypeGuard, cast

import pytest
from rich.console import Console

from bench.harness.setup import TIME_LIMIT_S, make_setup
from bench.records.runfile import Run, read_run
from bench.records.schema import Goal, Row
from bench.report.progress_bar import TerminalProgress
from bench.runs.plan import EFFECT, MAX_MINUTES, TIME_S, Plan, percent, random_seed
from bench.runs.runner import run_plan
from bench.runs.session import begin, default_path
from bench.tasks import HEADLINE


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the user choose how long to measure, as in `bench run`."""
    group = parser.getgroup("levelfield")
    group.addoption("--workers", type=_workers, help="so many processes a row, whatever they can tell")
    group.addoption("--detect", default=f"{EFFECT:.0%}", help="go on until a difference of this size would be seen")
    group.addoption(
        "--minutes", type=_minutes, default=TIME_S / 60, help="but begin no block that would end after that"
    )


def _workers(text: str) -> int:
    if (workers := int(text)) < 1:
        raise ArgumentTypeError(f"{workers} is not at least 1")
    return workers


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0 <= minutes <= MAX_MINUTES:
        raise ArgumentTypeError(f"{text} is not between 0 and {MAX_MINUTES:,}")
    return minutes


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the headline tasks where the user selects nothing; -k, -m and the names of tests select among all."""
    if config.option.keyword or config.option.markexpr or any("::" in argument for argument in config.args):
        return
    left_out = [item for item in items if _is_ours(item) and _row(item).task not in HEADLINE]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def finished(request: pytest.FixtureRequest) -> Run:
    """Run the jobs of all selected tests, interleaved, into a run file; return what is in it."""
    rows = [_row(item) for item in request.session.items if _is_ours(item)]
    setup = make_setup(None, TIME_LIMIT_S, None)
    option = request.config.getoption
    goal = Goal(workers=option("--workers"), effect=percent(option("--detect")), time_s=option("--minutes") * 60)
    plan = Plan(rows=tuple(rows), threads=setup.threads, settings={}, goal=goal, seed=random_seed())
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        console = Console(stderr=True)
        console.print()
        with (
            begin(default_path("run"), plan, shlex.join(["pytest", *sys.argv[1:]])) as run_file,
            TerminalProgress(console) as listener,
        ):
            run_plan(plan, setup, listener, run_file.append)
        console.print(f"run file: {run_file.path}", markup=False, highlight=False)
    return read_run(run_file.path)


def _is_ours(item: pytest.Item) -> TypeGuard[pytest.Function]:
    return isinstance(item, pytest.Function) and "finished" in item.fixturenames


def _row(item: pytest.Function) -> Row:
    chosen = {name: cast(Any, item.callspec.params[name]) for name in ("task", "backend", "mode", "device")}
    return Row(**chosen, precision="float32")
