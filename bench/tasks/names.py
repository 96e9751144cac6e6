"""Tasks by name: `mnist_mlp`, or one with settings of its own, `mnist_mlp:batch_size=256:model.hidden=512x256`.

So rows of one run may differ in settings, and a point of a sweep is a task like any other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace

from bench.errors import require_name
from bench.tasks import TASKS, Task
from bench.tasks.settings import BadSetting, override


def find_task(name: str) -> Task:
    """Return the task of a name, with the settings in it. Raises `BadChoice`, or `BadSetting` for no setting of it."""
    base = base_of(name)
    require_name(base, TASKS, "task")
    own = own_settings(name)
    if not own:
        return TASKS[base]
    told = ", ".join(f"{key} {value}" for key, value in own.items())
    return replace(override(TASKS[base], own), name=name, summary=f"{TASKS[base].summary}, but with {told}")


def name_with(base: str, settings: Mapping[str, str]) -> str:
    """Return the name of a task with these settings."""
    return ":".join([base, *(f"{key}={value}" for key, value in settings.items())])


def grid(base: str, varied: Iterable[str]) -> tuple[str, ...]:
    """Return the names of all points of a grid: of `batch_size=64,256` and `model.hidden=32,128` there are four.

    Raises `BadSetting` where that is none, `BadChoice` for no such task.
    """
    axes: dict[str, tuple[str, ...]] = {}
    for text in varied:
        key, _, listed = text.partition("=")
        values = tuple(value.strip() for value in listed.split(","))
        if "" in (key, *values):
            raise BadSetting(f"--vary wants KEY=VALUE,VALUE,..., got {text!r}; layers of a value go as in 128x64")
        if key in axes:
            raise BadSetting(f"--vary {key} is given twice; list all its values behind one")
        if len(set(values)) < len(values):
            raise BadSetting(f"--vary {text} has a value twice")
        axes[key] = values
    points = tuple(
        name_with(base, dict(zip(axes, values, strict=True))) for values in itertools.product(*axes.values())
    )
    for name in points:
        find_task(name)
    if len(points) < 2:
        raise BadSetting("a sweep needs two points at least: --vary KEY=VALUE,VALUE,...")
    return points


def base_of(name: str) -> str:
    """Return the name without settings."""
    return name.partition(":")[0]


def own_settings(name: str) -> dict[str, str]:
    """Return the settings in a name, as texts. Raises `BadSetting` where one is none, or stands there twice."""
    settings: dict[str, str] = {}
    for part in name.split(":")[1:]:
        key, equals, value = part.partition("=")
        if not equals:
            raise BadSetting(f"the settings of a task are KEY=VALUE, with colons between; got {part!r} in {name!r}")
        if key in settings:
            raise BadSetting(f"{key} stands twice in {name!r}")
        settings[key] = value
    return settings
