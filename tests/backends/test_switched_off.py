"""Modes that compile, where compilation is switched off or not possible yet: they say so, and are not timed."""

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
OLDER = "import torch; torch.__version__ = torch.torch_version.TorchVersion('2.9.1+cpu')"
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
    told = opened(backend, before, variables)
    assert [mode for mode in told if "switched off here" in told[mode]] == refused
    assert {told[mode] for mode in told if mode not in refused} <= {"opened"}


@pytest.mark.slow
def test_an_older_pytorch_has_all_modes_but_the_loop_that_updates_in_place() -> None:
    told = opened("torch", OLDER, {})
    assert told.pop("compile-pass") == (
        "compile-pass needs PyTorch 2.13 on the CPU, for a loop that updates in place; this is 2.9.1+cpu"
    )
    assert set(told.values()) == {"opened"}


def opened(backend: str, before: str, variables: dict[str, str]) -> dict[str, str]:
    """Open a trainer in each mode, in a process of its own; return what came of it, by mode."""
    if BUILT_IN[backend].missing():
        pytest.skip(f"{backend} is not installed")
    command = [sys.executable, "-c", OPEN, backend, before, *BUILT_IN[backend].modes]
    environment = {**os.environ, **variables}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return dict(line.split(": ", 1) for line in result.stdout.splitlines())
