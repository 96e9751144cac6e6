"""What a result consists of, before it has a format: lines of summary, tables, and sentences under headings."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Line:
    """What a result comes to, for one task."""

    about: str  # the task
    text: str
    group: str = ""  # what the lines with it have in common, such as a machine; empty for nothing

    def __str__(self) -> str:
        return f"{self.about}: {self.text}"


@dataclass(frozen=True)
class Panel:
    """A table of texts under a title."""

    title: str
    table: pd.DataFrame
    about: str = ""  # a line below the title
    notes: tuple[str, ...] = ()  # on single rows
    spare: tuple[str, ...] = ()  # columns that a narrow terminal leaves out, the first of it first
    group: str = ""  # as of a line


@dataclass(frozen=True)
class Section:
    """Sentences that answer one question."""

    title: str
    sentences: tuple[str, ...]
    about: str = ""  # what holds for all of them
    group: str = ""  # as of a line


@dataclass(frozen=True)
class Document:
    """A result: what it comes to, a line for each task; then the details."""

    title: str
    summary: tuple[Line, ...]
    remarks: tuple[str, ...]  # on what is shown: two versions, rows that are left out
    panels: tuple[Panel, ...]
    sections: tuple[Section, ...]

    def with_first(self, *sections: Section) -> Document:
        """Return the same with further sections before those there are."""
        return replace(self, sections=(*sections, *self.sections))


def sections_of(*sections: tuple[str, Iterable[str], str], group: str = "") -> tuple[Section, ...]:
    """Return sections, each of a title, sentences and what holds for all of them; without those that say nothing."""
    made = (Section(title, tuple(sentences), about, group) for title, sentences, about in sections)
    return tuple(section for section in made if section.sentences)


P = TypeVar("P", Line, Panel, Section)


def grouped(parts: Iterable[P]) -> Iterator[tuple[str, list[P]]]:
    """Yield lines, panels or sections that stand together and have a group in common, behind its name."""
    for name, members in itertools.groupby(parts, key=lambda each: each.group):
        yield name, list(members)
