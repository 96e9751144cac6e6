"""Tasks to train, the harness that times them, and the checks that the results are right."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from bench.records.provenance import Kind

__all__ = ["compare", "load", "machines", "ratios"]

# What they need is imported in the functions: pandas takes half a second, and the command line does not need it.


def load(paths: str | Path | Iterable[str | Path]) -> pd.DataFrame:
    """Return the measurements in these run files, one row per worker process; see `bench.analysis.frame.load`."""
    from bench.analysis import frame

    return frame.load(paths)


def ratios(paths: str | Path | Iterable[str | Path], *, baseline: str = "") -> pd.DataFrame:
    """Return each row's time divided by the fastest's, or by the baseline's; see `bench.analysis.frame.ratios`."""
    from bench.analysis import frame

    return frame.ratios(paths, baseline=baseline)


def machines(paths: str | Path | Iterable[str | Path], *, baseline: str = "", each: bool = False) -> pd.DataFrame:
    """Return how each row's ratio differs from machine to machine; see `bench.analysis.frame.machines`."""
    from bench.analysis import frame

    return frame.machines(paths, baseline=baseline, each=each)


def compare(
    then: str | Path, now: str | Path, *, effect: float | None = None, allow: Collection[Kind] = ()
) -> pd.DataFrame:
    """Return how each row changed from one run file to another; see `bench.analysis.frame.compare`."""
    from bench.analysis import frame

    return frame.compare(then, now, effect=effect, allow=allow)
