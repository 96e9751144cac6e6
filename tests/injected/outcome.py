"""What came of a fault that was injected once, and what every run is looked at for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from injected.place import Command, Place

from bench.records.runfile import Kept, Run, read_run

OK = "ok"
ENDED = (0, 5)  # exit codes of a run that has ended: 5 where a busy machine made its times unfair


@dataclass(frozen=True)
class Outcome:
    """What came of one injection."""

    saw: str  # the sentence that tells the user
    lost: tuple[str, ...] = ()  # finished records that are gone or doubled, and what else should not be


@dataclass(frozen=True)
class Fault:
    """A fault, and how it is injected."""

    name: str
    times: int  # in the session
    inject: Callable[[Place, Random], Sequence[Outcome]]  # injects it at least once
    cheap: bool = False  # few seconds, so the default tests inject it once


class NotHere(Exception):
    """Raised where a fault cannot be injected on this machine; the message says why."""


def around(place: Place, *commands: Command) -> tuple[str, ...]:
    """Return what should not be after any fault: processes and temporary folders that are left, and tracebacks."""
    traces = tuple("traceback" for command in commands if "Traceback" in command.text)
    return (*place.left_running(), *place.left_lying(), *traces)


def failed(command: Command) -> tuple[str, ...]:
    """Return that a command has failed, with all that it printed; nothing if it ended as a good one does."""
    code = command.process.returncode
    return () if code in ENDED else (f"ended with {code}: {command.text}",)


def kept(before: Run, after: Run) -> tuple[str, ...]:
    """Return what a run file has lost since it was read before, and samples that it has twice."""
    lost = [f"lost: {record.job}" for record in before.records if record not in after.records]
    return (*lost, *doubled(after))


def doubled(run: Run) -> tuple[str, ...]:
    """Return the good samples that a run file has more than once."""
    jobs = Counter((str(record.job.row), record.job.block) for record in run.records if record.status == OK)
    return tuple(f"doubled: {row}, round {block + 1}" for (row, block), count in jobs.items() if count > 1)


def missing(run: Run, rows: Iterable[str], rounds: int) -> tuple[str, ...]:
    """Return the rows, named by backend and mode, that have not as many good samples as there were rounds."""
    found = Counter(f"{record.job.row.backend} {record.job.row.mode}" for record in run.records if record.status == OK)
    return tuple(f"missing: {row}: {found[row]} of {rounds} samples" for row in rows if found[row] < rounds)


def content(path: Path) -> Run | None:
    """Return what a run file has, None where there is no whole line yet.

    Its records are in memory: a run that was read looks them up in the file, which the fault then changes.
    """
    if not path.exists() or b"\n" not in path.read_bytes():
        return None
    run = read_run(path)
    return replace(run, records=Kept(run.records).records())


def sentence(text: str) -> str:
    """Return what was said without what differs each time: numbers of processes, and random bytes."""
    text = re.sub(r"process \d+", "process N", text)
    text = re.sub(r"/\S*/(?=[\w.-]+)", "", text)
    return " ".join(text.split())
