"""What to train, how long it took, and whether it was right."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["load"]


def load(paths: str | Path | Iterable[str | Path]) -> pd.DataFrame:
    """Return one line per process of these run files; see `bench.analysis.frame.load`."""
    from bench.analysis.frame import (
        load as load_frame,  # pandas takes half a second to import, and the command line has none
    )

    return load_frame(paths)
