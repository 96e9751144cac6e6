"""First calls with a warm cache: the second process finds what the first one has compiled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as with_fields
from support import a_record, a_row

from backends.registry import BACKENDS
from bench.harness.process import worker_environment
from bench.harness.setup import make_setup
from bench.harness.warm import _start as start
from bench.harness.warm import compiles, start_warm
from bench.records.schema import Job

JOB = Job(row=a_row("thermometer_raw", "jax", "scan"), threads=1, block=0)
SETUP = make_setup(1, 60.0, None)


def kept(scratch: Path) -> dict[Path, int]:
    """Return the files with compiled code, and when each was written."""
    return {path: path.stat().st_mtime_ns for path in (scratch / "compiled" / "kept").rglob("*-cache")}


def test_the_second_process_of_jax_compiles_nothing_that_the_first_one_has_kept(tmp_path: Path) -> None:
    assert not start(JOB, SETUP, tmp_path).reason
    after_one = kept(tmp_path)
    assert not start(JOB, SETUP, tmp_path).reason
    assert after_one
    assert kept(tmp_path) == after_one


def test_a_start_has_times() -> None:
    warm = start_warm(JOB, SETUP)
    assert not warm.reason
    assert min(warm.import_s, warm.setup_s, warm.first_pass_s) > 0


def test_a_start_that_fails_has_a_reason() -> None:
    gone = replace(BACKENDS["jax"], module="backends.no_such_module")
    warm = start_warm(JOB, replace(SETUP, backends={"jax": gone}))
    assert warm.reason.startswith("failed: ModuleNotFoundError")
    assert warm.first_pass_s == 0


def test_timed_processes_keep_nothing(tmp_path: Path) -> None:
    environment = worker_environment({"JAX_COMPILATION_CACHE_DIR": "of the user"}, 1, tmp_path)
    assert "JAX_COMPILATION_CACHE_DIR" not in environment


@pytest.mark.parametrize(("first_s", "compiled"), [(0.3, True), (0.25, False), (0.05, False)])
def test_a_row_compiles_if_its_first_pass_is_much_longer_than_its_fastest(first_s: float, compiled: bool) -> None:
    record = a_record(a_row("iris_mlp"), 0, first_s, 0.4, 0.19, 0.2)
    assert compiles(record) is compiled
    assert not compiles(with_fields(record, timing=None))
