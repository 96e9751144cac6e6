"""What people see while a run measures, by the size of their terminal; and what it costs."""

from __future__ import annotations

import io
import itertools

import pytest
from rich.console import Console

from bench.events import RowSoFar, State
from bench.report import live_view
from bench.report.live_view import Axis, Size, counts, lines, view
from bench.report.progress_bar import TerminalProgress

FASTEST = RowSoFar(task="mnist_mlp", name="jax scan", state="goes on", rounds=3, pass_s=0.241, ratio=1.0)


def a_row(name: str, ratio: float, share: float = 0.05, state: State = "goes on", **other: int) -> RowSoFar:
    low, high = ratio * (1 - share), ratio * (1 + share)
    return RowSoFar(
        task="mnist_mlp", name=name, state=state, pass_s=0.241 * ratio, ratio=ratio, low=low, high=high,
        **{"rounds": 3, **other},
    )  # fmt: skip


ROWS = (
    FASTEST,
    a_row("tensorflow xla", 1.06),
    a_row("torch eager", 2.4, state="done", rounds=1),
    a_row("keras-torch fit", 15.0, state="done", rounds=1),
    RowSoFar(
        task="mnist_mlp", name="made up", state="not ranked", rounds=1, reason="parity: loss 2 \x1b[31m at step 7"
    ),
    RowSoFar(task="mnist_mlp", name="numpy loop", state="waiting"),
)
TASKS = {"thermometer": (RowSoFar(task="thermometer", name="numpy loop", state="waiting"),), "mnist_mlp": ROWS}


def drawn(width: int, height: int = 24) -> list[str]:
    return view(TASKS, Size(width, height)).plain.split("\n")


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_view_fits_its_terminal_and_has_every_number(width: int) -> None:
    found = drawn(width)
    assert max(map(len, found)) <= width
    text = "\n".join(found)
    for part in ("fastest so far", "255 ms", "1.06 [1.01, 1.11]", "15.00 [14.25, 15.75]"):
        assert part in text
    assert ("not ranked: parity" in text) == (width > 60)
    assert "\x1b" not in text
    assert "thermometer" not in text  # nothing is known of it


def test_a_wide_view_draws_the_intervals_and_a_narrow_one_leaves_them_out() -> None:
    assert "95 % interval" not in "\n".join(drawn(60))
    (line,) = [line for line in drawn(120) if "xla" in line]
    assert "o" in line.split("]")[1]
    (line,) = [line for line in drawn(120) if "keras" in line]
    assert line.split("]")[1].split("1")[0].rstrip().endswith(">")  # beyond the end of the axis


def test_a_low_view_leaves_out_rows_and_says_so() -> None:
    found = drawn(80, 5)
    assert len(found) == 5
    assert found[1] == "mnist_mlp, and 3 rows more"


def test_the_task_that_was_told_last_comes_first() -> None:
    others = [RowSoFar(task="iris_mlp", name="jax jit", state="done", rounds=1, ratio=1.0)]
    text = view({"iris_mlp": others, **TASKS}, Size(80, 24)).plain
    assert text.index("mnist_mlp") < text.index("iris_mlp")


def test_an_interval_that_shrinks_takes_less_of_its_axis() -> None:
    axis = Axis(0.5, 3.0)
    widths = [len(axis.picture(a_row("x", 1.5, share), 40).replace("|", " ").strip()) for share in (0.3, 0.1, 0.02)]
    assert all(wide > narrow for wide, narrow in itertools.pairwise(widths))
    assert axis.picture(a_row("x", 1.0, 0.001), 40).strip() in ("o", "]")
    assert axis.picture(FASTEST, 40).strip() == "|"


def test_rows_are_counted_by_their_state() -> None:
    assert counts(ROWS) == "rows: 2 done, 1 not ranked, 2 in further rounds, 1 waiting"
    assert counts(()) == ""


def test_without_a_terminal_a_line_tells_of_each_row_that_has_had_a_round() -> None:
    assert lines(ROWS[:2], ()) == [
        "mnist_mlp jax scan: 241 ms, fastest so far, 3 rounds, goes on",
        "mnist_mlp tensorflow xla: 255 ms, 1.06 [1.01, 1.11], 3 rounds, goes on",
    ]
    assert lines(ROWS, ROWS) == []
    assert len(lines(ROWS, ROWS[1:])) == 1


def shown_by(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_what_is_known_is_told_in_lines_where_there_is_no_terminal() -> None:
    console = Console(file=io.StringIO(), width=80)
    with TerminalProgress(console) as progress:
        progress.rows(ROWS)
        progress.rows(ROWS)
    text = shown_by(console)
    assert text.count("jax scan: 241 ms, fastest so far") == 1
    assert "\x1b" not in text


def test_a_live_view_leaves_a_clean_terminal_after_an_interrupt() -> None:
    console = Console(file=io.StringIO(), width=100, height=30, force_terminal=True, _environ={"TERM": "xterm"})

    def interrupted() -> None:
        with TerminalProgress(console) as progress:
            progress.stage("round 1", 6, 600.0)
            progress.begins("a row")
            progress.rows(ROWS)
            progress.screen.refresh()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    text = shown_by(console)
    assert "at most 10 min left" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    assert text.rstrip("\n").endswith("\x1b[2K")  # the last thing written erases the lines of the view


def test_rows_are_drawn_once_however_often_the_terminal_is_refreshed(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(file=io.StringIO(), width=100, height=30, force_terminal=True, _environ={"TERM": "xterm"})
    calls = []
    monkeypatch.setattr(live_view, "view", lambda tasks, size: calls.append(size) or view(tasks, size))
    progress = TerminalProgress(console)
    progress.rows(ROWS)
    for _ in range(5):
        console.print(progress.screen.get_renderable())
    assert len(calls) == 1
    progress.rows(ROWS)
    console.print(progress.screen.get_renderable())
    assert len(calls) == 2
