"""What every job of a worker process needs: the backend, the task, the placement and the data files."""

from __future__ import annotations

import functools
import os

from backends.contract import Placement
from backends.registry import BACKENDS, REFERENCE, Entry
from bench.records.schema import Job
from bench.selftest import HIDDEN
from bench.tasks import Task
from bench.tasks.datasets.base import Find
from bench.tasks.datasets.fetch import data_folders, find
from bench.tasks.names import find_task
from bench.tasks.settings import override


def entry_of(job: Job) -> Entry:
    """Return where the job's backend is."""
    return (HIDDEN | BACKENDS | {REFERENCE.name: REFERENCE})[job.row.backend]


def task_of(job: Job) -> Task:
    """Return the task with the job's settings."""
    return override(find_task(job.row.task), job.settings)


def placement_of(job: Job) -> Placement:
    """Return where and how the job trains."""
    return Placement(mode=job.row.mode, device=job.row.device, precision=job.row.precision, threads=job.threads)


def find_data() -> Find:
    """Return the function that finds data files; the parent has fetched them."""
    return functools.partial(find, folders=data_folders(os.environ))
