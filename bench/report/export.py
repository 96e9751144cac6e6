"""Result tables as files: Markdown, CSV, JSON, LaTeX, HTML and Parquet."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from bench.errors import UserError
from bench.report.formats import Format


class CannotRender(UserError):
    """Raised if a format needs a package that is missing; the message says what to install."""


def listed(lines: Iterable[dict[str, str]], about: str) -> str:
    """Return lines, each a mapping from columns to cells, as a markdown table with a sentence below it."""
    frame = pd.DataFrame(list(lines))
    return f"{frame.to_markdown(index=False, disable_numparse=True)}\n\n{about}.\n"


def tidy(lines: Iterable[dict[str, Any]]) -> str:
    """Return lines, each a mapping from columns to values, as CSV."""
    return pd.DataFrame(list(lines)).to_csv(index=False, float_format="%.6g")


def render(frame: pd.DataFrame, style: Format) -> str | bytes:
    """Return a frame in a format, as text, or as bytes for parquet. Raises `CannotRender`."""
    writers: dict[Format, Callable[[], str | bytes]] = {
        "markdown": lambda: frame.to_markdown(index=False, disable_numparse=True),
        "csv": lambda: frame.to_csv(index=False),
        "json": lambda: frame.to_json(orient="records", indent=1),
        "latex": lambda: frame.to_latex(index=False, escape=True),
        "html": lambda: frame.to_html(index=False),
        "parquet": lambda: _parquet(frame),
    }
    try:
        return writers[style]()
    except ImportError as error:
        raise CannotRender(f"{style} needs a package that is missing: pip install 'levelfield[report]'") from error


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()
