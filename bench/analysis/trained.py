"""What the first training of each row came to, for pictures: losses, their distance from the reference, metrics. Pure.

Rows of one picture may differ in backend and mode, or in settings of their task, and are named by what differs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from backends.contract import Array
from bench.analysis.standing import NOT_RUN, Standing, standings_of
from bench.errors import BadChoice, UserError, require_name
from bench.records.runfile import Run
from bench.records.schema import Learned, Lesson, Record, Row
from bench.tasks.names import TaskRef
from bench.tasks.settings import setting_in_words

ALIKE = 0.01  # of a loss: less cannot be seen in a picture
MOST_POINTS = 600  # of a curve in a picture; of more, the extremes of each stretch are kept


@dataclass(frozen=True, eq=False)
class Trained:
    """The first good record of a row with what its run says of it."""

    record: Record
    standing: Standing
    lesson: Lesson | None
    learned: Learned | None
    steps_per_epoch: int  # updates for which every training row is used once

    @property
    def row(self) -> Row:
        """The row."""
        return self.record.job.row

    @property
    def right(self) -> bool:
        """Whether the row computes what its task defines; its times may be unfair all the same."""
        return self.standing.cause in (None, "unfair")

    @cached_property
    def losses(self) -> Array:
        """The loss before each update [steps]; NaN where it was not finite."""
        return numbers(self.record.quality.losses if self.record.quality else ())

    @cached_property
    def epochs(self) -> Array:
        """How many epochs were over at each loss [steps]."""
        return np.arange(len(self.losses)) / self.steps_per_epoch

    @property
    def by_epoch(self) -> tuple[Array, Array]:
        """The middle of each epoch, and the mean of its losses [epochs]."""
        count = len(self.losses) // self.steps_per_epoch
        whole = self.losses[: count * self.steps_per_epoch].reshape(count, self.steps_per_epoch)
        return np.arange(count) + 0.5 * (self.steps_per_epoch > 1), whole.mean(axis=1)

    @property
    def distance(self) -> Array:
        """How far each loss is from that of the reference [steps]; empty if the run does not have them."""
        if self.lesson is None or len(self.lesson.losses) != len(self.losses):
            return np.array([])
        away: Array = np.abs(self.losses - numbers(self.lesson.losses))
        return away

    @property
    def allowed(self) -> Array:
        """By how much parity lets each loss differ [steps]; infinite for any."""
        allowed = numbers(self.lesson.allowed if self.lesson else ())
        return np.where(np.isnan(allowed), np.inf, allowed)


def numbers(values: Iterable[float | None]) -> Array:
    """Return numbers of a run file as an array; NaN is what is not finite."""
    return np.array([np.nan if value is None else value for value in values])


def chosen_rows(run: Run, tasks: Collection[str], backends: Collection[str]) -> tuple[Row, ...]:
    """Return the rows of these tasks and backends, none of which means all of them.

    A task is named with its settings or, for all of them, without. Raises `BadChoice` for a name that is not there.
    """
    rows = run.header.rows
    names = {row.task for row in rows} | {TaskRef.parse(row.task).base for row in rows}
    for task in tasks:
        require_name(task, names, "task of the run")
    for backend in backends:
        require_name(backend, {row.backend for row in rows}, "backend of the run")
    found = tuple(
        row
        for row in rows
        if (not tasks or row.task in tasks or TaskRef.parse(row.task).base in tasks)
        and (not backends or row.backend in backends)
    )
    if not found:
        raise BadChoice(f"{run.path} has no row of {', '.join(backends)} for {', '.join(tasks)}")
    return found


def trained(run: Run, rows: Sequence[Row]) -> list[Trained]:
    """Return what the first training of each of these rows came to. Raises `UserError` if none has ended well."""
    of_rows = run.records.of_row(set(rows).__contains__)
    firsts = of_rows.firsts(of_rows.columns["ok"])
    if not firsts:
        raise UserError(f"{run.path}: no process of these rows has ended well, so there is nothing to draw")
    standings, learned = standings_of(run), run.learned()
    return [
        Trained(
            record=firsts[row],
            standing=standings.get(row, NOT_RUN),
            lesson=run.lessons.get(row.task),
            learned=learned[row].learned if row in learned else None,
            steps_per_epoch=_steps_per_epoch(run, firsts[row]),
        )
        for row in rows
        if row in firsts
    ]


def _steps_per_epoch(run: Run, record: Record) -> int:
    """Return the updates of an epoch: one if each takes all training rows, else those of a pass."""
    if run.header.tasks.get(record.job.row.task, {}).get("batch_size") == "all" or record.timing is None:
        return 1
    return record.timing.steps_per_pass


def by_task(found: Iterable[Trained]) -> dict[str, list[Trained]]:
    """Return the rows by the task without its settings, in their order."""
    groups: dict[str, list[Trained]] = {}
    for each in found:
        groups.setdefault(TaskRef.parse(each.row.task).base, []).append(each)
    return groups


def labels(run: Run, rows: Sequence[Row]) -> dict[Row, str]:
    """Return a name for each row that says only what differs among them: settings, backend and mode, device."""
    settings = {row: run.header.tasks.get(row.task, {}) for row in rows}
    named = dict.fromkeys(key for row in rows for key in TaskRef.parse(row.task).settings)
    varied = [key for key in named if len({setting_in_words(settings[row].get(key)) for row in rows}) > 1]
    several = {name: len({getattr(row, name) for row in rows}) > 1 for name in ("backend", "mode", "device")}
    found = {}
    for row in rows:
        parts = [
            f"{key.rpartition('.')[2].replace('_', ' ')} {setting_in_words(settings[row].get(key))}" for key in varied
        ]
        if several["backend"] or several["mode"] or not parts:
            parts.append(f"{row.backend} {row.mode}")
        if several["device"]:
            parts.append(row.device)
        found[row] = ", ".join(parts)
    return found


def alike(found: Sequence[Trained]) -> bool:
    """Return whether the curves of several rows lie over each other: in no epoch do their mean losses differ by 1 %."""
    means = [each.by_epoch[1] for each in found]
    if len(found) < 2 or len({len(each) for each in means}) > 1 or not len(means[0]):
        return False
    stack = np.stack(means)
    with np.errstate(invalid="ignore"):
        same = np.ptp(stack, axis=0) <= ALIKE * np.abs(stack[0])
    return bool(np.all(same | np.isnan(stack).all(axis=0)))


def thinned(x: Array, y: Array, most: int = MOST_POINTS, *, logarithmic: bool = False) -> tuple[Array, Array]:
    """Return a curve with fewer points that looks the same: the lowest and highest of each stretch, in their order.

    The stretches are of equal length or, for a logarithmic axis that begins at 1, of equal ratio.
    """
    if len(x) <= most:
        return x, y
    ends = np.geomspace(1, len(x), most // 2) if logarithmic else np.linspace(0, len(x), 1 + most // 2)
    kept = {0, len(x) - 1}
    for stretch in np.split(np.arange(len(x)), np.unique(ends.astype(int))):
        values = y[stretch]
        if np.isfinite(values).any():
            kept |= {int(stretch[np.nanargmin(values)]), int(stretch[np.nanargmax(values)])}
        else:
            kept |= set(stretch[:1].tolist())
    places = np.array(sorted(kept))
    return x[places], y[places]
