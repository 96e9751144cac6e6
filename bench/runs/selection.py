"""From what the user chose to the rows of a run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from backends.contract import Device, Precision
from backends.registry import BACKENDS
from bench.errors import BadChoice, require_name
from bench.records.schema import Row
from bench.tasks import HEADLINE, TASKS
from bench.tasks.names import TaskRef, find_task
from bench.tasks.settings import override

QUICK_EPOCHS = 1
QUICK_STEPS = 500  # of a pass whose steps take all rows


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


def choose_tasks(names: Iterable[str]) -> tuple[TaskRef, ...]:
    """Return the tasks of these names, the headline tasks for none. Raises `BadChoice` or `BadSetting`."""
    chosen = tuple(dict.fromkeys(names)) or HEADLINE
    if chosen == ("all",):
        chosen = tuple(TASKS)
    references = tuple(map(TaskRef.parse, chosen))
    for reference in references:
        reference.task()
    return references


def choose_rows(choice: Choice, *, has_gpu: bool) -> tuple[Row, ...]:
    """Return the rows of a choice, task by task. Raises `BadChoice`, or `BadSetting` for a setting of no task."""
    tasks = choose_tasks(choice.tasks)
    if choice.quick and "epochs" not in choice.settings:
        tasks = tuple(map(shortened, tasks))
    for task in tasks:
        for key in task.settings.keys() & choice.settings.keys():
            raise BadChoice(f"{key} is set twice for {task}: in its name, and for all tasks")
        override(task.task(), choice.settings)
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


def shortened(reference: TaskRef) -> TaskRef:
    """Return a task of one short pass for a quick run: an epoch, or fewer steps where each takes all rows.

    It is trained again and again for steady passes. A number of epochs in its name stays.
    """
    task = reference.task()
    epochs = QUICK_STEPS if task.batch_size == "all" else QUICK_EPOCHS
    if task.epochs <= epochs or "epochs" in reference.settings:
        return reference
    return reference.having("epochs", str(epochs))


def require_row(row: Row) -> None:
    """Raise `UserError` where there is no such task, backend or mode any more."""
    find_task(row.task)
    require_name(row.backend, BACKENDS, "backend")
    require_name(row.mode, BACKENDS[row.backend].modes, "mode")
