"""Text of others: what it could do to a terminal, a Markdown page, LaTeX or HTML, it does not."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from rich.console import Console

from bench.report import terminal
from bench.report.document import Document, Line, Panel, Section
from bench.report.export import render_document
from bench.report.formats import ForPages
from bench.report.text import in_latex, in_markdown, visible

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
    assert in_markdown("[x]: y") == "[x]\\: y"


def test_a_cell_of_latex_stays_a_cell() -> None:
    assert in_latex("1.02 × 3 µs") == "1.02 × 3 µs"
    assert in_latex("a & b_c 5 %\n\\x{y}") == "a \\& b\\_c 5 \\% \\textbackslash{}x\\{y\\}"
    assert in_latex("[1, 2] 漢 *") == "{[}1, 2{]} ? {*}"


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


EVERYWHERE = Document(
    title=EVIL,
    summary=(Line(EVIL, EVIL),),
    remarks=(EVIL,),
    panels=(Panel(EVIL, pd.DataFrame({"verdict": [EVIL], EVIL: ["1.5"]}), EVIL, (EVIL,)),),
    sections=(Section(EVIL, (EVIL,), EVIL),),
)


def test_nothing_in_a_result_reaches_the_terminal_as_a_command() -> None:
    text = printed(lambda console: terminal.print_document(console, EVERYWHERE))
    assert text.count("\\x1b[2J") == 11
    assert not set(text) & set("\x1b\x07\x9b\u202e\u200b")


@pytest.mark.parametrize(
    ("style", "forbidden"),
    [
        ("markdown", ("<script", "[a](b)", "\x1b")),
        ("github-summary", ("<script", "[a](b)", "\x1b")),
        ("html", ("<script", "\x1b")),
        ("latex", ("\\input{x}", "\x1b")),
    ],
)
def test_nothing_in_a_result_reaches_a_page_as_markup(style: ForPages, forbidden: tuple[str, ...]) -> None:
    text = render_document(EVERYWHERE, style)
    if style == "latex":  # a comment says what it says
        text = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
        assert "$x$" not in text
    assert [each for each in forbidden if each in text] == []
    assert text.encode()
    assert "1.5" in text
    assert text.count("input") >= 5
