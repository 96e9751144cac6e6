"""A result as one HTML file that needs nothing else: the summary first, a table for each task, dark or light."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from bench.report.document import Document, grouped
from bench.report.layout import NUMERIC
from bench.report.text import visible

if TYPE_CHECKING:
    from jinja2 import Environment

CLASSES = {  # of a row of a table, by its verdict
    "fastest": "best",
    "among the fastest": "best",
    "inconclusive": "open",
}


def as_html(document: Document) -> str:
    """Return the page. Raises `ImportError` without Jinja2."""
    page: str = _environment().get_template("table.html").render(document=document, numeric=NUMERIC)
    return page


@cache  # with the template, which takes longer to compile than to fill
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent)
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["visible"] = lambda text: visible(str(text))
    made.filters["kind"] = _kind
    made.filters["grouped"] = grouped
    return made


def _kind(verdict: str) -> str:
    """Return the class of a row with this verdict."""
    return "bad" if verdict.startswith("not ranked") else CLASSES.get(verdict, "")
