"""Runs the jobs of all selected benchmarks before the first one is reported."""

from __future__ import annotations

import shlex
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Any, TypeGuard, cast

import pytest
from rich.console import Console

from bench.errors import BadChoice, UserError
from bench.harness.setup import TIME_LIMIT_S, make_setup
from bench.records.runfile import Run
from bench.records.schema import Goal, Row
from bench.report.progress_bar import TerminalProgress
from bench.report.terminal import print_sentence
from bench.runs.plan import EFFECT, MAX_MINUTES, TIME_S, Plan, percent, random_seed
from bench.runs.session import begin, carry_out, default_path
from bench.tasks import HEADLINE


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that limit the measurement, as in `bench run`."""
    group = parser.getgroup("levelfield")
    group.addoption("--workers", type=_workers, help="take exactly N samples per row; no early stopping")
    group.addoption(
        "--detect",
        type=_detect,
        default=f"{EFFECT:.0%}",
        help="sample until a difference of this percentage is detectable",
    )
    group.addoption(
        "--minutes",
        type=_minutes,
        default=TIME_S / 60,
        help="time limit for sampling; after the first round of a task, none starts that would exceed it",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse several processes of pytest: each would begin a run of its own, and they would disturb each other."""
    if config.getoption("numprocesses", None) or config.getoption("dist", "no") != "no":
        left_out = "leave out -n, -d and --dist of pytest-xdist"
        raise pytest.UsageError(f"pytest bench times all rows side by side in one run; {left_out}")


def _workers(text: str) -> int:
    if (workers := int(text)) < 1:
        raise ArgumentTypeError(f"{workers} is not at least 1")
    return workers


def _detect(text: str) -> float:
    try:
        return percent(text, "--detect")
    except BadChoice as error:
        raise ArgumentTypeError(str(error)) from error


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0 <= minutes <= MAX_MINUTES:
        raise ArgumentTypeError(f"{text} is not between 0 and {MAX_MINUTES:,}")
    return minutes


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep only the headline tasks unless the user selects tests by -k, -m or name."""
    if config.option.keyword or config.option.markexpr or any("::" in argument for argument in config.args):
        return
    left_out = [item for item in items if _is_ours(item) and _row(item).task not in HEADLINE]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def finished(request: pytest.FixtureRequest) -> Run:
    """Run the jobs of all selected tests, interleaved, into a run file; return its content."""
    rows = tuple(_row(item) for item in request.session.items if _is_ours(item))
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        try:
            return measure(rows, request.config.getoption, Console(stderr=True))
        except UserError as error:
            pytest.exit(f"error: {error}", returncode=pytest.ExitCode.USAGE_ERROR)


def measure(rows: tuple[Row, ...], option: Callable[[str], Any], console: Console) -> Run:
    """Begin a run of these rows and carry it out; return the content of its file. Raises `UserError`.

    With --benchmark-disable each row is trained once, to see that it works, and the timed run is its only check.
    """
    setup = make_setup(None, TIME_LIMIT_S, None)
    disabled = bool(option("--benchmark-disable"))
    workers = 1 if disabled else option("--workers")
    goal = Goal(workers=workers, effect=option("--detect"), time_s=option("--minutes") * 60)
    seed = random_seed()
    plan = Plan(rows=rows, threads=setup.threads, settings={}, goal=goal, seed=seed, followed=not disabled)
    begun = begin(default_path("run"), plan, setup, shlex.join(["pytest", *sys.argv[1:]]))
    console.print()
    with TerminalProgress(console) as listener:
        finished = carry_out(begun, listener)
    path = finished.run.path
    if finished.interrupted:
        pytest.exit(f"interrupted; finished samples are kept. Continue with: bench run --resume {path}")
    print_sentence(console, f"run file: {path}")
    return finished.run


def _is_ours(item: pytest.Item) -> TypeGuard[pytest.Function]:
    return isinstance(item, pytest.Function) and "finished" in item.fixturenames


def _row(item: pytest.Function) -> Row:
    chosen = {name: cast(Any, item.callspec.params[name]) for name in ("task", "backend", "mode", "device")}
    return Row(**chosen, precision="float32")
