"""What a terminal shows of a result, by its width."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from rich.console import Console

from bench.report.document import Document, Line, Panel, Section
from bench.report.layout import GAP
from bench.report.tables import SPARE
from bench.report.terminal import fitting, print_document

LINE = {
    "backend": "tensorflow",
    "mode": "xla",
    "pass": "772 µs",
    "95 %": "700 µs – 800 µs",
    "× fastest": "1.84 [1.36, 2.51]",
    "verdict": "slower",
    "first call": "593 ms",
    "one training": "5.11 s",
    "cores": "0.97",
    "of bound": "0.5%",
    "memory": "892 MB",
    "device memory": "1 MB",
    "result": "2.042 RMSE",
    "agrees": "yes",
}
PANEL = Panel("linear_fit", pd.DataFrame([LINE]), "a plane", ("tensorflow xla: it " + "waits " * 40,), SPARE)
DOCUMENT = Document(
    title="one task",
    summary=(Line("linear_fit", "tensorflow xla is the only row that is ranked, " + "which is said at length " * 9),),
    remarks=("1 of 2 rows is shown",),
    panels=(PANEL,),
    sections=(Section("Noise", ("there was none",), "What disturbed it."),),
)


def width_of(table: pd.DataFrame) -> int:
    return sum(max(len(name), len(table[name][0])) for name in table) + GAP * (table.shape[1] - 1)


def printed(width: int, *, is_terminal: bool) -> str:
    stream = io.StringIO()
    print_document(Console(file=stream, width=width, force_terminal=is_terminal, color_system=None), DOCUMENT)
    return stream.getvalue()


def test_a_wide_terminal_shows_everything() -> None:
    assert list(fitting(PANEL, 200)) == list(LINE)


@pytest.mark.parametrize("width", [80, 100, 120, 140])
def test_a_narrow_terminal_leaves_out_the_least_important_columns_and_no_more_than_it_has_to(width: int) -> None:
    shown = fitting(PANEL, width)
    left_out = [name for name in SPARE if name not in shown]
    assert width_of(shown) <= width
    assert set(LINE) - set(shown) == set(left_out)
    assert left_out == list(SPARE[: len(left_out)])
    with_it = PANEL.table[[name for name in LINE if name in shown or name == left_out[-1]]]
    assert width_of(with_it) > width


def test_what_a_person_looks_for_is_always_there() -> None:
    assert list(fitting(PANEL, 20)) == ["backend", "mode", "pass", "× fastest", "verdict"]


def test_what_somebody_has_chosen_is_left_out_nowhere() -> None:
    chosen = Panel(PANEL.title, PANEL.table)
    assert list(fitting(chosen, 20)) == list(LINE)


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_on_a_terminal_no_line_is_too_long_and_no_word_is_lost(width: int) -> None:
    text = printed(width, is_terminal=True)
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    for sentence in (*map(str, DOCUMENT.summary), *DOCUMENT.remarks, *PANEL.notes, "What disturbed it. there was none"):
        assert " ".join(sentence.split()) in words


def test_elsewhere_a_sentence_is_one_line() -> None:
    lines = printed(80, is_terminal=False).splitlines()
    assert str(DOCUMENT.summary[0]).strip() in [line.strip() for line in lines]
    assert lines.index("Noise") < lines.index("there was none")


def test_the_summary_comes_first() -> None:
    text = printed(80, is_terminal=True)
    places = [text.index(part) for part in ("only row", "1 of 2 rows", "linear_fit: a plane", "772 µs", "Noise")]
    assert places == sorted(places)
