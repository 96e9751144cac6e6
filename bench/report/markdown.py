"""A result as Markdown, for a page or a pull request, and for the summary page of a job on GitHub. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pandas as pd

from bench.report.document import Document, P, Panel, Section, grouped
from bench.report.layout import NUMERIC
from bench.report.names import counted
from bench.report.text import in_markdown


def as_markdown(document: Document) -> str:
    """Return a result with its summary first, then a table under a heading for each task, then what is behind it."""
    panels = _under_groups(document.panels, "##", lambda each: (f"### {in_markdown(each.title)}", *_panel(each)))
    sections = _under_groups(document.sections, "##", lambda each: (f"### {in_markdown(each.title)}", *_section(each)))
    parts = [*_summary(document), *panels, *sections]
    return "\n\n".join(parts) + "\n"


def as_github_summary(document: Document) -> str:
    """Return a result for a job's summary page: the summary is seen at once, the details open at a click."""
    panels = _under_groups(document.panels, "###", _folded_panel)
    sections = _under_groups(
        document.sections, "###", lambda each: _folded(f"<b>{in_markdown(each.title)}</b>", _section(each))
    )
    parts = [f"## {in_markdown(document.title)}", *_summary(document), *panels, *sections]
    return "\n\n".join(parts) + "\n"


def _under_groups(parts: Iterable[P], mark: str, written: Callable[[P], Iterable[str]]) -> Iterator[str]:
    """Yield parts as they are written, below a heading for each group."""
    for group, members in grouped(parts):
        if group:
            yield f"{mark} {in_markdown(group)}"
        for each in members:
            yield from written(each)


def _folded_panel(panel: Panel) -> Iterator[str]:
    return _folded(f"<b>{in_markdown(panel.title)}</b>: {counted(len(panel.table), 'row')}", _panel(panel))


def _folded(title: str, parts: Iterable[str]) -> Iterator[str]:
    """Yield what opens at a click on its title; GitHub wants an empty line before the Markdown in it."""
    yield f"<details><summary>{title}</summary>"
    yield from parts
    yield "</details>"


def _summary(document: Document) -> Iterator[str]:
    for group, lines in grouped(document.summary):
        if group:
            yield f"**{in_markdown(group)}**"
        yield "\n".join(f"- **{in_markdown(line.about)}**: {in_markdown(line.text)}" for line in lines)
    yield from map(in_markdown, document.remarks)


def _panel(panel: Panel) -> Iterator[str]:
    if panel.about:
        yield f"{in_markdown(panel.about[:1].upper() + panel.about[1:])}."
    yield table(panel.table)
    if panel.notes:
        yield _list(panel.notes)


def _section(section: Section) -> Iterator[str]:
    if section.about:
        yield in_markdown(section.about)
    yield _list(section.sentences)


def _list(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {in_markdown(sentence)}" for sentence in sentences)


def table(cells: pd.DataFrame) -> str:
    """Return a table of texts, without padding; columns of numbers are aligned to the right."""
    names = list(map(str, cells))
    rule = ["---:" if name in NUMERIC else "---" for name in names]
    lines = [list(map(in_markdown, names)), rule, *([in_markdown(cell) for cell in line] for line in cells.to_numpy())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
