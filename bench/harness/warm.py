"""First calls with a warm cache: what a program pays that has run before.

Two processes of a row follow each other, alone, with the same folder for compiled code. The first one fills it, the
second one is timed. The timed processes of a run have an empty folder each, and keep nothing: writing takes time too.
"""

from __future__ import annotations

from pathlib import Path

from bench.harness.protocol import Failure
from bench.harness.setup import WorkerSetup
from bench.harness.start_job import StartRequest
from bench.records.schema import Job, Record, WarmStart

# What a first pass takes longer than a later one, from which on there may be compiled code that is worth keeping.
WORTH_S = 0.1


def compiles(record: Record) -> bool:
    """Return whether the first pass of a process took so much longer than its later ones that it may have compiled."""
    timing = record.timing
    return timing is not None and bool(timing.steady_s) and timing.passes_s[0] - min(timing.steady_s) > WORTH_S


def start_warm(job: Job, setup: WorkerSetup) -> WarmStart:
    """Start a row twice with one folder for compiled code; return the times of the second start."""
    with setup.scratch() as scratch:
        filled = _start(job, setup, scratch)
        return filled if filled.reason else _start(job, setup, scratch)


def _start(job: Job, setup: WorkerSetup, scratch: Path) -> WarmStart:
    request = StartRequest(job=job, backend=setup.backends[job.row.backend])
    with setup.worker(scratch, job.threads) as worker:
        reply = worker.run(request, setup.time_limit_s)
    if isinstance(reply, Failure):
        return WarmStart(reason=f"{reply.status}: {reply.reason}")
    return WarmStart(import_s=reply.import_s, setup_s=reply.setup_s, first_pass_s=reply.first_pass_s)
