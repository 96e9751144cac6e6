"""References to tasks: `mnist_mlp`, or one with settings of its own, `mnist_mlp:batch_size=256:model.hidden=512x256`.

So rows of one run may differ in settings, and a point of a sweep is a task like any other. The number of threads is no
setting of a task, because it changes no result. But it may stand here too, `mnist_mlp:threads=1`, so it can be varied.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from bench.errors import quoted, require_name, shown
from bench.tasks import TASKS, Task
from bench.tasks.settings import BadSetting, override

THREADS = "threads"
MAX_DIGITS = 9  # of a number of threads
MAX_POINTS = 1000  # of a sweep: even of rows that take a second, more take a day


@dataclass(frozen=True)
class TaskRef:
    """A task of the catalog, and the settings in which it differs from it, as texts.

    Command lines, run files and tables hold it as a text, its `name`.
    """

    base: str
    settings: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Raise `BadSetting` if the name would be read as another one."""
        if ":" in "".join((self.base, *self.settings, *self.settings.values())) or "=" in "".join(self.settings):
            raise BadSetting(f"a colon stands only between settings, = only behind a key; got {quoted(self.name)}")

    @classmethod
    def parse(cls, name: str) -> Self:
        """Return the reference of a name. Raises `BadSetting` for a part that is no setting, or one given twice."""
        base, *parts = name.split(":")
        settings: dict[str, str] = {}
        for part in parts:
            key, equals, value = part.partition("=")
            if not equals:
                raise BadSetting(
                    f"the settings of a task are KEY=VALUE, with colons between; got {quoted(part)} in {quoted(name)}"
                )
            if key in settings:
                raise BadSetting(f"{shown(key)} stands twice in {quoted(name)}")
            settings[key] = value
        return cls(base, settings)

    @property
    def name(self) -> str:
        """The reference as a text, which `parse` reads."""
        return ":".join([self.base, *(f"{key}={value}" for key, value in self.settings.items())])

    def __str__(self) -> str:
        return self.name

    @property
    def threads(self) -> int | None:
        """The threads of its processes; None for those of the run. Raises `BadSetting` for no number above 0."""
        text = self.settings.get(THREADS)
        if text is None:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) < MAX_DIGITS and int(text) > 0):
            raise BadSetting(f"threads of {self.base} must be a whole number above 0, got {quoted(text)}")
        return int(text)

    def having(self, key: str, value: str) -> Self:
        """Return the reference with one more setting, behind its own."""
        return replace(self, settings={**self.settings, key: value})

    def task(self) -> Task:
        """Return the task with its settings. Raises `BadChoice` for an unknown task, `BadSetting` for a setting."""
        require_name(self.base, TASKS, "task")
        if not self.settings:
            return TASKS[self.base]
        self.threads  # noqa: B018 - raises for a number that is none
        changed = override(TASKS[self.base], {key: each for key, each in self.settings.items() if key != THREADS})
        return replace(changed, name=self.name, summary=differing(changed.summary, self.settings))


def differing(summary: str, settings: Mapping[str, str]) -> str:
    """Return the summary of a task and, behind it, the settings in which it differs from the catalog's."""
    values = ", ".join(f"{key} {value}" for key, value in settings.items())
    return f"{summary}, but with {values}" if values else summary


def find_task(name: str) -> Task:
    """Return the task of a name such as `mnist_mlp:batch_size=256`. Raises `BadChoice` or `BadSetting`."""
    return TaskRef.parse(name).task()


def threads_of(name: str, usual: int) -> int:
    """Return the threads of the processes that train a task, `usual` unless its name says otherwise."""
    return TaskRef.parse(name).threads or usual


def grid(base: str, varied: Iterable[str]) -> tuple[str, ...]:
    """Return the names of all points of a grid: `batch_size=64,256` and `model.hidden=32,128` give four.

    Raises `BadSetting` for text that is no grid or for an unknown setting, `BadChoice` for an unknown task.
    """
    axes: dict[str, tuple[str, ...]] = {}
    for text in varied:
        key, _, listed = text.partition("=")
        values = tuple(value.strip() for value in listed.split(","))
        if "" in (key, *values):
            raise BadSetting(f"--vary wants KEY=VALUE,VALUE,..., got {quoted(text)}; layers of a value go as in 128x64")
        if key in axes:
            raise BadSetting(f"--vary {shown(key)} is given twice; list all its values behind one")
        if len(set(values)) < len(values):
            raise BadSetting(f"--vary {shown(text)} has a value twice")
        axes[key] = values
    if (count := math.prod(map(len, axes.values()))) > MAX_POINTS:
        raise BadSetting(f"this grid has {count:,} points; a sweep takes {MAX_POINTS:,} at most, so name fewer values")
    points = [TaskRef(base, dict(zip(axes, values, strict=True))) for values in itertools.product(*axes.values())]
    for point in points:
        point.task()
    if len(points) < 2:
        raise BadSetting("a sweep needs two points at least: --vary KEY=VALUE,VALUE,...")
    return tuple(point.name for point in points)
