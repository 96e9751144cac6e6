"""`bench report`: run files as one page to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import console, reading

DEFAULT = Path("report.html")


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run files, folders of them, or stores.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="HTML file to write.")] = DEFAULT,
) -> None:
    """Write a page with the results of run files: tables that sort and filter, charts, verdicts, samples.

    It is one file that needs no network: open it in a browser, send it, or print it.
    """
    from bench.report.page.render import page_of

    reading.refuse_inputs(out, runs)
    console.require_ending(out, (".html", ".htm"), "a page")
    page = page_of(reading.read(runs))
    console.write(out, page)
    console.say(f"report: {out} ({len(page.encode()) / 1e6:.1f} MB)")
