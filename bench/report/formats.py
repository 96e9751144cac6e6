"""The file formats of a result table, and which one belongs to a file name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from bench.errors import BadChoice

ForPages = Literal["markdown", "github-summary", "html", "latex"]
ForPrograms = Literal["csv", "json", "parquet"]
ForTrackers = Literal["bmf", "github-action-benchmark"]
ForFiles = Literal[ForPages, ForPrograms]
Format = Literal["terminal", ForPages, ForPrograms, ForTrackers]

PAGES: tuple[ForPages, ...] = get_args(ForPages)
PROGRAMS: tuple[ForPrograms, ...] = get_args(ForPrograms)
TRACKERS: tuple[ForTrackers, ...] = get_args(ForTrackers)

ENDINGS: dict[str, Format] = {
    "": "markdown",
    ".md": "markdown",
    ".markdown": "markdown",
    ".txt": "markdown",
    ".csv": "csv",
    ".json": "json",
    ".tex": "latex",
    ".html": "html",
    ".htm": "html",
    ".parquet": "parquet",
}


def default_format(path: Path | None) -> Format:
    """Return the format for the ending of a file's name, markdown without a file. Raises `BadChoice` for others."""
    ending = ending_of(path) if path else ""
    if ending not in ENDINGS:
        known = ", ".join(filter(None, ENDINGS))
        raise BadChoice(f"no table can be written as {ending} ({path}); name a file that ends in {known}, or --format")
    return ENDINGS[ending]


def ending_of(path: Path) -> str:
    """Return the ending of a file's name in lower case, with its point; a name such as `.csv` is one."""
    name = path.name.lower()
    return name[name.rindex(".") :] if "." in name else ""
