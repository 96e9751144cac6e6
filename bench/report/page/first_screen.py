"""The first screen: who is fastest where, by how much, how surely, and what is not ranked. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.analysis.answer import Answer
from bench.analysis.summary import RowSummary, Versus
from bench.report.answer_sentence import answer_sentence
from bench.report.names import counted, listed, task_summary
from bench.report.tables import ratio
from bench.report.units import seconds

TOLD = ("slower", "faster")  # verdicts that a run is sure of
TICKS = tuple(digit * 10**power for power in range(6) for digit in (1, 2, 5))
Line = Mapping[str, Any]  # a row of the page
CAUSES = {
    "wrong": "failed parity",
    "unfair": "times are unfair",
    "failed": "failed",
    "unsupported": "not supported",
    "not checked": "not checked",
    "not run": "not run",
}
ALARMING = ("wrong", "unfair", "failed")
NOT_RANKED = ("No row is ranked", "no row was right and timed fairly")  # headline, and what stands below it
NOT_TIMED = ("No row is ranked", "no row was timed in this run")


@dataclass(frozen=True)
class Axis:
    """The axis of the bars of a task: how many times as long as the fastest, logarithmic.

    It begins at 1 or, if the interval of a row reaches below, there.
    """

    least: float
    most: float

    @property
    def ticks(self) -> list[tuple[str, float]]:
        """The text and place of each mark; of a long axis, only powers of ten."""
        shown = [tick for tick in TICKS if tick <= self.most and (self.most <= 50 or str(tick).strip("0") == "1")]
        return [(f"{tick:,}×", self.place(tick)) for tick in shown]

    def place(self, times: float) -> float:
        """Return the place of a ratio on the axis, from 0 to 100."""
        share = math.log(times / self.least) / math.log(self.most / self.least)
        return round(100 * min(1.0, max(0.0, share)), 2)

    @property
    def one(self) -> float:
        """The place of the fastest row, where all bars begin."""
        return self.place(1.0)


@dataclass(frozen=True)
class Bar:
    """A row in the picture of its task."""

    row: int  # place among the rows of the page
    name: str
    colour: int
    time: str
    ratio: str  # as a multiple, then its interval
    between: str
    sure: bool  # whether it is the fastest, or told from it
    best: bool  # whether it is the fastest, or among the fastest
    at: float  # places on the axis
    low: float
    high: float


@dataclass(frozen=True)
class NotRanked:
    """A row that does not count, and why; the same in several runs is told once."""

    task: str
    name: str
    cause: str
    why: str
    alarming: bool
    runs: int = 1  # in which it is so


@dataclass(frozen=True)
class Card:
    """What a run says about a task in one precision."""

    run: int
    task: str
    precision: str
    about: str  # what the task is
    headline: str
    detail: str
    advice: str
    axis: Axis
    bars: tuple[Bar, ...]  # the best row of each backend on each device
    others: int  # further ranked rows, which only the table has
    left_out: tuple[str, ...]  # rows that are not ranked because a check failed, and why


def axis_of(summaries: Iterable[RowSummary]) -> Axis:
    """Return an axis that is long enough for these rows and their intervals."""
    reaches = [_reach(each.to_fastest) for each in summaries if each.to_fastest]
    most = max((high for _, _, high in reaches), default=1.0)
    end = next((tick for tick in TICKS if tick >= most and tick > 1), TICKS[-1])
    return Axis(min((low for _, low, _ in reaches), default=1.0), float(end))


def cards_of(
    summaries: Sequence[RowSummary], lines: Sequence[Line], answers: Mapping[tuple[str, str, str], Answer]
) -> tuple[Card, ...]:
    """Return a card for each run, task and precision.

    `lines` are the rows of the page in the order of `summaries`; `answers` says what to use by run, task and precision.
    """
    groups: dict[tuple[str, str, str], list[int]] = {}
    for place, each in enumerate(summaries):
        groups.setdefault((each.run, each.row.task, each.row.precision), []).append(place)
    return tuple(
        _card({place: summaries[place] for place in places}, lines, answers.get(key)) for key, places in groups.items()
    )


def _card(members: Mapping[int, RowSummary], lines: Sequence[Line], answer: Answer | None) -> Card:
    ranked = [place for place, each in members.items() if each.to_fastest]
    best: dict[tuple[str, str], int] = {}
    for place in ranked:
        best.setdefault((members[place].row.backend, members[place].row.device), place)
    axis = axis_of(members[place] for place in best.values())
    bars = tuple(_bar(place, members[place], lines[place], axis) for place in best.values())
    first = next(iter(members.values()))
    line = lines[next(iter(members))]
    left_out = tuple(place for place, each in members.items() if each.standing.cause in ALARMING)
    headline, detail = NOT_RANKED if left_out else NOT_TIMED
    if ranked:
        headline, detail = _words([(lines[place], members[place]) for place in ranked])
    return Card(
        run=line["run"],
        task=line["task"],
        precision=line["precision"],
        about=task_summary(first.row.task, first.first.job.settings),
        headline=headline,
        detail=detail,
        advice=_advice(answer),
        axis=axis,
        bars=bars,
        others=len(ranked) - len(bars),
        left_out=tuple(f"{lines[place]['label']} ({CAUSES[str(members[place].standing.cause)]})" for place in left_out),
    )


def _bar(place: int, each: RowSummary, line: Line, axis: Axis) -> Bar:
    times, _, interval = ratio(each.to_fastest).partition(" [")
    at, low, high = map(axis.place, _reach(each.to_fastest))
    verdict = each.to_fastest.verdict if each.to_fastest else ""
    best = verdict in ("fastest", "among the fastest")
    return Bar(
        row=place,
        name=line["label"],
        colour=line["colour"],
        time=seconds(each.pass_s),
        ratio="" if best else times,
        between="" if best or not interval else f"[{interval}",
        sure=verdict in (*TOLD, "fastest"),
        best=best,
        at=at,
        low=low,
        high=high,
    )


def _reach(versus: Versus | None) -> tuple[float, float, float]:
    """Return a ratio and its interval, or the ratio alone three times."""
    if versus is None:
        return 1.0, 1.0, 1.0
    found = versus.comparison.interval if versus.comparison else None
    return versus.ratio, found.low if found else versus.ratio, found.high if found else versus.ratio


def _words(ranked: Sequence[tuple[Line, RowSummary]]) -> tuple[str, str]:
    """Return the headline of a task and what stands below it, from its ranked rows, the fastest first."""
    (line, fastest), *others = ranked
    name, time = line["label"], seconds(fastest.pass_s)
    if not others:
        return name, f"{time} a pass; there is no other row to compare it with"
    open_rows = [other["label"] for other, each in others if each.to_fastest and each.to_fastest.verdict not in TOLD]
    if not open_rows:
        next_line, following = others[0]
        return (
            f"{name} is fastest",
            f"{time} a pass; {next_line['label']} takes {ratio(following.to_fastest)} times as long",
        )
    named = [name, *open_rows][: len(open_rows) + 1]
    return f"No clear winner among {len(named)}", f"this run cannot tell {listed(named)} apart: about {time} a pass"


def _advice(answer: Answer | None) -> str:
    if answer is None:
        return ""
    sentence = answer_sentence(answer)
    return f"{sentence[:1].upper()}{sentence[1:]}"


def title(cards: Sequence[Card], versions: Sequence[str], machines: int) -> str:
    """Return the headline of the page: which backend is surely the fastest in how many tasks.

    Of a run of two versions, whose sentences `versions` has, it is what changed. Of several machines, across which
    nothing is ranked or counted up, it is how many there are.
    """
    if machines > 1:
        tasks = len({(card.task, card.precision) for card in cards})
        return f"{counted(tasks, 'task')} on {counted(machines, 'machine')}"
    if len(versions) == 1:
        return versions[0].split(": ")[1]
    if len(cards) == 1:
        return cards[0].headline
    sure = Counter(bar.name.split(" ")[0] for card in cards for bar in card.bars if bar.best and bar.sure)
    if not sure:
        return f"No clear winner in {len(cards)} tasks"
    (first, count), *others = sure.most_common()
    said = [f"{first} is fastest in {count} of {len(cards)} tasks", *(f"{name} in {times}" for name, times in others)]
    open_tasks = len(cards) - sum(sure.values())
    return f"{', '.join(said)}{f'; {open_tasks} without a clear winner' if open_tasks else ''}"


def overview(cards: Sequence[Card], summaries: Sequence[RowSummary], machines: int) -> str:
    """Return one sentence on all tasks: how many rows count, and in how many tasks the fastest is sure."""
    ranked = [each for each in summaries if each.standing.ranked]
    clear = Counter(each.to_fastest.verdict == "fastest" for each in ranked if each.to_fastest)[True]
    tasks = counted(len(cards), "task") if machines == 1 else f"{len(cards)} tables, each of one machine"
    rows = f"{len(ranked)} {'row is' if len(ranked) == 1 else 'rows are'} right, timed fairly and ranked"
    sure = "all" if clear == len(cards) else clear or "none"
    return f"{rows}, in {tasks}; which row is the fastest is sure in {sure} of them."


def not_ranked(summaries: Sequence[RowSummary], lines: Sequence[Line]) -> tuple[NotRanked, ...]:
    """Return the rows that are not ranked, those that failed a check first."""
    found = [
        NotRanked(
            task=each.row.task,
            name=line["label"],
            cause=CAUSES.get(each.standing.cause or "", str(each.standing.cause)),
            why=each.standing.why_not.removeprefix("parity: ").removeprefix("unsupported: "),
            alarming=each.standing.cause in ALARMING,
        )
        for each, line in zip(summaries, lines, strict=True)
        if not each.standing.ranked
    ]
    return tuple(
        replace(each, runs=runs) for each, runs in sorted(Counter(found).items(), key=lambda pair: not pair[0].alarming)
    )
