"""What a result consists of, before it has a format: lines of summary, tables, and sentences under headings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import pandas as pd


@dataclass(frozen=True)
class Line:
    """What a result comes to, for one task."""

    about: str  # the task
    text: str

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


@dataclass(frozen=True)
class Section:
    """Sentences that answer one question."""

    title: str
    sentences: tuple[str, ...]
    about: str = ""  # what holds for all of them


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


def sections_of(*sections: tuple[str, Iterable[str], str]) -> tuple[Section, ...]:
    """Return sections, each of a title, sentences and what holds for all of them; without those that say nothing."""
    made = (Section(title, tuple(sentences), about) for title, sentences, about in sections)
    return tuple(section for section in made if section.sentences)
