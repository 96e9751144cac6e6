"""Text of others: what it could do to a terminal, a Markdown page, LaTeX or HTML, it does not."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from rich.console import Console

from bench.report import terminal
from bench.report.export import render
from bench.report.text import in_markdown, visible

EVIL = "a\x1b[2J\x1b]0;title\x07\x9b31m\u202eb\u200b <script>x</script> | [a](b) [/red] \\input{x} $x$"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain – ünïcödé ☃ [1.01, 1.03]", "plain – ünïcödé ☃ [1.01, 1.03]"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b31m\x07", "\\x9b31m\\x07"),
        ("\u202eevil\u200b", "\\u202eevil\\u200b"),
        ("\ud800", "\\ud800"),
        ("one\ntwo\r\nthree\rfour\u2028five\tsix", "one\ntwo\nthree\nfour\nfive    six"),
    ],
)
def test_control_characters_are_shown_and_not_sent(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_cell_of_markdown_stays_a_cell() -> None:
    assert in_markdown("1.02 [1.01, 1.03] mnist_mlp") == "1.02 [1.01, 1.03] mnist_mlp"
    assert in_markdown("a|b\n<i>[x](y)") == "a\\|b &lt;i>[x]\\(y)"


def printed(show: object) -> str:
    stream = io.StringIO()
    show(Console(file=stream, force_terminal=True, color_system=None, width=300))  # type: ignore[operator]
    return stream.getvalue()


@pytest.mark.parametrize(
    "show",
    [
        lambda console: terminal.print_sentence(console, EVIL),
        lambda console: terminal.print_lines(console, [{"note": EVIL}]),
        lambda console: terminal.print_title(console, EVIL),
    ],
)
def test_nothing_reaches_the_terminal_as_a_command(show: object) -> None:
    text = printed(show)
    assert "\\x1b[2J" in text
    assert "[/red]" in text
    assert not set(text) & set("\x1b\x07\x9b\u202e\u200b")


@pytest.mark.parametrize(
    ("style", "forbidden"),
    [
        ("markdown", ("<script", "[a](b)", "\x1b")),
        ("html", ("<script", "\x1b")),
        ("latex", ("\\input{x}", "$x$", "\x1b")),
    ],
)
def test_nothing_reaches_a_page_as_markup(style: str, forbidden: tuple[str, ...]) -> None:
    text = render(pd.DataFrame({"note": [EVIL], "number": [1.5]}), style)  # type: ignore[arg-type]
    assert isinstance(text, str)
    assert [each for each in forbidden if each in text] == []
    assert text.encode()
    assert "1.5" in text
