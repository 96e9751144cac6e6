"""A result in LaTeX: a table with the rules of booktabs for each task, as wide as a page of a paper. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bench.report.document import Document, Panel
from bench.report.layout import NUMERIC
from bench.report.text import in_latex, visible


def as_latex(document: Document) -> str:
    r"""Return the tables, each with what its task comes to as its caption; the preamble needs `\usepackage{booktabs}`.

    Columns that a narrow terminal leaves out are left out here too, unless they were chosen. What is behind the tables
    stands in comments.
    """
    said = {(line.group, line.about): line.text for line in document.summary}
    parts = [r"% In the preamble: \usepackage{booktabs}"]
    for panel in document.panels:
        named = [panel.group, panel.title, said.get((panel.group, panel.title), "")]
        texts = [": ".join(filter(None, named)), *panel.notes]
        parts.append("\n".join(_table(panel, ". ".join(texts))))
    behind = [f"{section.title}: {each}" for section in document.sections for each in section.sentences]
    parts += map(_comment, (*document.remarks, *behind))
    return "\n\n".join(parts) + "\n"


def _comment(text: str) -> str:
    return "\n".join(f"% {line}" for line in visible(text).split("\n"))


def _table(panel: Panel, caption: str) -> Iterator[str]:
    cells = panel.table[[name for name in panel.table if name not in panel.spare]]
    names = list(map(str, cells))
    yield r"\begin{table}[htbp]"
    yield r"\centering\footnotesize"
    yield rf"\caption{{{in_latex(caption)}.}}"
    yield rf"\begin{{tabular}}{{{''.join('r' if name in NUMERIC else 'l' for name in names)}}}"
    yield r"\toprule"
    yield _line(names)
    yield r"\midrule"
    for _, line in cells.iterrows():
        yield _line(map(str, line))
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield r"\end{table}"


def _line(cells: Iterable[str]) -> str:
    return rf"{' & '.join(map(in_latex, cells))} \\"
