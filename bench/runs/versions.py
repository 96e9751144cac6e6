"""Two versions of one backend as two backends of one run: other environments, or other checkouts of its package."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from backends.registry import Entry
from bench.errors import BadChoice, UserError
from bench.harness.protocol import Failure
from bench.harness.setup import WorkerSetup
from bench.harness.version_job import VersionRequest
from bench.records.version_rows import version_name


def at_place(entry: Entry, which: str, place: Path) -> Entry:
    """Return the entry of a version: `place` is the Python of its environment, or a folder with its package.

    Raises `BadChoice` for anything else.
    """
    place = Path.cwd() / place  # not resolved: the Python of a virtual environment is a link, and where it lies matters
    named = replace(entry, name=version_name(entry.name, which))
    if place.is_dir():
        return replace(named, path=str(place))
    if place.is_file() and os.access(place, os.X_OK):
        return replace(named, python=str(place))
    raise BadChoice(
        f"--{which} wants the Python of an environment, such as env/bin/python, or a folder to import from; got {place}"
    )


def with_versions(setup: WorkerSetup, entries: Mapping[str, Entry]) -> WorkerSetup:
    """Return the set-up of a run whose rows may name these entries too."""
    return replace(setup, backends={**setup.backends, **entries})


def version_of(entry: Entry, setup: WorkerSetup) -> str:
    """Return the version of the framework that an entry finds. Raises `UserError` if no worker can run there."""
    with setup.scratch() as scratch, setup.worker(scratch) as worker:
        reply = worker.run(VersionRequest(backend=entry), setup.time_limit_s)
    if isinstance(reply, Failure):
        printed = reply.output.strip().splitlines()
        why = f"{reply.reason}: {printed[-1]}" if printed else reply.reason
        raise UserError(
            f"{entry.name} cannot run in {entry.python or entry.path}: {why}. "
            f"It needs the framework, msgspec, numpy, psutil and threadpoolctl"
        )
    return reply.note
