"""From what the user chose to the jobs, in their order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from backends.contract import Device, Precision
from backends.registry import BACKENDS
from bench.errors import UserError
from bench.records import Job, Row
from bench.tasks import HEADLINE, TASKS, Task
from bench.tasks.overrides import override, settings

SCHEDULE_SEED = 0
DEFAULT_WORKERS = 2


class BadChoice(UserError):
    """Raised for a name that there is not; the message names the choices."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the user chose; empty means the usual."""

    tasks: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    device: Literal["cpu", "gpu", "auto"] = "auto"
    precision: Precision = "float32"
    settings: Mapping[str, Any] = field(default_factory=dict)


def choose_tasks(names: Iterable[str]) -> tuple[Task, ...]:
    """Return the tasks of these names, the headline tasks for none. Raises `BadChoice`."""
    chosen = tuple(dict.fromkeys(names)) or HEADLINE
    if chosen == ("all",):
        chosen = tuple(TASKS)
    for name in chosen:
        require_name(name, TASKS, "task")
    return tuple(TASKS[name] for name in chosen)


def choose_rows(choice: Choice, *, has_gpu: bool) -> tuple[Row, ...]:
    """Return the rows of a choice, task by task. Raises `BadChoice`, or `BadSetting` for a setting of no task."""
    tasks = choose_tasks(choice.tasks)
    for task in tasks:
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
        for mode in entry.modes
        if not choice.modes or mode in choice.modes
    )


def schedule(
    rows: Sequence[Row], *, workers: int, threads: int, settings: Mapping[str, Any], seed: int = SCHEDULE_SEED
) -> tuple[Job, ...]:
    """Return `workers` blocks of jobs, each with every row once.

    Within a block the tasks follow each other, and the rows of a task come in an order drawn anew: what is compared
    runs close together, and no row is always the first.
    """
    rng = np.random.default_rng(seed)
    tasks = dict.fromkeys(row.task for row in rows)
    jobs: list[Job] = []
    for block in range(workers):
        for task in tasks:
            contenders = [row for row in rows if row.task == task]
            jobs += [
                Job(row=contenders[i], threads=threads, block=block, settings=dict(settings))
                for i in rng.permutation(len(contenders))
            ]
    return tuple(jobs)


def resolved(rows: Iterable[Row], changes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every setting of each task, as it will be trained."""
    names = dict.fromkeys(row.task for row in rows)
    return {name: settings(override(TASKS[name], changes)) for name in names}


def require_row(row: Row) -> None:
    """Raise `BadChoice` where there is no such task, backend or mode any more."""
    require_name(row.task, TASKS, "task")
    require_name(row.backend, BACKENDS, "backend")
    require_name(row.mode, BACKENDS[row.backend].modes, "mode")


def require_name(name: str, known: Iterable[str], kind: str) -> None:
    """Raise `BadChoice`, with the choices, where a name is not among those known."""
    known = list(dict.fromkeys(known))
    if name not in known:
        raise BadChoice(f"unknown {kind} {name!r}; choose from {', '.join(sorted(known))}")
