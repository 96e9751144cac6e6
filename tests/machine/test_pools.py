"""Looking for libraries with pools of threads changes nothing that a run file tells of its environment."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support import ROOT

from bench.machine.pools import ITS_VARIABLE

LOOKS = """
import os
import numpy
before = dict(os.environ)
from bench.machine.pools import libraries_with_pools
import bench.cli.app, bench.harness.executor, bench.harness.read_back, bench.runs.session
from bench.machine.host import this_machine
this_machine()
print(len(libraries_with_pools()), {name for name, value in os.environ.items() if before.get(name) != value})
"""


@pytest.mark.parametrize("usual", [{}, {ITS_VARIABLE: "FALSE"}])
def test_the_environment_stays_as_it_was(usual: dict[str, str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != ITS_VARIABLE}
    command = [sys.executable, "-c", LOOKS]
    env = {**environment, "PYTHONPATH": str(ROOT), **usual}
    found = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    count, changed = found.split(maxsplit=1)
    assert int(count) >= 1
    assert changed.strip() == "set()"
