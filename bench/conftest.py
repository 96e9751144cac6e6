"""Runs the jobs of the selected benchmarks before the first of them is reported."""

from __future__ import annotations

import sys
from typing import Any, TypeGuard, cast

import pytest
from rich.console import Console

from bench.plan import DEFAULT_WORKERS, schedule
from bench.progress import TerminalWatcher
from bench.records import Row
from bench.runner import TIME_LIMIT_S, make_setup, run_jobs
from bench.session import begin, default_path
from bench.store import Run, read_run
from bench.tasks import HEADLINE


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
    jobs = schedule(rows, workers=DEFAULT_WORKERS, threads=setup.threads, settings={})
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        console = Console(stderr=True)
        console.print()
        with (
            begin(default_path(), jobs, {}, " ".join(["pytest", *sys.argv[1:]])) as run_file,
            TerminalWatcher(console) as watcher,
        ):
            run_jobs(jobs, setup, watcher, run_file.append)
        console.print(f"run file: {run_file.path}", markup=False, highlight=False)
    return read_run(run_file.path)


def _is_ours(item: pytest.Item) -> TypeGuard[pytest.Function]:
    return isinstance(item, pytest.Function) and "finished" in item.fixturenames


def _row(item: pytest.Function) -> Row:
    chosen = {name: cast(Any, item.callspec.params[name]) for name in ("task", "backend", "mode", "device")}
    return Row(**chosen, precision="float32")
