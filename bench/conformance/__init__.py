"""Checks of what every backend must do, run in worker processes: `bench check-backend`, or a pytest class.

from bench.conformance import BackendConformance

class TestMine(BackendConformance):
    backend = "pocketgrad"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.conformance.suite import BackendConformance

__all__ = ["BackendConformance"]


def __getattr__(name: str) -> object:
    """Load the pytest class only when it is used: workers need only the checks of this package."""
    if name == "BackendConformance":
        from bench.conformance.suite import BackendConformance

        return BackendConformance
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
