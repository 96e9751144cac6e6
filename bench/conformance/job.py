"""The job of a worker process that runs one conformance check."""

from __future__ import annotations

from backends.contract import Placement
from backends.registry import Entry
from bench.conformance.checks import CHECKS, run_check
from bench.conformance.writes import written
from bench.harness.protocol import Done, Place, Request, place_of
from bench.harness.workbench import Workbench


class CheckRequest(Request[Done], frozen=True, kw_only=True):
    """A request to run one check on a backend. Checks have cases of their own, so it names no task."""

    check: str  # its name
    backend: Entry
    placement: Placement

    @property
    def place(self) -> Place:
        """Where the code of the backend is."""
        return place_of(self.backend)

    def answer(self, workbench: Workbench) -> Done:
        """Run the check. Raises `Violation` if it fails, `Unsupported` if no case is supported."""
        written()  # from the first check on, for the one that looks at it
        return Done(note=run_check(CHECKS[self.check], self.backend, self.placement))
