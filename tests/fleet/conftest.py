"""Hosts that are made up, for several files of tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fleet_hosts import Doer, facts


@pytest.fixture
def doer(tmp_path: Path) -> Any:
    folder = tmp_path / "hosts"
    folder.mkdir()
    return lambda host, **changes: Doer(facts(host, **changes), folder)
