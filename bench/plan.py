"""From what the user chose to the jobs, in their order. Pure."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from zlib import crc32

import numpy as np

from backends.contract import Device, Precision
from backends.registry import BACKENDS
from bench.errors import BadChoice, require_name
from bench.records import Goal, Job, Row
from bench.tasks import HEADLINE, TASKS, Task
from bench.tasks.named import find_task, own_settings
from bench.tasks.overrides import override, settings

EFFECT = 0.05  # a difference that matters
TIME_S = 20 * 60.0
QUICK_EPOCHS = 1
QUICK_STEPS = 500  # of a pass whose steps take all rows
MAX_MINUTES = 10**6


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the user chose; empty means the usual."""

    tasks: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    device: Literal["cpu", "gpu", "auto"] = "auto"
    precision: Precision = "float32"
    settings: Mapping[str, Any] = field(default_factory=dict)
    quick: bool = False  # each backend by its fastest mode alone, one epoch, or 500 steps on all rows


def choose_tasks(names: Iterable[str]) -> tuple[Task, ...]:
    """Return the tasks of these names, the headline tasks for none. Raises `BadChoice`."""
    chosen = tuple(dict.fromkeys(names)) or HEADLINE
    if chosen == ("all",):
        chosen = tuple(TASKS)
    return tuple(find_task(name) for name in chosen)


def choose_rows(choice: Choice, *, has_gpu: bool) -> tuple[Row, ...]:
    """Return the rows of a choice, task by task. Raises `BadChoice`, or `BadSetting` for a setting of no task."""
    tasks = choose_tasks(choice.tasks)
    if choice.quick and "epochs" not in choice.settings:
        tasks = tuple(map(shortened, tasks))
    for task in tasks:
        for key in own_settings(task.name).keys() & choice.settings.keys():
            raise BadChoice(f"{key} is set twice for {task.name}: in its name, and for all tasks")
        override(task, choice.settings)
    for name in choice.backends:
        require_name(name, BACKENDS, "backend")
    backends = [BACKENDS[name] for name in dict.fromkeys(choice.backends)] or list(BACKENDS.values())
    modes = [mode for entry in backends for mode in entry.modes]
    for mode in choice.modes:
        require_name(mode, modes, "mode")
    devices: dict[str, tuple[Device, ...]] = {
        "cpu": ("cpu",),
        "gpu": ("gpu",),
        "auto": ("cpu", "gpu") if has_gpu else ("cpu",),
    }
    return tuple(
        Row(task=task.name, backend=entry.name, mode=mode, device=device, precision=choice.precision)
        for task in tasks
        for device in devices[choice.device]
        for entry in backends
        for mode in (entry.modes[-1:] if choice.quick and not choice.modes else entry.modes)
        if not choice.modes or mode in choice.modes
    )


def shortened(task: Task) -> Task:
    """Return a task of one short pass for a quick run: an epoch, or fewer steps where each takes all rows.

    It is trained again and again for steady passes. A number of epochs in its name stays.
    """
    epochs = QUICK_STEPS if task.batch_size == "all" else QUICK_EPOCHS
    if task.epochs <= epochs or "epochs" in own_settings(task.name):
        return task
    return find_task(f"{task.name}:epochs={epochs}")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be timed, how, and until when."""

    rows: tuple[Row, ...]
    threads: int
    settings: Mapping[str, Any]
    goal: Goal
    seed: int
    followed: bool = True  # whether parity follows each row in float64 first; else it judges the timed runs alone

    @property
    def tasks(self) -> dict[str, tuple[Row, ...]]:
        """The rows of each task, in their order."""
        names = dict.fromkeys(row.task for row in self.rows)
        return {name: tuple(row for row in self.rows if row.task == name) for name in names}

    def job(self, row: Row, block: int) -> Job:
        """Return the job of a row in a block."""
        return Job(row=row, threads=self.threads, block=block, settings=dict(self.settings))


def block_order(rows: Sequence[Row], *, seed: int, block: int) -> tuple[Row, ...]:
    """Return the rows of one task in the order in which a block runs them, drawn anew for each block.

    What is compared runs close together, and no row is always the first. The order of a block depends on nothing but
    the seed, the block and the rows, whichever of them have told enough and are passed over.
    """
    if not rows:
        return ()
    rng = np.random.default_rng([seed, crc32(rows[0].task.encode()), block])
    return tuple(rows[i] for i in rng.permutation(len(rows)))


def resolved(rows: Iterable[Row], changes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every setting of each task, as it will be trained."""
    names = dict.fromkeys(row.task for row in rows)
    return {name: settings(override(find_task(name), changes)) for name in names}


def percent(text: str) -> float:
    """Return 0.05 for '5%', '5 %' or '5'. Raises `BadChoice` for anything but a number above 0."""
    try:
        share = float(text.strip().removesuffix("%")) / 100
    except ValueError:
        share = 0.0
    if not 0 < share < math.inf:
        raise BadChoice(f"cannot take {text!r} as a share; it takes a number of percent above 0, such as 5%")
    return share


def random_seed() -> int:
    """Return a seed that no other run is likely to have."""
    return secrets.randbelow(10**6)


def require_row(row: Row) -> None:
    """Raise `UserError` where there is no such task, backend or mode any more."""
    find_task(row.task)
    require_name(row.backend, BACKENDS, "backend")
    require_name(row.mode, BACKENDS[row.backend].modes, "mode")


def find_row(name: str, rows: Iterable[Row]) -> Row | None:
    """Return the row of a backend:mode, or of a backend's plain mode, which is the first that it names."""
    backend, _, mode = name.partition(":")
    found = [row for row in rows if row.backend == backend and mode in ("", row.mode)]
    modes = BACKENDS[backend].modes if backend in BACKENDS else ()
    return min(found, key=lambda row: modes.index(row.mode) if row.mode in modes else len(modes), default=None)


def require_baseline(name: str, rows: Sequence[Row]) -> None:
    """Raise `BadChoice` where a baseline is named and none of the rows is it."""
    if name and find_row(name, rows) is None:
        known = ", ".join(sorted({f"{row.backend}:{row.mode}" for row in rows}))
        raise BadChoice(f"no row of baseline {name!r}; choose from {known}")
