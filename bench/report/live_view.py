"""What people watch while a run measures: the rows of its tasks, with ratios whose intervals shrink. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from bench.events import RowSoFar
from bench.report.text import visible
from bench.report.units import multiple, seconds

WIDEST = 3.0  # ratio at the right end of the axis: rows that are farther away are beyond it
STYLES = {"goes on": "yellow", "done": "green", "not ranked": "red", "failed": "red", "waiting": "dim"}
LEAST_AXIS, MOST_AXIS = 9, 60  # characters
MOST_REASON = 30  # characters of why a row is not ranked, before there is an axis
GAP = "  "
NAMES = ("", "pass", "× fastest", "rounds")


@dataclass(frozen=True)
class Size:
    """The room there is, in characters and lines."""

    width: int
    height: int


def view(tasks: Mapping[str, Sequence[RowSoFar]], size: Size) -> Text:
    """Return the rows of the tasks that were told last, as many as there is room for.

    `tasks` are in the order in which they were told, the last one last.
    """
    chosen, left = [], size.height - 1  # a line for the names of the columns
    for task, rows in reversed(list(tasks.items())):
        if any(row.state != "waiting" for row in rows) and left > 1:
            chosen.append((task, rows, rows[: left - 1]))
            left -= 1 + len(rows)
    if not chosen:
        return Text()
    every = [row for _, _, shown in chosen for row in shown]
    widths = widths_of(every)
    reasons = min(MOST_REASON, max(len(_state(row)) for row in every))
    room = axis_width(widths, size.width - reasons) if any(row.low for row in every) else 0
    lines = [_names(widths, room)]
    for task, rows, shown in chosen:
        hidden = len(rows) - len(shown)
        lines.append(Text(visible(task) + (f", and {hidden} rows more" if hidden else ""), style="bold"))
        axis = Axis.of(shown)
        lines += [_line(row, widths, axis, room, size.width) for row in shown]
    return Text("\n", no_wrap=True, overflow="crop").join(lines)


def counts(rows: Iterable[RowSoFar]) -> str:
    """Return how many rows are in each state, in words; those that are finished first."""
    states = [row.state for row in rows]
    order = ("done", "not ranked", "failed", "goes on", "waiting")
    words = {"goes on": "in further rounds"}
    told = [f"{states.count(each)} {words.get(each, each)}" for each in order if each in states]
    return f"rows: {', '.join(told)}" if told else ""


def lines(rows: Iterable[RowSoFar], before: Iterable[RowSoFar]) -> list[str]:
    """Return a line for each row that has had a round, or is in another state than before."""
    known = {row.name: (row.rounds, row.state) for row in before}
    return [
        f"{row.task} {row.name}: {', '.join(filter(None, (*_numbers(row)[:2], _rounds(row), _state(row))))}"
        for row in rows
        if row.state != "waiting" and (row.rounds, row.state) != known.get(row.name)
    ]


def _numbers(row: RowSoFar) -> tuple[str, str, str]:
    """Return the pass of a row, its ratio to the fastest with its interval, and its rounds."""
    pass_s = "" if row.pass_s is None else seconds(row.pass_s)
    return pass_s, _ratio(row), str(row.rounds or "")


def _ratio(row: RowSoFar) -> str:
    if row.ratio is None:
        return ""
    if row.low is None or row.high is None:
        return "fastest so far" if row.ratio == 1 else multiple(row.ratio)
    return f"{multiple(row.ratio)} [{multiple(row.low)}, {multiple(row.high)}]"


def _rounds(row: RowSoFar) -> str:
    return f"{row.rounds} round{'s' * (row.rounds != 1)}" if row.rounds else ""


def _state(row: RowSoFar) -> str:
    return visible(f"{row.state}: {row.reason}" if row.reason else row.state).replace("\n", " ")


def widths_of(rows: Sequence[RowSoFar]) -> tuple[int, ...]:
    """Return the widths of the columns that hold text, but for the last one: the state."""
    cells = [NAMES, *((visible(row.name), *_numbers(row)) for row in rows)]
    return tuple(max(map(len, column)) for column in zip(*cells, strict=True))


def axis_width(widths: Sequence[int], width: int) -> int:
    """Return the room for pictures of intervals in a line that has no other columns; 0 if there is too little."""
    room = width - sum(widths) - len(GAP) * (len(widths) + 1)
    return min(room, MOST_AXIS) if room >= LEAST_AXIS else 0


def _names(widths: Sequence[int], axis: int) -> Text:
    name, pass_s, ratio, rounds = (name.ljust(room) for name, room in zip(NAMES, widths, strict=True))
    picture = ["95 % interval".ljust(axis)[:axis]] if axis else []
    return Text(GAP.join([name, pass_s, ratio, *picture, rounds]), style="dim")


def _line(row: RowSoFar, widths: Sequence[int], axis: Axis, room: int, width: int) -> Text:
    pass_s, ratio, rounds = _numbers(row)
    cells = [visible(row.name).ljust(widths[0]), pass_s.rjust(widths[1]), ratio.ljust(widths[2])]
    picture = [axis.picture(row, room)] if room else []
    text = GAP.join([*cells, *picture, rounds.rjust(widths[3]), ""])
    line = Text(text + _state(row))
    line.stylize(STYLES[row.state], len(text))
    line.truncate(width, overflow="ellipsis")
    return line


@dataclass(frozen=True)
class Axis:
    """A logarithmic axis of ratios."""

    low: float
    high: float

    @classmethod
    def of(cls, rows: Iterable[RowSoFar]) -> Axis:
        """Return an axis that holds 1 and the intervals of all rows that are not far away."""
        rows = list(rows)
        lows = [row.low for row in rows if row.low is not None]
        highs = [row.high for row in rows if row.high is not None]
        return cls(min([1.0, *lows]), max([1.05, *(min(high, WIDEST) for high in highs)]))

    def place(self, ratio: float, width: int) -> int:
        """Return the character at which a ratio stands; `width` for one that is beyond the end."""
        share = math.log(ratio / self.low) / math.log(self.high / self.low)
        return min(width, max(0, round(share * (width - 1))))

    def picture(self, row: RowSoFar, width: int) -> str:
        """Return the interval of a row as a line of characters, with a mark at 1."""
        cells = [" "] * width
        cells[self.place(1.0, width)] = "|"
        if row.ratio is None or row.low is None or row.high is None:
            return "".join(cells)
        low, middle, high = (self.place(each, width) for each in (row.low, row.ratio, row.high))
        cells[low : high + 1] = "-" * (min(high, width - 1) + 1 - low)
        for place, mark in ((low, "["), (high, "]"), (middle, "o")):
            cells[min(place, width - 1)] = mark if place < width else ">"
        return "".join(cells)
