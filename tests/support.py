"""What several tests need: lines of run files, traces from worker processes, the command line, backends that misbehave.

The lines that are made up here are those of a run without a fault: they add up, and nothing in them raises a flag.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from backends.contract import Params, Problem
from backends.registry import BUILT_IN, REFERENCE, Entry, third_party
from bench.harness.live import record_of
from bench.harness.process import Worker, worker_environment
from bench.harness.protocol import Failure
from bench.harness.time_job import TimeRequest
from bench.machine.host import gpu_names, usable_cores
from bench.parity.arrays import load_trace, load_training_result
from bench.parity.jobs import ArraysRequest, TraceRequest, TrainRequest
from bench.parity.traces import Trace, TrainingResult
from bench.records.schema import (
    Block,
    Calibration,
    Goal,
    Header,
    Job,
    Line,
    Machine,
    ParityResult,
    Quality,
    Record,
    Resources,
    Row,
    Steady,
    Timing,
)
from bench.records.writing import RunFile
from bench.tasks import TASKS
from bench.tasks.datasets.fetch import Collection, DataMissing, find
from bench.tasks.datasets.folders import data_folders
from bench.tasks.names import find_task

ROOT = Path(__file__).resolve().parent.parent
FAKES = ROOT / "tests" / "fakes"
NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})
KINDS = [(entry.name, mode) for entry in BUILT_IN.values() for mode in entry.modes]
QUICK = {("numpy", "loop"), ("torch", "eager"), ("tensorflow", "graph"), ("jax", "jit")}  # one mode of each framework


def slow_but(quick: Container[tuple[str, str]], *marks: pytest.MarkDecorator, compiled: bool = True) -> list[Any]:
    """Return backend and mode of all rows as parameters of a test, each but the quick ones marked as slow.

    Without `compiled`, the compiled modes of PyTorch are exhaustive: they take ten seconds, and what is tested is the
    same for the eager mode, or is tested for them elsewhere.
    """
    found = []
    for kind in KINDS:
        slow = [] if kind in quick else [pytest.mark.slow]
        if not compiled and kind[1].startswith("compile"):
            slow.append(pytest.mark.exhaustive)
        found.append(pytest.param(*kind, marks=[*marks, *slow]))
    return found


def a_row(task: str, backend: str = "numpy", mode: str = "loop", **other: Any) -> Row:
    """Return a row, on the CPU in float32 unless told otherwise."""
    return Row(**{"task": task, "backend": backend, "mode": mode, "device": "cpu", "precision": "float32", **other})


def a_machine(**changes: Any) -> Machine:
    """Return a machine."""
    usual = {"system": "Linux", "cpu": "a CPU", "cores": 2, "memory_bytes": 8 * 2**30, "governor": "unknown"}
    return Machine(**{**usual, "gpus": (), "load": 0.0, **changes})


def a_header(*rows: Row, **changes: Any) -> Header:
    """Return the header of a run of these rows."""
    usual = {
        "created": "2026-01-01T00:00:00Z",
        "command": "bench run",
        "machine": a_machine(),
        "versions": {},
        "commit": "unknown",
        "threads": 2,
        "goal": Goal(workers=None, effect=0.05, time_s=1200.0),
        "schedule_seed": 0,
        "settings": {},
        "tasks": {},
        "rows": rows,
    }
    return Header(**{**usual, **changes})


def a_timing(*passes_s: float, **changes: Any) -> Timing:
    """Return where the time of a process with these passes went; its wall time is what that adds up to."""
    passes_s = passes_s or (1.0, 0.1, 0.1, 0.1, 0.1)
    steady_s = sum(passes_s[1:])
    usual = {
        "start_s": 0.125,
        "import_s": 1.0,
        "data_s": 0.0625,
        "setup_s": 0.5,
        "passes_s": passes_s,
        "evaluation_s": 0.25,
        "resets_s": 0.03125,
        "checks_s": 0.375,
        "wall_s": 0.0,
        "cpu_s": 2 * sum(passes_s),
        "steps_per_pass": 100,
        "rows_per_step": 32,
        "flops_per_pass": 6400,
        "read_s": (1e-5,) * len(passes_s),
        "reread_s": (1e-5,) * 3,
        "steady": Steady(window_s=steady_s, cpu_s=2 * steady_s, vanished_cpu_s=0.0, waited_s=0.0),
        "peak_memory_bytes": 5_000_000,
        "peak_device_memory_bytes": None,
        "product_flops_per_s": 1e11,
    }
    timing = Timing(**{**usual, **changes})
    return timing if "wall_s" in changes else replace(timing, wall_s=timing.phases_s)


# What raises a flag that is not unfair: threads that ended used half of the CPU time.
VANISHED = Steady(window_s=1.0, cpu_s=2.0, vanished_cpu_s=1.0, waited_s=0.0)


def a_quality(**changes: Any) -> Quality:
    """Return what a training came to."""
    usual = {"losses": (1.0, 0.5), "metric": "rmse", "value": 0.9, "parameters": None, "truth": ()}
    return Quality(**{**usual, **changes})


def a_record(
    row: Row, block: int = 0, *passes_s: float, timing: Mapping[str, Any] = NO_SETTINGS, **changes: Any
) -> Record:
    """Return the record of a process with these passes; with another status than ok, one that has none."""
    job = Job(row=row, threads=2, block=block)
    if changes.get("status", "ok") != "ok":
        return Record(**{"job": job, "reason": "no reason", **changes})
    times = a_timing(*passes_s, **timing)
    steps = times.steps_per_pass * (len(times.passes_s) - 1)  # a process that took turns has a loss for each
    usual = {
        "job": job,
        "status": "ok",
        "timing": times,
        "quality": a_quality(losses=(0.5,) * steps) if times.turns else a_quality(),
        "resources": Resources(cores=2, dtype=row.precision, framework="1.0"),
    }
    return Record(**{**usual, **changes})


def a_parity_result(row: Row, *, agrees: bool | None = True, **changes: Any) -> ParityResult:
    """Return a verdict: the row is right, unless told otherwise. One that is wrong is so from the first gradient on."""
    tier = "gradient" if agrees is False else ""
    return ParityResult(**{"row": row, "status": "ok", "agrees": agrees, "tier": tier, **changes})


def a_calibration(loop_s: float = 2e-3) -> Calibration:
    """Return the loops of a machine that is as fast at every moment."""
    return Calibration(loops_s=(loop_s,) * 10)


def a_block(task: str, block: int = 0, loop_s: float = 2e-3, **changes: Any) -> Block:
    """Return what a quiet machine did during a block; its calibration loop takes as long before as after."""
    usual = {
        "wall_s": 10.0,
        "before": a_calibration(loop_s),
        "after": a_calibration(loop_s),
        "foreign_cores": 0.0,
        "stolen_cores": 0.0,
    }
    return Block(**{"task": task, "block": block, **usual, **changes})


def write_run(path: Path, header: Header, lines: Iterable[Line] = ()) -> Path:
    """Write a run file; return its path. A header that names no rows gets those of the lines."""
    lines = tuple(lines)
    with RunFile.create(path, header if header.rows else replace(header, rows=rows_of(lines))) as run_file:
        for line in lines:
            run_file.append(line)
    return path


def rows_of(lines: Iterable[Line]) -> tuple[Row, ...]:
    """Return the rows that lines are about, each once; some row of a task of which there is only a round."""
    rows: dict[Row, None] = {}
    for line in lines:
        if isinstance(line, Record):
            rows[line.job.row] = None
        elif isinstance(line, ParityResult):
            rows[line.row] = None
    tasks = {row.task for row in rows}
    rounds = {line.task: None for line in lines if isinstance(line, Block)}
    return (*rows, *(a_row(task) for task in rounds if task not in tasks))


def require(row: Row) -> None:
    """Skip the test where the row's framework, device or data are not there."""
    if row.device == "gpu" and not gpu_names():
        pytest.skip("no NVIDIA GPU on this machine")
    entry = BUILT_IN[row.backend]
    if entry.missing():
        pytest.skip(f"not installed: {', '.join(entry.missing())}: {entry.install}")
    collection = find_task(row.task).data.collection
    if collection is not None:
        try:
            find(collection, data_folders(os.environ))
        except DataMissing as error:
            pytest.skip(str(error))


