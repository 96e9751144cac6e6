"""Tables that fit a terminal of any width: cells are broken between words, or each cell gets a line of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

GAP = 2  # columns between two cells
NUMERIC = frozenset(  # columns of numbers, by name, which are aligned to the right
    {
        *("then", "now", "now / then", "pass", "95 %", "× fastest", "× baseline", "CPU", "× CPU", "first call"),
        *("one training", "import", "rows/s", "GFLOP/s", "of bound", "cores", "memory", "device memory", "rounds"),
        *("time", "p95", "p99", "× best", "× on average", "machines"),
    }
)
WORDS = re.compile(r"\S+")
NUMBERS = re.compile(r"\[.*?\]|[^\[\s](?:[^\[]*[^\[\s])?")  # such as `1.19` and `[1.15, 1.22]`, or `3.75 ms`


def print_table(console: Console, names: Sequence[str], rows: Iterable[Sequence[Text]], right: frozenset[str]) -> None:
    """Print a table with these columns, of which those named in `right` are aligned to the right.

    On a terminal that is too narrow for the longest words, every row is printed as lines of `name: cell` instead.
    """
    rows = [tuple(row) for row in rows]
    columns = {name: [row[number].plain for row in rows] for number, name in enumerate(names)}
    widths = fitting_widths(columns, console.width, right)
    if widths is None:
        _print_lines(console, names, rows)
        return
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, GAP, 0, 0))
    for name, width in zip(names, widths, strict=True):
        table.add_column(Text(name), width=width, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def fitting_widths(columns: Mapping[str, Sequence[str]], width: int, right: frozenset[str]) -> list[int] | None:
    """Return the widths at which a table of these columns of cells, by name, fits into `width`; None if it cannot.

    The widest columns are narrowed first, none below its longest word. In the columns of `right`, a number and its unit
    are one word, and so is an interval in brackets.
    """
    parts = {name: NUMBERS if name in right else WORDS for name in columns}
    named = {name: [*map(WORDS.findall, [name]), *map(parts[name].findall, cells)] for name, cells in columns.items()}
    least = [max((cell_len(word) for words in cells for word in words), default=0) for cells in named.values()]
    most = [
        max(cell_len(line) for cell in (name, *cells) for line in cell.split("\n")) for name, cells in columns.items()
    ]
    room = width - GAP * (len(columns) - 1)
    for level in range(max(most, default=0), -1, -1):
        widths = [max(low, min(high, level)) for low, high in zip(least, most, strict=True)]
        if sum(widths) <= room:
            return widths
    return None


def _print_lines(console: Console, names: Sequence[str], rows: Iterable[Sequence[Text]]) -> None:
    """Print every row as lines, without empty cells, and an empty line after it."""
    for row in rows:
        for name, cell in zip(names, row, strict=True):
            if cell.plain:
                console.print(Text.assemble((f"{name}: " if name else "", "dim"), cell), overflow="fold")
        console.print()
