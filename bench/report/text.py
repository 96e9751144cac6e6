"""Text of others, such as a reason or a version in a run file, made harmless for where it is shown. Pure."""

from __future__ import annotations

import re

from bench.errors import printable

# Directional marks and the like are printable for Unicode's tables of `str.isprintable` in part only, so by category:
# control (Cc), format (Cf), surrogate (Cs), line and paragraph separators (Zl, Zp) are what `isprintable` refuses.
LINE_BREAK = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


def visible(text: str) -> str:
    """Return text in which control characters are shown as Python writes them, such as \\x1b; line breaks stay."""
    lines = LINE_BREAK.sub("\n", text).replace("\t", "    ").split("\n")
    return "\n".join(map(printable, lines))


def in_markdown(text: str) -> str:
    """Return text for a cell of a Markdown table: on one line, and without a tag, a link or the end of the cell."""
    line = visible(text).replace("\n", " ")
    return line.replace("<", "&lt;").replace("|", "\\|").replace("](", "]\\(").replace("]:", "]\\:")


LATEX = {each: f"\\{each}" for each in "&%$#_{}"} | {
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    '"': "''",
    "…": "\\dots{}",
    "–": "--",
    **{each: f"{{{each}}}" for each in "[]*"},  # would be arguments behind the end of a line of a table
}
LATEX_KNOWS = frozenset("×µ°±éèüöäÜÖÄß")  # beyond ASCII, in every installation


def in_latex(text: str) -> str:
    """Return text for LaTeX: on one line, without a command. What not every installation can print becomes ?."""
    return "".join(
        LATEX.get(each) or (each if each.isascii() or each in LATEX_KNOWS else "?")
        for each in visible(text).replace("\n", " ")
    )
