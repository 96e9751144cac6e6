"""Tables and sentences on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from backends.registry import BACKENDS, Entry
from bench.records.schema import ParityResult
from bench.report.document import grouped
from bench.report.layout import GAP, NUMERIC, print_table
from bench.report.text import visible
from bench.tasks import HEADLINE, TASKS

if TYPE_CHECKING:
    import pandas as pd

    from bench.analysis.changes import Change
    from bench.machine.doctor import MachineFinding
    from bench.report.document import Document, Panel

INDENT = 2  # of what continues a sentence on the next line
YES_OR_NO = {"yes": "green", "NO": "bold red"}  # in every column


def print_list(console: Console, gpus: tuple[str, ...]) -> None:
    """Print tasks, backends and devices."""
    tasks = []
    for name, task in TASKS.items():
        label = f"{name} *" if name in HEADLINE else name
        files = task.data.collection.name if task.data.collection else "none to fetch"
        size = "all rows" if task.batch_size == "all" else f"{task.batch_size} rows"
        tasks.append(_cells(label, task.summary, files, f"{task.epochs} epochs, {size} a step"))
    print_table(console, ("task", "what it is", "data", "steps"), tasks, NUMERIC)
    print_sentence(console, "* headline task: what bench run trains when no task is named\n")
    print_table(console, ("backend", "modes", "framework"), map(_backend, BACKENDS.values()), NUMERIC)
    found = "".join(f", gpu ({name})" for name in gpus) or " (no NVIDIA GPU found)"
    print_sentence(console, f"devices: cpu{found}")


def _backend(entry: Entry) -> list[Text]:
    version = entry.version()
    state = entry.fault or (f"{entry.framework} {version}" if version else f"missing: {entry.install}")
    style = "" if version and not entry.fault else "yellow"
    return [*_cells(entry.name, ", ".join(entry.modes)), _cell(state, style=style)]


def fitting(panel: Panel, width: int) -> pd.DataFrame:
    """Return the table of a panel, without those of its spare columns that `width` columns have no room for."""
    widths = {name: GAP + max(len(name), *map(len, panel.table[name])) for name in map(str, panel.table)}
    spare = [name for name in panel.spare if name in widths]
    while spare and sum(widths.values()) - GAP > width:
        del widths[spare.pop(0)]
    return panel.table[list(widths)]


def print_document(console: Console, document: Document) -> None:
    """Print a result: what it comes to, a table for each task, then sentences under headings."""
    for group, lines in grouped(document.summary):
        _print_group(console, group)
        for line in lines:
            _print_item(console, Text.assemble((visible(line.about), "bold"), f": {visible(line.text)}"))
    for remark in document.remarks:
        _print_item(console, Text(visible(remark)))
    console.print()
    for group, panels in grouped(document.panels):
        _print_group(console, group)
        for panel in panels:
            _print_panel(console, panel)
    for group, sections in grouped(document.sections):
        _print_group(console, group)
        for section in sections:
            print_title(console, section.title)
            for sentence in filter(None, (section.about, *section.sentences)):
                _print_item(console, Text(visible(sentence)))
            console.print()


def _print_group(console: Console, name: str) -> None:
    """Print what the following has in common, if anything."""
    if name:
        console.print(Text(visible(name), style="bold underline"), highlight=False, overflow="fold")


def _print_panel(console: Console, panel: Panel) -> None:
    about = f": {panel.about}" if panel.about else ""
    print_title(console, f"{panel.title}{about}")
    print_lines(console, [dict(line) for _, line in fitting(panel, console.width).iterrows()])
    for note in panel.notes:
        _print_item(console, Text(visible(note), style="dim"))
    console.print()


def _print_item(console: Console, text: Text) -> None:
    """Print a sentence: on a terminal with its lines broken between words, each but the first one indented.

    Elsewhere it stays on one line, so that it can be searched and copied.
    """
    if not console.is_terminal:
        console.print(text, soft_wrap=True, highlight=False)
        return
    lines = text.wrap(console, max(console.width - INDENT, INDENT))
    for number, line in enumerate(lines):
        line.rstrip()
        console.print(Text(" " * (INDENT if number else 0)) + line, highlight=False, overflow="fold")


def print_parity(console: Console, verdicts: Iterable[ParityResult]) -> None:
    """Print the result of the parity check of each row."""
    columns = ("task", "backend", "mode", "device", "gradient", "losses", "parameters", "agrees", "note")
    lines = []
    for verdict in verdicts:
        row = verdict.row
        agrees = {True: "yes", False: "NO", None: ""}[verdict.agrees]
        note = verdict.reason if verdict.status == "ok" else f"{verdict.status}: {verdict.reason}"
        sizes = (verdict.gradient, verdict.losses, verdict.parameters)
        departures = ("" if size is None else f"{size:.0e}" for size in sizes)
        cells = (row.task, row.backend, row.mode, row.device, *departures)
        lines.append([*_cells(*cells), _cell(agrees, style=_style("agrees", agrees)), _cell(note)])
    print_table(console, columns, lines, NUMERIC)


def print_changes(console: Console, found: Sequence[Change]) -> None:
    """Print how each row changed."""
    from bench.report.units import bracketed, seconds

    columns = ("task", "backend", "mode", "device", "then", "now", "now / then", "change", "note")
    lines = []
    for change in found:
        row = change.row
        times = ("" if each is None else seconds(each) for each in (change.then_s, change.now_s))
        ratio = bracketed(change.ratio, change.interval)
        kind = _cell(change.kind, style=_style("change", change.kind))
        cells = (row.task, row.backend, row.mode, row.device, *times, ratio)
        lines.append([*_cells(*cells), kind, _cell(change.reason)])
    print_table(console, columns, lines, NUMERIC)


def print_findings(console: Console, findings: Iterable[MachineFinding]) -> None:
    """Print the findings about the machine, with advice."""
    lines = [
        [_cell(each.level, style=_style("level", each.level)), *_cells(each.name, each.found, each.advice)]
        for each in findings
    ]
    print_table(console, ("", "what", "found", "what to do"), lines, NUMERIC)


def print_lines(console: Console, lines: Sequence[Mapping[str, str]]) -> None:
    """Print a table from lines, each a mapping from column to cell; all of them have the same columns."""
    cells = ([_cell(cell, style=_style(column, cell)) for column, cell in line.items()] for line in lines)
    print_table(console, [visible(str(column)) for column in lines[0]], cells, NUMERIC)


def print_panels(console: Console, panels: Mapping[str, pd.DataFrame]) -> None:
    """Print tables, each under its title and followed by an empty line; the title may be empty."""
    for title, frame in panels.items():
        if title:
            print_title(console, title)
        print_lines(console, [dict(line) for _, line in frame.iterrows()])
        console.print()


def print_title(console: Console, title: str) -> None:
    """Print the title of what follows."""
    console.print(visible(title), style="bold", markup=False, highlight=False)


def print_sentence(console: Console, sentence: str) -> None:
    """Print text without breaking lines, so that it can be searched and copied."""
    console.print(visible(sentence), markup=False, highlight=False, soft_wrap=True)


def _cell(text: str, style: str = "") -> Text:
    """Return text for a cell of a table; it may come from a file, so it is neither markup nor a command."""
    return Text(visible(text), style=style)


def _cells(*texts: str) -> list[Text]:
    return [_cell(text) for text in texts]


def _style(column: Any, cell: str) -> str:
    styles: Mapping[tuple[Any, str], str] = {
        ("verdict", "fastest"): "green",
        ("verdict", "among the fastest"): "green",
        ("verdict", "inconclusive"): "yellow",
        ("verdict", "not ranked: wrong"): "bold red",
        ("verdict", "not ranked: unfair"): "bold red",
        ("verdict", "not ranked: failed"): "bold red",
        ("change", "slower"): "bold red",
        ("change", "wrong"): "bold red",
        ("change", "missing"): "red",
        ("change", "faster"): "green",
        ("change", "inconclusive"): "yellow",
        ("level", "good"): "green",
        ("level", "warning"): "yellow",
        ("level", "bad"): "bold red",
    }
    return styles.get((column, cell)) or YES_OR_NO.get(cell, "")
