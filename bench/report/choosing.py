"""Which rows and columns of a table are shown, and in which order. Pure: no number of a table is changed here.

A table for people is a table of texts. The same rows in numbers stand beside it, so that `9.5 ms` comes before `1.2 s`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from bench.errors import BadChoice, quoted, shown

ALL = "all"  # in the place of the names of columns
MOST_VALUES = 30  # that a message lists
CONDITION = re.compile(r"\s*(?P<column>[^=]*?)\s*(?P<sign>!?=)\s*(?P<value>.*?)\s*", re.DOTALL)


@dataclass(frozen=True)
class Condition:
    """A condition on the cell of a column: that it has this text, or that it has another one."""

    column: str
    value: str
    equal: bool

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Return the condition that a text such as task=mnist_mlp or backend!=numpy states. Raises `BadChoice`."""
        found = CONDITION.fullmatch(text)
        if found is None or not found["column"]:
            raise BadChoice(f"--where wants COLUMN=VALUE or COLUMN!=VALUE, such as task=mnist_mlp; got {quoted(text)}")
        return cls(found["column"], found["value"], found["sign"] == "=")

    def __str__(self) -> str:
        return f"{self.column}{'=' if self.equal else '!='}{self.value}"


@dataclass(frozen=True)
class Choice:
    """What a user wants to see of a table."""

    columns: tuple[str, ...] = ()  # none: the usual ones
    order: str = ""  # the column by which rows are sorted, with - before it for descending; none: as they are
    where: tuple[Condition, ...] = ()

    @classmethod
    def parse(cls, columns: str, order: str, where: Iterable[str]) -> Choice:
        """Return the choice that the options --columns, --sort and --where state. Raises `BadChoice`."""
        names = tuple(filter(None, map(str.strip, columns.split(","))))
        return cls(names, order.strip(), tuple(map(Condition.parse, where)))


@dataclass(frozen=True)
class Table:
    """The same rows twice, under the same index: as they are shown, and in numbers."""

    cells: pd.DataFrame
    numbers: pd.DataFrame
    partners: Mapping[str, str] = field(default_factory=dict)  # the column of numbers that a column of cells shows

    def take(self, places: list[int]) -> Table:
        """Return the rows at these places, in their order."""
        return Table(self.cells.iloc[places], self.numbers.iloc[places], self.partners)

    @property
    def names(self) -> list[str]:
        """The names of all columns, those that are shown first."""
        return list(dict.fromkeys([*map(str, self.cells), *map(str, self.numbers)]))


def chosen(table: Table, choice: Choice) -> Table:
    """Return the rows that are wanted, in the order that is wanted, with all columns. Raises `BadChoice`."""
    kept = _kept(table, choice.where)
    return kept.take(_places(kept, choice.order)) if choice.order else kept


def columns_of(table: Table, choice: Choice, usual: Iterable[str]) -> list[str]:
    """Return the columns that are shown: those that are wanted, or else the usual ones. Raises `BadChoice`.

    Of the usual ones, those without any text are left out. A column may be called by the name that it has in numbers.
    """
    known = list(map(str, table.cells))
    if not choice.columns:
        return [name for name in usual if name in known and (table.cells[name] != "").any()]
    if choice.columns == (ALL,):
        return known
    shown_as = {number: name for name, number in table.partners.items() if name in known}
    wanted = [name if name in known else shown_as.get(name, name) for name in choice.columns]
    for name in wanted:
        _require(name, [*known, ALL])
    return list(dict.fromkeys(wanted))


def left_out(shown: int, count: int, choice: Choice) -> list[str]:
    """Return a sentence on the rows that a choice leaves out, if there are any."""
    if shown == count:
        return []
    where = " and ".join(map(str, choice.where))
    return [f"{shown} of {count} rows are shown ({where}); ratios and verdicts are those among all rows of a task"]


def _kept(table: Table, where: Sequence[Condition]) -> Table:
    """Return the rows that have, in each column, one of the values that are wanted and none that is not."""
    for condition in where:
        _require(condition.column, table.names)
    keep = pd.Series(data=True, index=table.cells.index)
    for name in dict.fromkeys(condition.column for condition in where):
        asked = [condition for condition in where if condition.column == name]
        wanted = [_having(table, each) for each in asked if each.equal]
        keep &= pd.concat(wanted, axis=1).any(axis=1) if wanted else True
        for each in asked:
            if not each.equal:
                keep &= ~_having(table, each)
    if len(keep) and not keep.any():
        raise BadChoice(f"no row is left: {' and '.join(map(str, where))}")
    return table.take([place for place, kept in enumerate(keep) if kept])


def _having(table: Table, condition: Condition) -> pd.Series[bool]:
    """Return which rows have a value, as it is shown or as programs get it. Raises `BadChoice` if none has to have it.

    Small and capital letters are the same, so agrees=no finds `NO`.
    """
    frames = [frame for frame in (table.cells, table.numbers) if condition.column in frame]
    texts = [frame[condition.column].map(str) for frame in frames]
    value = condition.value.casefold()
    found = pd.concat([text.str.casefold() == value for text in texts], axis=1).any(axis=1)
    if condition.equal and len(found) and not found.any():
        there = [shown(text) or "nothing" for text in dict.fromkeys(texts[0])]
        more = f" and {len(there) - MOST_VALUES} more" if len(there) > MOST_VALUES else ""
        said = f"no row has {condition.column} = {quoted(condition.value)}"
        raise BadChoice(f"{said}; there are: {', '.join(there[:MOST_VALUES])}{more}")
    return found


def _places(table: Table, order: str) -> list[int]:
    """Return the places of the rows, sorted by a column; what is empty comes last, and rows that are alike stay."""
    name = order if order in table.names else order.removeprefix("-")
    _require(name, table.names)
    number = table.partners.get(name, name)
    column = table.numbers[number] if number in table.numbers else table.cells[name]
    values = column.reset_index(drop=True)
    if values.dtype == object or isinstance(values.dtype, pd.StringDtype):
        values = values.map(str).replace("", None)
    ascending = not (order.startswith("-") and order != name)
    return values.sort_values(ascending=ascending, kind="stable", na_position="last").index.tolist()


def _require(name: str, known: Iterable[str]) -> None:
    """Raise `BadChoice` if a table has no column of that name; the choices stand in the order of the table."""
    known = list(known)
    if name not in known:
        raise BadChoice(f"the table has no column {quoted(name)}; choose from {', '.join(known)}")
