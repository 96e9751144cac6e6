"""Fixtures of several tests, and which of them stay in one process where there are several."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import Tracer

from backends.registry import BUILT_IN


def pytest_configure() -> None:
    """Hide from whatever a test starts that pytest has several processes: pytest-benchmark would time nothing there."""
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"):
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def compile_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where compiled code is kept for the whole session, whose processes share it."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if own.name.startswith("popen-") else own) / "compiled"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def tracer(tmp_path_factory: pytest.TempPathFactory, compile_cache: Path) -> Iterator[Tracer]:
    """Compute traces in worker processes that live as long as the session."""
    tracer = Tracer(tmp_path_factory.mktemp("traces"), compile_cache)
    yield tracer
    tracer.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked `exhaustive` unless it is asked for by that name."""
    if "exhaustive" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("exhaustive")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


TOGETHER = (  # files whose tests share a process that is costly to start, or wait for one
    "backends/test_packages.py",
    "cli/test_pytest_bench.py",
    "conformance/test_conformance.py",
    "harness/test_interrupt.py",
    "harness/test_process.py",
)
ALL_ROWS = "test_a_row_follows_the_reference"  # all checked by one call


def group_of(node_id: str) -> str:
    """Return what a test has in common with those that have to run in the same process; its own name for nothing."""
    path, _, test = node_id.partition("::")
    if path.endswith(TOGETHER):
        return path
    if test.startswith(ALL_ROWS):
        return ALL_ROWS
    if path.endswith(("test_backends.py", "test_golden.py", "test_results.py")):
        backend = max((name for name in BUILT_IN if f"{name}-" in test), key=len, default="numpy")
        return f"{path} {backend}"  # whose process is kept
    return node_id


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Share the tests out by groups, the largest first."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return Groups(config, log)
