"""Names of tasks, lists and numbers in sentences. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from bench.errors import UserError
from bench.records.schema import Settings
from bench.tasks import TASKS
from bench.tasks.names import TaskRef, differing
from bench.tasks.settings import setting_in_words


def listed(names: Iterable[str]) -> str:
    """Return names, of which there is one at least, as a list in words: a, b and c."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def counted(number: int, what: str) -> str:
    """Return a number of things, such as 1 row or 2 rows."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def task_summary(task: str, settings: Settings) -> str:
    """Return what a task is, with the settings that the run changed; nothing for one that is not known here."""
    try:
        reference = TaskRef.parse(task)
        reference.task()
    except UserError:  # a task of another version or package
        return ""
    changed = {name: setting_in_words(value) for name, value in settings.items()}
    return differing(TASKS[reference.base].summary, {**reference.settings, **changed})


def titles(
    places: Iterable[tuple[str, str]], machines: Mapping[str, str] = MappingProxyType({})
) -> dict[tuple[str, str], str]:
    """Return a title for each run and task: the task and, where several runs have that task, the run.

    `machines` has the name of each run's machine, if titles stand below that of their machine: then only other runs of
    the same machine count.
    """
    places = list(dict.fromkeys(places))
    counts = Counter((machines.get(run, ""), task) for run, task in places)
    return {(run, task): f"{task} ({run})" if counts[machines.get(run, ""), task] > 1 else task for run, task in places}
