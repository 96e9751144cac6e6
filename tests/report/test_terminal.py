"""What a terminal shows of a table, by its width."""

from __future__ import annotations

import pandas as pd
import pytest

from bench.report.layout import fitting_widths
from bench.report.terminal import NOTE_WIDTH, RIGHT, SPARE, fitting, with_notes_below

LINE = {
    "backend": "tensorflow",
    "mode": "xla",
    "pass": "772 µs",
    "× fastest": "1.84 [1.36, 2.51]",
    "verdict": "slower",
    "CPU": "770 µs",
    "× CPU": "1.88",
    "first call": "593 ms",
    "one training": "5.11 s",
    "of bound": "0.5%",
    "cores": "0.97",
    "memory": "892 MB",
    "rounds": "1",
    "result": "2.042 RMSE",
    "agrees": "yes",
    "note": "a sentence that is much longer than any column could be, and so is broken into lines",
}
TABLE = pd.DataFrame([LINE])


def width_of(table: pd.DataFrame) -> int:
    lengths = {name: max(len(name), len(table[name][0])) for name in table}
    lengths["note"] = min(lengths["note"], NOTE_WIDTH - 2)
    return sum(lengths.values()) + 2 * (len(lengths) - 1)


def test_a_wide_terminal_shows_everything() -> None:
    assert list(fitting(TABLE, 200)) == list(LINE)


@pytest.mark.parametrize("width", [100, 120, 140])
def test_a_narrow_terminal_leaves_out_the_least_important_columns_and_no_more_than_it_has_to(width: int) -> None:
    shown = fitting(TABLE, width)
    left_out = [name for name in LINE if name not in shown]
    assert width_of(shown) <= width
    assert set(left_out) == {name for name in SPARE if name in LINE and name not in shown}
    assert set(left_out) == set([name for name in SPARE if name in LINE][: len(left_out)])
    last = max(left_out, key=SPARE.index)
    with_it = TABLE[[name for name in LINE if name in shown or name == last]]
    assert width_of(with_it) > width


def test_what_a_person_looks_for_is_always_there() -> None:
    assert list(fitting(TABLE, 20)) == ["backend", "mode", "pass", "× fastest", "verdict", "one training", "note"]


@pytest.mark.parametrize(("width", "below"), [(200, False), (60, True)])
def test_notes_that_have_no_room_beside_the_numbers_stand_below_the_table(width: int, below: bool) -> None:
    shown = fitting(TABLE, width)
    table, notes = with_notes_below(shown, width)
    assert ("note" not in table, bool(notes)) == (below, below)
    assert notes == ([f"tensorflow xla: {LINE['note']}"] if below else [])
    if below:
        assert fitting_widths({name: list(table[name]) for name in table}, width, RIGHT)


def test_a_table_without_notes_has_none_below() -> None:
    table, notes = with_notes_below(TABLE.drop(columns="note"), 20)
    assert (list(table), notes) == (list(TABLE.drop(columns="note")), [])
