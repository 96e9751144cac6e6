"""The job that imports a framework and tells its version: whether workers can run in an environment at all."""

from __future__ import annotations

from backends.registry import Entry
from bench.harness.protocol import Done, Place, Request, place_of
from bench.harness.workbench import Workbench


class VersionRequest(Request[Done], frozen=True, kw_only=True):
    """A request for the version of a framework, in the environment of its backend."""

    backend: Entry

    @property
    def place(self) -> Place:
        """Where the code of the backend is."""
        return place_of(self.backend)

    def answer(self, workbench: Workbench) -> Done:
        """Import the backend; return the version as a note."""
        self.backend.load()
        return Done(note=self.backend.version() or "unknown")
