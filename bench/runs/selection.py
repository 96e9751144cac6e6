"""Turns the user's choice into the rows of a run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from backends.contract import Device, Precision
from backends.registry import BACKENDS, FRAMEWORKS
from bench.errors import BadChoice, require_name
from bench.records.schema import Row
from bench.tasks import HEADLINE, TASKS
from bench.tasks.names import TaskRef, find_task
from bench.tasks.settings import override

QUICK_EPOCHS = 1
QUICK_STEPS = 500  # of a pass if each step takes all training rows


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The user's choice; empty fields mean the defaults."""

    tasks: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    device: Literal["cpu", "gpu", "auto"] = "auto"
    precision: Precision = "float32"
    settings: Mapping[str, Any] = field(default_factory=dict)
    # Only the fastest mode, one epoch (or 500 full-batch steps), and unless backends are named, only the frameworks.
    quick: bool = False


def choose_tasks(names: Iterable[str]) -> tuple[TaskRef, ...]:
    """Return the tasks with these names (none: the headline tasks). Raises `BadChoice` or `BadSetting`."""
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
            raise BadChoice(f"{key} is set twice for {task}: in its name and by --set or --epochs")
        override(task.task(), choice.settings)
    for name in choice.backends:
        require_name(name, BACKENDS, "backend")
    names = choice.backends or (FRAMEWORKS if choice.quick else tuple(BACKENDS))
    backends = [BACKENDS[name] for name in dict.fromkeys(names)]
    modes = [mode for entry in backends for mode in entry.modes]
    for mode in choice.modes:
        require_name(mode, modes, "mode")
    require_device(choice.device, has_gpu=has_gpu)
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
        if device in entry.devices or choice.device != "auto"  # who asks for a GPU by name is told what has none
        for mode in (entry.modes[-1:] if choice.quick and not choice.modes else entry.modes)
        if not choice.modes or mode in choice.modes
    )


def require_device(device: str, *, has_gpu: bool) -> None:
    """Raise `BadChoice` for a GPU that is not there."""
    if device == "gpu" and not has_gpu:
        raise BadChoice("there is no NVIDIA GPU on this machine (nvidia-smi names none); choose --device cpu or auto")


def shortened(reference: TaskRef) -> TaskRef:
    """Return the task of a quick run, shortened to one epoch, or to fewer steps if each takes all training rows.

    The harness repeats the training to get steady passes. A number of epochs in the task's name is kept.
    """
    task = reference.task()
    epochs = QUICK_STEPS if task.batch_size == "all" else QUICK_EPOCHS
    if task.epochs <= epochs or "epochs" in reference.settings:
        return reference
    return reference.having("epochs", str(epochs))


def require_row(row: Row) -> None:
    """Raise `UserError` if a task, backend or mode of the rows no longer exists."""
    find_task(row.task)
    require_name(row.backend, BACKENDS, "backend")
    require_name(row.mode, BACKENDS[row.backend].modes, "mode")
