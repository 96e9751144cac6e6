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
