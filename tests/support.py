"""What several tests need: rows, traces from worker processes, the command line, backends that misbehave."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from backends.registry import BUILT_IN
from bench.datasets.files import Collection, DataMissing, data_folders, find
from bench.launch import Worker, worker_environment
from bench.machine import gpu_names, usable_cores
from bench.parity import Reference, Trace
from bench.records import Job, Quality, Record, Request, Row
from bench.tasks import TASKS
from bench.traces import load_reference, load_trace

ROOT = Path(__file__).resolve().parent.parent
FAKES = ROOT / "tests" / "fakes"
NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})
KINDS = [(entry.name, mode) for entry in BUILT_IN.values() for mode in entry.modes]


def a_row(task: str, backend: str = "numpy", mode: str = "loop", **other: Any) -> Row:
    """Return a row, on the CPU in float32 unless told otherwise."""
    return Row(**{"task": task, "backend": backend, "mode": mode, "device": "cpu", "precision": "float32", **other})


def require(row: Row) -> None:
    """Skip the test where the row's framework, device or data are not there."""
    if row.device == "gpu" and not gpu_names():
        pytest.skip("no NVIDIA GPU on this machine")
    entry = BUILT_IN[row.backend]
    if entry.version() is None:
        pytest.skip(f"{entry.framework} is not installed: {entry.install}")
    collection = TASKS[row.task].data.collection
    if collection is not None:
        try:
            find(collection, data_folders(os.environ))
        except DataMissing as error:
            pytest.skip(str(error))


def no_files(collection: Collection) -> dict[str, Path]:
    """Stand in for `find` where no file may be needed."""
    raise AssertionError(f"asked for {collection.name}")


def run_bench(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, with the misbehaving backend beside the others."""
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(FAKES))), "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


class Tracer:
    """Computes traces in worker processes, one process for each backend, mode and device."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workers: dict[tuple[str, str, str], Worker] = {}

    def ask(self, kind: Any, row: Row, settings: Any) -> tuple[Record, Path]:
        environment = worker_environment(os.environ, len(usable_cores()), self.folder / "compiled")
        key = (row.backend, row.mode, row.device)
        if key not in self.workers:
            self.workers[key] = Worker(cores=usable_cores(), environment=environment)
        job = Job(row=row, threads=len(usable_cores()), block=0, settings=dict(settings))
        path = self.folder / "trace.npz"
        record = self.workers[key].run(Request(kind=kind, job=job, trace_path=str(path)), 300)
        assert record.status == "ok", f"{row}: {record.reason}\n{record.output}"
        return record, path

    def trace(self, row: Row, settings: Any = NO_SETTINGS) -> Trace:
        """Return the gradient of the first batch, the losses, and the parameters at the end."""
        return load_trace(self.ask("trace", row, settings)[1])

    def time(self, row: Row) -> Quality:
        """Return what a timed run of the task comes to."""
        quality = self.ask("time", row, NO_SETTINGS)[0].quality
        assert quality is not None
        return quality

    def train(self, row: Row, settings: Any = NO_SETTINGS) -> Reference:
        """Return the same, and all losses and the metric of the whole task."""
        return load_reference(self.ask("reference", row, settings)[1])

    def close(self) -> None:
        for worker in self.workers.values():
            worker.__exit__()
