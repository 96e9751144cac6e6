"""Results as files: for people, and tables for programs."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pandas as pd

from bench.errors import UserError
from bench.report.document import Document
from bench.report.formats import ForPages, ForPrograms
from bench.report.html import as_html
from bench.report.latex import as_latex
from bench.report.markdown import as_github_summary, as_markdown
from bench.report.text import in_markdown

T = TypeVar("T")


class CannotRender(UserError):
    """Raised if a format needs a package that is missing; the message says what to install."""


def listed(lines: Iterable[dict[str, str]], about: str) -> str:
    """Return lines, each a mapping from columns to cells, as a markdown table with a sentence below it."""
    return f"{_markdown(pd.DataFrame(list(lines)))}\n\n{about}.\n"


def tidy(lines: Iterable[dict[str, Any]]) -> str:
    """Return lines, each a mapping from columns to values, as CSV."""
    return pd.DataFrame(list(lines)).to_csv(index=False, float_format="%.6g")


def render(frame: pd.DataFrame, style: ForPrograms) -> str | bytes:
    """Return a frame in a format, as text, or as bytes for parquet. Raises `CannotRender`."""
    writers: dict[ForPrograms, Callable[[], str | bytes]] = {
        "csv": lambda: frame.to_csv(index=False),
        "json": lambda: frame.to_json(orient="records", indent=1),
        "parquet": lambda: _parquet(frame),
    }
    return _written(writers[style], style)


def render_document(document: Document, style: ForPages) -> str:
    """Return a result in a format for people. Raises `CannotRender`."""
    writers: dict[ForPages, Callable[[Document], str]] = {
        "markdown": as_markdown,
        "github-summary": as_github_summary,
        "html": as_html,
        "latex": as_latex,
    }
    return _written(lambda: writers[style](document), style)


def _written(write: Callable[[], T], style: str) -> T:
    try:
        return write()
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
