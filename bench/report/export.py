"""Result tables as files: Markdown, CSV, JSON, LaTeX, HTML and Parquet."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from bench.errors import UserError
from bench.report.formats import Format
from bench.report.text import in_markdown, visible


class CannotRender(UserError):
    """Raised if a format needs a package that is missing; the message says what to install."""


def listed(lines: Iterable[dict[str, str]], about: str) -> str:
    """Return lines, each a mapping from columns to cells, as a markdown table with a sentence below it."""
    return f"{_markdown(pd.DataFrame(list(lines)))}\n\n{about}.\n"


def tidy(lines: Iterable[dict[str, Any]]) -> str:
    """Return lines, each a mapping from columns to values, as CSV."""
    return pd.DataFrame(list(lines)).to_csv(index=False, float_format="%.6g")


def render(frame: pd.DataFrame, style: Format) -> str | bytes:
    """Return a frame in a format, as text, or as bytes for parquet. Raises `CannotRender`."""
    writers: dict[Format, Callable[[], str | bytes]] = {
        "markdown": lambda: _markdown(frame),
        "csv": lambda: frame.to_csv(index=False),
        "json": lambda: frame.to_json(orient="records", indent=1),
        "latex": lambda: _of_text(frame, visible).to_latex(index=False, escape=True),
        "html": lambda: _of_text(frame, visible).to_html(index=False),
        "parquet": lambda: _parquet(frame),
    }
    try:
        return writers[style]()
    except ImportError as error:
        raise CannotRender(f"{style} needs a package that is missing: pip install 'levelfield[report]'") from error


def _markdown(frame: pd.DataFrame) -> str:
    return _of_text(frame, in_markdown).to_markdown(index=False, disable_numparse=True)


def _of_text(frame: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """Return a frame whose texts are changed; numbers stay."""
    return frame.map(lambda cell: change(cell) if isinstance(cell, str) else cell)


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()
