"""The layers of the code, by folder: who may import whom, and that nobody but a worker imports a framework."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

# Each may import from itself and from those before it. `bench` imports from `backends`, never the other way round.
LAYERS = (
    "backends",
    "bench.errors",
    "bench.events",
    "bench.scratch",
    "bench.tasks",
    "bench.records",
    "bench.lessons",
    "bench.machine",
    "bench.analysis",
    "bench.merging",
    "bench.harness",
    "bench.parity",
    "bench.report",
    "bench.runs",
    "bench.fleet",
    "bench.conformance",
    "bench.selftest",
    "bench.cli",
)
DOORS = ("bench", "bench.__main__", "bench.conftest", "bench.bench_training")  # they may import everything
# What a backend is; they import no backend.
ABSTRACT = {"backends.words", "backends.layers", "backends.sequences", "backends.layout", "backends.contract"}
FRAMEWORKS = {"torch", "tensorflow", "jax", "keras", "sklearn"}
MODULES = sorted(path for package in ("backends", "bench") for path in (ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> int:
    """Return the number of the layer that a module is in."""
    if module in DOORS:
        return len(LAYERS)
    found = [number for number, layer in enumerate(LAYERS) if f"{module}.".startswith(f"{layer}.")]
    assert found, f"{module} stands in no layer"
    return found[0]


def may_load_a_framework(module: str) -> bool:
    """A backend may, and what its folder has for it; the core may not."""
    return module.startswith("backends.") and any(
        module.startswith((f"backends.{name}_", f"backends.{name}.")) for name in FRAMEWORKS
    )


def imports_of(source: str) -> set[str]:
    """Return the modules that a source imports, wherever in it, type checking included."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            if node.module == "bench":
                found |= {f"bench.{alias.name}" for alias in node.names}
    return found - {"bench"}


def breaches(module: str, source: str) -> list[str]:
    """Return what a module imports and should not."""
    ours = {name for name in imports_of(source) if name.partition(".")[0] in ("bench", "backends")}
    upward = {name for name in ours if layer_of(name) > layer_of(module)}
    if module in ABSTRACT:
        upward |= {name for name in ours if name not in ABSTRACT}
    frameworks = {name.partition(".")[0] for name in imports_of(source)} & FRAMEWORKS
    return sorted([*upward, *(frameworks if not may_load_a_framework(module) else ())])


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_from_its_own_layer_and_those_before(path: Path) -> None:
    assert breaches(name_of(path), path.read_text()) == []


@pytest.mark.parametrize(
    ("module", "source", "breach"),
    [
        ("backends.contract", "from bench.records.schema import Job", "bench.records.schema"),
        ("backends.words", "from backends.registry import BACKENDS", "backends.registry"),
        ("bench.tasks.catalog.linear", "import bench.runs.runner", "bench.runs.runner"),
        ("bench.records.schema", "from bench.machine.host import gpu_names", "bench.machine.host"),
        ("bench.parity.tiers", "def late():\n    from bench import cli", "bench.cli"),
        ("bench.harness.child", "import torch.nn", "torch"),
        ("backends.registry", "import jax", "jax"),
        ("bench.harness.child", "from bench.selftest.run import selftest", "bench.selftest.run"),
        ("bench.analysis.stats", "from bench.report import units", "bench.report"),
        ("bench.machine.doctor", "from bench.report.terminal import print_findings", "bench.report.terminal"),
        ("bench.conformance.checks", "from bench.selftest.faulty import FAULTS", "bench.selftest.faulty"),
        ("bench.events", "from bench.errors import UserError\nfrom bench.tasks import TASKS", "bench.tasks"),
    ],
)
def test_a_breach_is_seen(module: str, source: str, breach: str) -> None:
    assert breach in breaches(module, source)


def test_a_folder_that_stands_in_no_layer_is_seen() -> None:
    with pytest.raises(AssertionError, match="stands in no layer"):
        layer_of("bench.helpers.misc")


def test_every_layer_is_a_folder_or_a_file_that_is_there() -> None:
    paths = [ROOT / layer.replace(".", "/") for layer in LAYERS]
    assert [path for path in paths if not (path.is_dir() or path.with_suffix(".py").is_file())] == []


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(result.stdout.split())


HEAVY = FRAMEWORKS | {"scipy", "pandas", "dask", "distributed", "pyarrow"}
LIGHT = (
    *("bench", "bench.cli.app", "bench.runs.runner", "bench.runs.session", "bench.records.runfile"),
    *("bench.harness.child", "bench.harness.time_job", "bench.parity.jobs"),
    *("bench.machine.doctor", "bench.machine.probe", "bench.selftest", "bench.selftest.backend"),
    *("bench.fleet.at_host", "bench.fleet.at_unit", "bench.fleet.dask_hosts", "bench.fleet.fleet"),
    *("bench.bench_training", "bench.conftest", "bench.conformance.suite", "bench.conformance.checks"),
)


@pytest.mark.parametrize("module", LIGHT)
def test_importing_a_front_door_or_the_worker_loads_no_framework_and_neither_pandas_nor_scipy(module: str) -> None:
    assert loaded_by(f"import {module}") & HEAVY == set()


@pytest.mark.parametrize(
    ("module", "heavy"),
    [("bench.analysis.frame", "pandas"), ("bench.runs.schedule", "scipy"), ("bench.analysis.changes", "scipy")],
)
def test_that_check_can_fail(module: str, heavy: str) -> None:
    assert heavy in loaded_by(f"import {module}")


def test_what_a_run_tells_is_computed_without_pandas_and_the_frame_is_made_last() -> None:
    pure = ("columns", "scaling", "standing", "stopping", "changes")
    assert "pandas" not in loaded_by(f"import {', '.join(f'bench.analysis.{name}' for name in pure)}")


def test_whether_a_row_is_ranked_is_told_without_scipy() -> None:
    assert loaded_by("import bench.analysis.standing") & HEAVY == set()
