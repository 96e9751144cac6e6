"""Tasks to train, the harness that times them, and the checks that the results are right."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["load"]


def load(paths: str | Path | Iterable[str | Path]) -> pd.DataFrame:
    """Return the measurements in these run files, one row per worker process; see `bench.analysis.frame.load`."""
    # Imported here because pandas takes half a second, and the command line does not need it.
    from bench.analysis.frame import load as load_frame

    return load_frame(paths)
