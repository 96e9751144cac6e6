"""Fixtures of several tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import Tracer


@pytest.fixture(scope="session")
def tracer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracer]:
    """Compute traces in worker processes that live as long as the session."""
    tracer = Tracer(tmp_path_factory.mktemp("traces"))
    yield tracer
    tracer.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked `exhaustive` unless it is asked for by that name."""
    if "exhaustive" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("exhaustive")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
