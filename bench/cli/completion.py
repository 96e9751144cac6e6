"""What a shell completes: names of tasks, backends, modes, settings and run files. Imports no more than the commands.

What a parameter is completed with follows from its name, which means the same in all commands.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer
from typer.models import ParameterInfo

from backends.registry import BACKENDS, Entry
from bench.tasks import TASKS
from bench.tasks.settings import settings

Complete = Callable[[typer.Context, str], list[str]]
RESULTS = "results/"  # where run files are, unless the user says otherwise
ENDING = ".jsonl"
TAKE_ALL = ("run", "plan", "parity", "faults", "alarms")  # commands to which `all` is a task


def tasks(context: typer.Context, incomplete: str) -> list[str]:
    """Return names of tasks; behind a colon, the settings of the task."""
    base, colon, _ = incomplete.rpartition(":")
    if colon and (task := TASKS.get(base.partition(":")[0])):
        return _beginning((f"{base}:{key}=" for key in settings(task)), incomplete)
    return _beginning([*TASKS, *(["all"] if context.info_name in TAKE_ALL else [])], incomplete)


def backends(_context: typer.Context, incomplete: str) -> list[str]:
    """Return names of backends."""
    return _beginning(BACKENDS, incomplete)


def modes(context: typer.Context, incomplete: str) -> list[str]:
    """Return the modes of the backends that are chosen already, or of all."""
    return _beginning(dict.fromkeys(mode for entry in _chosen(context.params) for mode in entry.modes), incomplete)


def _chosen(given: Mapping[str, Any]) -> list[Entry]:
    named = given.get("backend") or ()
    names = [named] if isinstance(named, str) else list(named)
    return [BACKENDS[name] for name in names if name in BACKENDS] or list(BACKENDS.values())


def rows(_context: typer.Context, incomplete: str) -> list[str]:
    """Return backends, and backends with a mode: jax, jax:scan."""
    found = [
        name for each in BACKENDS.values() for name in (each.name, *(f"{each.name}:{mode}" for mode in each.modes))
    ]
    return _beginning(found, incomplete)


def keys(context: typer.Context, incomplete: str) -> list[str]:
    """Return the settings of the tasks that are chosen already, or of all, each with its equals sign."""
    named = context.params.get("tasks") or context.params.get("task") or ()
    names = [named] if isinstance(named, str) else list(named)
    chosen = [TASKS[name] for name in names if name in TASKS] or list(TASKS.values())
    return _beginning(dict.fromkeys(f"{key}=" for task in chosen for key in settings(task)), incomplete)


def names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names that `bench data` and `bench check-backend` take."""
    if context.info_name == "data":
        found = [task.data.collection.name for task in TASKS.values() if task.data.collection]
        return _beginning(dict.fromkeys(found), incomplete)
    return backends(context, incomplete)


def run_files(_context: typer.Context, incomplete: str) -> list[str]:
    """Return run files and folders that the beginning of a path can become; without one, also those of `results`."""
    folder, slash, begin = incomplete.rpartition("/")
    found = _listed(f"{folder}{slash}", begin)
    return found if incomplete else [*found, *_listed(RESULTS, "")]


def _listed(folder: str, begin: str) -> list[str]:
    """Return the run files and folders in a folder, given with a slash at its end, whose names begin so."""
    try:
        entries = sorted(each for each in Path(folder or ".").iterdir() if each.name.startswith(begin))
        shown = [each for each in entries if begin or not each.name.startswith(".")]
        files = [f"{folder}{each.name}" for each in shown if each.suffix == ENDING]
        return [*files, *(f"{folder}{each.name}/" for each in shown if each.is_dir())]
    except OSError:  # there is no such folder, or it may not be read
        return []


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


COMPLETIONS: Mapping[str, Complete] = {
    **dict.fromkeys(("tasks", "task"), tasks),
    "backend": backends,
    "names": names,
    "mode": modes,
    "baseline": rows,
    **dict.fromkeys(("settings", "vary"), keys),
    **dict.fromkeys(("runs", "run", "then", "now", "resume"), run_files),
}


def completed(parameter: inspect.Parameter) -> inspect.Parameter:
    """Return a parameter of a command that a shell completes, if its name is known here."""
    complete = COMPLETIONS.get(parameter.name)
    if complete is None or get_origin(parameter.annotation) is not Annotated:
        return parameter
    kind, *about = get_args(parameter.annotation)
    infos = [_with_completion(each, complete) if isinstance(each, ParameterInfo) else each for each in about]
    return parameter.replace(annotation=Annotated[kind, *infos])


def _with_completion(info: ParameterInfo, complete: Complete) -> ParameterInfo:
    found = copy.copy(info)  # the same option may stand in several commands
    found.autocompletion = complete
    return found