def draw_params(problem: Problem) -> Params:
    """Return parameters for the layers of a problem, the same at every call."""
    rng = np.random.default_rng(2)
    return tuple({name: rng.normal(size=shape) for name, shape in layer.shapes().items()} for layer in problem.layers)


def no_files(collection: Collection) -> dict[str, Path]:
    """Stand in for `find` where no file may be needed."""
    raise AssertionError(f"asked for {collection.name}")


def as_in_a_new_shell(**more: str) -> dict[str, str]:
    """Return an environment for commands of ours, with the misbehaving backend beside the others.

    It is without what imports of this process have set: scikit-learn sets variables of OpenMP.
    """
    usual = {name: value for name, value in os.environ.items() if not name.startswith("KMP_")}
    return {**usual, "PYTHONPATH": os.pathsep.join((str(ROOT), str(FAKES))), **more}


def run_bench(
    *arguments: str, cwd: Path, time_limit_s: float = 300, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, with the misbehaving backend beside the others."""
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=cwd,
        env=as_in_a_new_shell(**{"COLUMNS": "200", **environment}),
        capture_output=True,
        text=True,
        timeout=time_limit_s,
        check=False,
    )


def a_job(row: Row, settings: Mapping[str, Any] = NO_SETTINGS) -> Job:
    """Return the job of a row on one thread."""
    return Job(row=row, threads=1, block=0, settings=dict(settings))


def entries_in(folder: Path) -> dict[str, Entry]:
    """Return the backends that a folder of distributions brings, as a process that has it on its path finds them."""
    sys.path.insert(0, str(folder))
    try:
        return third_party()
    finally:
        sys.path.remove(str(folder))


class Tracer:
    """Computes traces in worker processes, one for each backend, in which all its modes are.

    A GPU has a process of its own, because a framework's first training decides which devices it uses.

    With one thread each: other tests run at the same time, and threads that wait for each other keep cores busy.
    """

    def __init__(self, folder: Path, compile_cache: Path) -> None:
        self.folder = folder
        self.compile_cache = compile_cache
        self.workers: dict[tuple[str, str], Worker] = {}
        self.references: dict[tuple[str, str], TrainingResult] = {}

    def worker(self, row: Row) -> Worker:
        """Return the worker of a row's backend."""
        key = (row.backend, row.device if gpu_names() else "cpu")
        if key not in self.workers:
            environment = worker_environment(os.environ, 1, self.compile_cache)
            environment["PYTHONPATH"] = str(ROOT / "tests")  # for jobs of tests
            self.workers[key] = Worker(cores=usable_cores(), environment=environment)
        return self.workers[key]

    def record(self, row: Row) -> Record:
        """Return the record of a timed run of the task."""
        record = record_of(TimeRequest(job=a_job(row), backend=BUILT_IN[row.backend]), self.worker(row), 300)
        assert record.status == "ok", f"{row}: {record.reason}\n{record.output}"
        return record

    def arrays(self, kind: type[ArraysRequest], row: Row, settings: Any) -> Path:
        """Return the file of arrays that a request of a kind leaves."""
        entry = (BUILT_IN | {REFERENCE.name: REFERENCE})[row.backend]
        request = kind(job=a_job(row, settings), backend=entry, folder=str(self.folder))
        reply = self.worker(row).run(request, 300)
        assert not isinstance(reply, Failure), f"{row}: {reply.reason}\n{reply.output}"
        return self.folder / f"{dict(settings).get('seed', TASKS[row.task].seed)}.npz"

    def trace(self, row: Row, settings: Any = NO_SETTINGS) -> Trace:
        """Return the gradient of the first batch, the losses, and the parameters at the end."""
        return load_trace(self.arrays(TraceRequest, row, settings))

    def reference(self, task: str, settings: Mapping[str, Any]) -> TrainingResult:
        """Return what NumPy comes to in float64, computed once."""
        key = (task, repr(sorted(settings.items())))
        if key not in self.references:
            self.references[key] = self.train(a_row(task, precision="float64"), settings)
        return self.references[key]

    def train(self, row: Row, settings: Any = NO_SETTINGS) -> TrainingResult:
        """Return losses, parameters and metric of the whole task."""
        return load_training_result(self.arrays(TrainRequest, row, settings))

    def close(self) -> None:
        for worker in self.workers.values():
            worker.end()
