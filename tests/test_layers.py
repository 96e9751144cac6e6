"""The layers of the code: who may import whom, and that nobody but a worker imports a framework."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

LOADERS = {f"backends.{name}_backend" for name in ("torch", "tensorflow", "jax", "keras", "sklearn")}
LOADERS |= {f"backends.{name}_layers" for name in ("torch", "tensorflow", "jax")}
LOADERS |= {f"backends.torch_{name}" for name in ("trainer", "dataloader", "compile_pass")}
LOADERS |= {f"backends.keras_{name}_backend" for name in ("torch", "tensorflow", "jax")}
# Each may import from those on its left; those of one group may import each other.
LAYERS = [
    {"backends.words", "backends.layout", "backends.contract"},
    {"backends", "backends.registry", "backends.numpy_layers"} | {"backends.numpy_backend", *LOADERS},
    {"bench.errors", "bench.kinds", "bench.records", "bench.audience"},
    {"bench.datasets", "bench.tasks", "bench.seeding", "bench.training"},
    {"bench.stats", "bench.flags", "bench.facts", "bench.flops", "bench.usage", "bench.calibration"}
    | {"bench.selftest", "bench.selftest.backend", "bench.selftest.faulty"},  # which workers train with
    {"bench.comparison", "bench.enough", "bench.noise", "bench.memory"},
    {"bench.plan", "bench.blocks", "bench.measure", "bench.parity", "bench.traces", "bench.envelope", "bench.rounding"}
    | {"bench.machine"},
    {f"bench.conformance.{name}" for name in ("cases", "subject", "interface", "behaviour", "checks")},
    {
        "bench.worker",
        "bench.launch",
        "bench.store",
        "bench.setup",
        "bench.verify",
        "bench.kept",
        "bench.sharing",
        "bench.stand",
        "bench.runner",
        "bench.session",
    }
    | {"bench.examination", "bench.doctor", "bench.conformance.examine"},
    {
        "bench.frames",
        "bench.growth",
        "bench.plots",
        "bench.growth_tables",
        "bench",
        "bench.tables",
        "bench.screen",
        "bench.progress",
        "bench.changes",
    }
    | {"bench.selftest.claims", "bench.selftest.run", "bench.selftest.planted", "bench.selftest.alarms"},
    {"bench.cli", "bench.__main__", "bench.bench_training", "bench.conftest"}
    | {"bench.conformance", "bench.conformance.suite"},
]
FRAMEWORKS = {"torch", "tensorflow", "jax", "keras", "sklearn"}
MODULES = sorted(path for package in ("backends", "bench") for path in (ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> int:
    """Return the layer of a module, or of the package that it is in."""
    for number, layer in enumerate(LAYERS):
        if module in layer:
            return number
    parent = module.rpartition(".")[0]
    assert parent not in ("", "bench", "backends"), f"{module} stands in no layer"
    return layer_of(parent)


def imports_of(source: str) -> set[str]:
    """Return the modules that a source imports, wherever in it, type checking aside."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            if node.module in ("bench", "backends"):
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def breaches(module: str, source: str) -> list[str]:
    """Return what a module imports and should not."""
    ours = {name for name in imports_of(source) if name.partition(".")[0] in ("bench", "backends")}
    upward = [name for name in ours if layer_of(name) > layer_of(module)]
    frameworks = {name.partition(".")[0] for name in imports_of(source)} & FRAMEWORKS
    return sorted([*upward, *(frameworks if module not in LOADERS else ())])


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_from_its_own_layer_and_those_below(path: Path) -> None:
    assert breaches(name_of(path), path.read_text()) == []


@pytest.mark.parametrize(
    ("module", "source", "breach"),
    [
        ("backends.contract", "from bench.records import Job", "bench.records"),
        ("bench.tasks.linear", "import bench.runner", "bench.runner"),
        ("bench.parity", "def late():\n    from bench import cli", "bench.cli"),
        ("bench.worker", "import torch.nn", "torch"),
        ("bench.worker", "from bench.selftest.run import selftest", "bench.selftest.run"),
        ("bench.selftest.backend", "from bench.flags import flags_of\nfrom bench import runner", "bench.runner"),
        ("bench.stats", "from bench.comparison import Comparisons", "bench.comparison"),
        ("bench.doctor", "from bench.screen import print_findings", "bench.screen"),
        ("bench.worker", "from bench.conformance.examine import examination\nimport bench.cli", "bench.cli"),
        ("bench.conformance.checks", "from bench.conformance.examine import Finding", "bench.conformance.examine"),
    ],
)
def test_a_breach_is_seen(module: str, source: str, breach: str) -> None:
    assert breach in breaches(module, source)


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(result.stdout.split())


HEAVY = FRAMEWORKS | {"scipy", "pandas"}
LIGHT = (
    *("bench", "bench.cli", "bench.runner", "bench.session", "bench.store", "bench.worker"),
    *("bench.doctor", "bench.examination", "bench.selftest", "bench.selftest.backend"),
    *("bench.bench_training", "bench.conftest", "bench.conformance.suite", "bench.conformance.checks"),
)


@pytest.mark.parametrize("module", LIGHT)
def test_importing_a_front_door_or_the_worker_loads_no_framework_and_neither_pandas_nor_scipy(module: str) -> None:
    assert loaded_by(f"import {module}") & HEAVY == set()


@pytest.mark.parametrize(
    ("module", "heavy"), [("bench.frames", "pandas"), ("bench.blocks", "scipy"), ("bench.changes", "scipy")]
)
def test_that_check_can_fail(module: str, heavy: str) -> None:
    assert heavy in loaded_by(f"import {module}")
