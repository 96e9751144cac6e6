"""What a worker process derives from its job: the task, the placement, and where the data files are."""

from __future__ import annotations

import functools
import os

from backends.contract import Placement
from bench.records.schema import Job
from bench.tasks import Task
from bench.tasks.datasets.base import Find
from bench.tasks.datasets.fetch import find
from bench.tasks.datasets.folders import data_folders
from bench.tasks.names import find_task
from bench.tasks.settings import override


def task_of(job: Job) -> Task:
    """Return the task with the job's settings."""
    return override(find_task(job.row.task), job.settings)


def placement_of(job: Job) -> Placement:
    """Return where and how the job trains."""
    return Placement(mode=job.row.mode, device=job.row.device, precision=job.row.precision, threads=job.threads)


def find_data() -> Find:
    """Return the function that finds data files. The parent process has downloaded them."""
    return functools.partial(find, folders=data_folders(os.environ))
