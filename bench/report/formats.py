"""The file formats of a result table, and which one a file's name asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Format = Literal["markdown", "csv", "json", "latex", "html", "parquet"]


def default_format(path: Path | None) -> Format:
    """Return the format that a file's name tells, markdown for none."""
    known: dict[str, Format] = {
        ".csv": "csv", ".json": "json", ".tex": "latex", ".html": "html", ".parquet": "parquet"
    }  # fmt: skip
    return known.get(path.suffix, "markdown") if path else "markdown"
