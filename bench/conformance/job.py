"""The job of a worker process that runs one check of the conformance kit."""

from __future__ import annotations

from bench.harness.job import entry_of, placement_of
from bench.records.schema import Record, Request


def check_job(request: Request) -> Record:
    """Hold one check of the conformance kit against a backend."""
    from bench.conformance.checks import CHECKS, hold  # which no other job has a use for

    job = request.job
    return Record(job=job, status="ok", reason=hold(CHECKS[request.check], entry_of(job), placement_of(job)))
