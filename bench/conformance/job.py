"""The job of a worker process that runs one check of the conformance kit."""

from __future__ import annotations

from backends.contract import Placement
from backends.registry import Entry
from bench.conformance.checks import CHECKS, run_check
from bench.harness.protocol import Done, Request


class CheckRequest(Request[Done], frozen=True, kw_only=True):
    """Run one check on a backend; it opens cases of its own, so that there is no task."""

    check: str  # its name
    backend: Entry
    placement: Placement

    def answer(self) -> Done:
        """Run it. Raises `Violation` where it fails, `Unsupported` where it could be tried on nothing."""
        return Done(note=run_check(CHECKS[self.check], self.backend, self.placement))
