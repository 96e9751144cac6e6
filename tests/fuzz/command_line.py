"""The command line in this process, where everything that would start a process, download or measure is a fake."""

from __future__ import annotations

import codecs
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from run_file_cases import bases
from scratch import scratch
from support import a_machine, a_parity_result, a_quality, a_record, a_row
from typer.main import get_command

from bench.cli.app import app, exit_code
from bench.cli.streams import PLAINLY, plainly
from bench.conformance.examine import BackendFinding
from bench.errors import UserError
from bench.harness.job import task_of
from bench.machine.doctor import MachineFinding
from bench.records.lines import NotARunFile
from bench.records.runfile import read_run
from bench.records.schema import ParityResult, Row
from bench.runs.session import BegunRun, FinishedRun
from bench.selftest.alarms import Trial
from bench.selftest.caught import HONEST, Caught
from bench.selftest.claims import Claim
from bench.selftest.faulty import FAULTS
from bench.selftest.planted import Catch
from bench.selftest.run import Part
from bench.tasks.datasets.fetch import DataMissing

COMMAND = get_command(app)  # which Typer makes at every start
MOST_ROWS = 2  # that a run which is made up has times of


def _carry_out(begun: BegunRun, listener: object) -> FinishedRun:
    """Return a run of made-up times of its first rows; nothing is trained."""
    plan = begun.plan
    with begun.run_file as file:
        for row in plan.rows[:MOST_ROWS]:
            if ":" not in row.task:  # a sweep would draw a picture of them
                job = plan.job(row, 0)
                file.append(a_record(row, job=job, quality=a_quality(metric=task_of(job).metric)))
                file.append(a_parity_result(row, settings=job.settings))
    try:
        return FinishedRun(run=read_run(file.path), interrupted=False)
    except NotARunFile as error:
        raise AssertionError("a run file was written that cannot be read") from error


def _check_parity(rows: Iterable[Row], *rest: object) -> Iterator[ParityResult]:
    return map(a_parity_result, rows)


@contextmanager
def _examination(*rest: object) -> Iterator[Any]:
    yield SimpleNamespace(
        all=lambda: [BackendFinding(check="shapes", mode="loop", status="fails", reason="why")], wrong=False
    )


def _fetch(*rest: object) -> dict[str, Path]:
    raise DataMissing("nothing is fetched here")


def _no_process(*rest: object, **others: object) -> None:
    raise AssertionError("a process was started")


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    raise UserError(f"there is no scheduler at {address}")
    yield


ROW = a_row("linear_fit")
FAKES: dict[str, Any] = {
    "bench.cli.run.carry_out": _carry_out,
    "bench.cli.ab.carry_out": _carry_out,
    "bench.cli.reading.gc": SimpleNamespace(freeze=lambda: None),  # garbage of earlier cases would never be freed
    "bench.cli.ab.version_of": lambda *_: "1.0",
    "bench.runs.session.require_alone": lambda: None,
    "bench.runs.session.this_machine": a_machine,
    "bench.runs.session.versions": dict,
    "bench.runs.session.commit": lambda: "unknown",
    "bench.runs.session.settings_of_frameworks": lambda *_: {},
    **{f"bench.cli.{name}.gpu_names": tuple for name in ("run", "plan", "ab", "parity", "machine", "selftest")},
    "bench.fleet.dask_hosts.connected": _connected,
    "bench.cli.parity.check_parity": _check_parity,
    "bench.conformance.examine.examination": _examination,
    "bench.cli.machine.fetch": _fetch,
    "bench.harness.executor.calibrate_machine": lambda *_: (),
    "bench.machine.probe.probe_machine": lambda **_: None,
    "bench.machine.doctor.findings": lambda _: [MachineFinding("load", "bad", "high", "end it")],
    "bench.cli.selftest.alone": ExitStack,
    "bench.cli.selftest._about": lambda threads: "made up",
    "bench.selftest.run.selftest": lambda *_: iter([Part("precision", 0, SimpleNamespace(), (a_record(ROW),))]),
    "bench.selftest.run.claims_of": lambda _: (Claim("a claim", "5", "6", holds=False),),
    "bench.selftest.planted.catches": lambda *_, **__: iter(
        [Catch(next(iter(FAULTS)), "linear_fit", "gradient", "why")]
    ),
    "bench.selftest.caught.caught_cheats": lambda *_: iter([Caught(HONEST, "linear_fit", "nothing", "")]),
    "bench.selftest.alarms.trials": lambda *_: iter([[Trial(ROW, 0, 0.0, 0.0, 0.0, 0.0, 0.0, "")]]),
}


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: object
    output: str
    errors: str


@cache
def _folder() -> Path:
    folder = scratch() / "cli"
    folder.mkdir()
    return folder


INPUTS = ("run.jsonl", "sweep.jsonl", "old.jsonl", "bad.jsonl")


def inputs() -> dict[str, bytes]:
    """Return the files that commands find, by name."""
    return dict(zip(INPUTS, (*bases()[:3], b"not a run\n"), strict=True))


def fill() -> None:
    """Empty the folder in which commands run, but for the input files and an empty folder."""
    for each in os.scandir(_folder()):
        if each.is_dir(follow_symlinks=False):
            shutil.rmtree(each.path)
        else:
            Path(each.path).unlink()
    for name, content in inputs().items():
        (_folder() / name).write_bytes(content)
    (_folder() / "folder").mkdir()


def content_of(name: str) -> bytes:
    """Return the content of an input file after a command; empty if it is gone."""
    path = _folder() / name
    return path.read_bytes() if path.exists() else b""


def run(arguments: list[str]) -> Ended:
    """Run a command in its folder. Raises whatever it raises but the end of the process."""
    fill()
    codecs.register_error(PLAINLY, plainly)
    output, errors = (io.TextIOWrapper(io.BytesIO(), "utf-8", PLAINLY) for _ in range(2))
    before = Path.cwd()
    with ExitStack() as fakes:
        for name, fake in FAKES.items():
            fakes.enter_context(patch(name, fake))
        fakes.enter_context(patch.object(subprocess.Popen, "__init__", _no_process))
        fakes.enter_context(patch("bench.cli.app.app", COMMAND))
        fakes.enter_context(patch.object(sys, "argv", ["bench", *arguments]))
        os.chdir(_folder())
        try:
            with redirect_stdout(output), redirect_stderr(errors):
                code = exit_code()
        finally:
            os.chdir(before)
    for stream in (output, errors):
        stream.flush()
    return Ended(code, *(stream.buffer.getvalue().decode() for stream in (output, errors)))  # type: ignore[attr-defined]
