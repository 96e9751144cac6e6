"""Which rows cannot run here: the framework is not installed, or the data are missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from backends.registry import BACKENDS
from bench.events import DownloadListener
from bench.harness.setup import WorkerSetup
from bench.records.schema import Row, Status
from bench.tasks.datasets.fetch import DataMissing, allowed_kinds, data_folders, fetch
from bench.tasks.names import find_task


def fetch_data(tasks: Iterable[str], setup: WorkerSetup, listener: DownloadListener) -> dict[str, str]:
    """Fetch what the tasks need; return, for each task whose data cannot be had, why not."""
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


def unavailable(rows: Iterable[Row], lost: Mapping[str, str]) -> dict[Row, tuple[Status, str]]:
    """Return status and reason of each row that need not be tried: no framework, or no data."""
    verdicts: dict[Row, tuple[Status, str]] = {}
    for row in rows:
        entry = BACKENDS[row.backend]
        if entry.fault:
            verdicts[row] = ("failed", entry.fault)
        elif entry.missing():
            missing = " and ".join(entry.missing())
            verdicts[row] = (
                "unsupported",
                f"{missing} {'is' if len(entry.missing()) == 1 else 'are'} not installed: {entry.install}",
            )
        elif row.task in lost:
            verdicts[row] = ("no data", lost[row.task])
    return verdicts
