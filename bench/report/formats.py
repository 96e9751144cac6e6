"""The file formats of a result table, and which one belongs to a file name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Format = Literal["markdown", "csv", "json", "latex", "html", "parquet"]


def default_format(path: Path | None) -> Format:
    """Return the format for the suffix of a file's name, markdown without a file."""
    known: dict[str, Format] = {
        ".csv": "csv", ".json": "json", ".tex": "latex", ".html": "html", ".parquet": "parquet"
    }  # fmt: skip
    return known.get(path.suffix, "markdown") if path else "markdown"
