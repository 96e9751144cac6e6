"""Tables on terminals of every width: whole words, nothing lost, and never wider than the terminal."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console
from rich.text import Text

from backends.registry import BUILT_IN
from bench.report import terminal
from bench.report.layout import GAP, fitting_widths, print_table
from bench.report.terminal import print_list

NAMES = ("task", "what it is", "note")
ROWS = (
    ("thermometer_standardized", "the same readings, standardized to mean 0 and standard deviation 1", ""),
    ("mnist_mlp *", "ten digits by 784-128-64-10, 60,000 rows", "unsupported: a reason\nof two lines"),
)
LONGEST = len("thermometer_standardized") + len("784-128-64-10,") + len("unsupported:") + 2 * GAP


def printed(width: int) -> str:
    console = Console(width=width, file=io.StringIO())
    print_table(console, NAMES, [[Text(cell) for cell in row] for row in ROWS], frozenset())
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [24, 30, 40, LONGEST - 1, LONGEST, 60, 80, 120, 200])
def test_no_word_is_broken_nothing_is_lost_and_no_line_is_too_long(width: int) -> None:
    text = printed(width)
    assert max(map(len, text.splitlines())) <= width
    words = {word for row in ROWS for cell in row for word in cell.split()}
    assert words <= set(text.split())


def test_only_a_terminal_that_is_too_narrow_for_the_words_gets_a_line_per_cell() -> None:
    assert re.match(r"task +what it is +note", printed(LONGEST))
    assert printed(LONGEST - 1).startswith("task: thermometer_standardized\nwhat it is: the same readings,")
    assert "note: \n" not in printed(LONGEST - 1)


def test_a_wide_terminal_breaks_no_line_but_where_the_text_does() -> None:
    assert [line.rstrip() for line in printed(200).splitlines()[1:]] == [
        "thermometer_standardized  the same readings, standardized to mean 0 and standard deviation 1",
        "mnist_mlp *               ten digits by 784-128-64-10, 60,000 rows                            "
        "unsupported: a reason",
        f"{'':92}  of two lines",
    ]


@pytest.mark.parametrize(
    ("columns", "width", "widths"),
    [
        ({"ab": ["abc"], "a b c d": ["e"]}, 12, [3, 7]),
        ({"ab": ["abc"], "a b c d": ["e"]}, 8, [3, 3]),
        ({"ab": ["abc"], "a b c d": ["e"]}, 6, [3, 1]),
        ({"ab": ["abc"], "a b c d": ["e"]}, 5, None),
        ({"a": ["日本"], "x": [""]}, 7, [4, 1]),  # each takes two columns of a terminal
        ({"": [""], "x": ["y"]}, 3, [0, 1]),
        ({}, 10, []),
        ({"one training": ["3.75 ms"]}, 7, None),  # of the name
        ({"pass": ["3.75 ms"]}, 7, [7]),
        ({"pass": ["3.75 ms"]}, 6, None),
        ({"pass": ["1.19 [1.15, 1.22]"]}, 12, [12]),
        ({"pass": ["1.19 [1.15, 1.22]"]}, 11, None),
    ],
)
def test_the_widest_column_is_narrowed_first_and_none_below_its_longest_word(
    columns: dict[str, list[str]], width: int, widths: list[int] | None
) -> None:
    assert fitting_widths(columns, width, frozenset({"pass", "one training"})) == widths


def test_a_mode_that_looks_like_markup_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = replace(BUILT_IN["numpy"], name="[bold]", modes=("[/x]", "[link=x]y"))
    monkeypatch.setattr(terminal, "BACKENDS", {entry.name: entry})
    console = Console(width=80, file=io.StringIO())
    print_list(console, ())
    assert re.search(r"^\[bold\] +\[/x\], \[link=x\]y +numpy", console.file.getvalue(), re.M)  # type: ignore[attr-defined]


def test_the_list_of_tasks_has_whole_words_in_sixty_columns() -> None:
    console = Console(width=60, file=io.StringIO())
    print_list(console, ("A [/x] card",))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert {"text_classifier_dense", "784-128-64-10,", "keras-tensorflow", "compile-pass"} <= set(text.split())
    assert "gpu (A [/x] card)" in text
