"""Which rows cannot run here: the framework is not installed, or the data are missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from backends.registry import BACKENDS, Entry
from bench.events import DownloadListener
from bench.harness.setup import WorkerSetup
from bench.records.schema import Row, Status
from bench.tasks.datasets.fetch import DataMissing, allowed_kinds, fetch
from bench.tasks.datasets.folders import data_folders
from bench.tasks.names import find_task


def fetch_data(tasks: Iterable[str], setup: WorkerSetup, listener: DownloadListener) -> dict[str, str]:
    """Download missing data files of the tasks; return the reason for each task whose data are not available."""
    lost: dict[str, str] = {}
    answers: dict[str, str] = {}
    for task in tasks:
        collection = find_task(task).data.collection
        if collection is None:
            continue
        if collection.name not in answers:
            answers[collection.name] = ""
            try:
                fetch(collection, data_folders(setup.environment), allowed_kinds(setup.environment), listener)
            except DataMissing as error:
                answers[collection.name] = str(error)
        if answers[collection.name]:
            lost[task] = answers[collection.name]
    return lost


def unavailable(
    rows: Iterable[Row], lost: Mapping[str, str], backends: Mapping[str, Entry] = BACKENDS
) -> dict[Row, tuple[Status, str]]:
    """Return status and reason of each row that cannot run. `lost` has the reason for each task without data."""
    found: dict[Row, tuple[Status, str]] = {}
    for row in rows:
        missing = unavailable_backend(backends[row.backend])
        if missing:
            found[row] = missing
        elif row.task in lost:
            found[row] = ("no data", lost[row.task])
    return found


def unavailable_backend(entry: Entry) -> tuple[Status, str] | None:
    """Return status and reason if a backend cannot run here, None if it can."""
    if entry.fault:
        return "failed", entry.fault
    missing = entry.missing()
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        return "unsupported", f"{' and '.join(missing)} {verb} not installed: {entry.install}"
    return None
