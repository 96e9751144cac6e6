"""Modes that compile, where compilation is switched off: they say so, and are not timed under their name."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support import ROOT

from backends.registry import BUILT_IN

OPEN = """
import sys
from backends.contract import Placement, Unsupported
from backends.registry import BUILT_IN
from bench.conformance.cases import classification
case = classification("float32")
backend = BUILT_IN[sys.argv[1]].load()
exec(sys.argv[2])
for mode in sys.argv[3:]:
    try:
        backend.open_trainer(case.problem, Placement(mode=mode, device="cpu", precision="float32", threads=1))
        print(f"{mode}: opened")
    except Unsupported as error:
        print(f"{mode}: {error}")
"""
EAGERLY = "import tensorflow; tensorflow.config.run_functions_eagerly(True)"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "before", "variables", "refused"),
    [
        ("torch", "", {"TORCHDYNAMO_DISABLE": "1"}, ["compile", "compile-pass"]),
        pytest.param(
            *("torch", "", {"TORCH_COMPILE_DISABLE": "1"}, ["compile", "compile-pass"]), marks=pytest.mark.exhaustive
        ),
        pytest.param("tensorflow", EAGERLY, {}, ["graph", "xla"], marks=pytest.mark.exhaustive),
        ("jax", "", {"JAX_DISABLE_JIT": "1"}, ["jit", "scan"]),
    ],
)
def test_a_mode_that_would_compile_nothing_is_unsupported(
    backend: str, before: str, variables: dict[str, str], refused: list[str]
) -> None:
    if BUILT_IN[backend].missing():
        pytest.skip(f"{backend} is not installed")
    modes = BUILT_IN[backend].modes
    command = [sys.executable, "-c", OPEN, backend, before, *modes]
    environment = {**os.environ, **variables}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    told = dict(line.split(": ", 1) for line in result.stdout.splitlines())
    assert [mode for mode in modes if "switched off here" in told[mode]] == refused
    assert {told[mode] for mode in modes if mode not in refused} <= {"opened"}
