"""What a user names as runs: run files, folders, each of which stands for the run files in it, and stores."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bench.errors import shown
from bench.records.lines import NotARunFile
from bench.records.runfile import Run, read_run
from bench.records.store.layout import Store, store_at
from bench.records.store.reading import stored_run, stored_runs

ENDING = ".jsonl"
SEVERAL_NAMED = 5  # files that an error names before it says how many others there are


def run_files(paths: Iterable[Path]) -> list[Path]:
    """Return the run files that paths stand for, in their order: a folder for all `*.jsonl` in it, by name.

    Folders in it and files whose names begin with a dot do not count. Raises `NotARunFile` for a folder without run
    files. Whether a path is there is not looked at: who reads it will see.
    """
    return [file for path in paths for file in (_files_in(path) if path.is_dir() else [path])]


def _files_in(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise NotARunFile(f"cannot read {folder}: {error.strerror}") from error
    found = [each for each in entries if each.suffix == ENDING and not each.name.startswith(".") and each.is_file()]
    if not found:
        raise NotARunFile(f"no run file is in the folder {folder}: none of its files ends with {ENDING}")
    return found


def read_runs(paths: Iterable[Path]) -> tuple[Run, ...]:
    """Read the runs that paths stand for: run files, folders, stores and single runs of them. Raises `NotARunFile`.

    A run that is named twice, or with the folder that it is in, is one, and its file is read once.
    """
    found: dict[Path, Run] = {}  # by their paths without links
    for path in paths:
        if store := store_at(path):
            whole = path.resolve()
            found.update((whole / run.path.name, run) for run in stored_runs(store))
        elif store := store_of_run(path):
            found[path.resolve()] = stored_run(store, path.name)
        else:
            for file in run_files([path]):
                if (real := file.resolve()) not in found:
                    found[real] = read_run(file)
    return tuple(found.values())


def store_of_run(path: Path) -> Store | None:
    """Return the store that a path names a single run of; None if it is no such path. Raises `NotARunFile`."""
    return None if path.exists() else store_at(path.parent)


def only(path: Path, runs: Iterable[Run], why: str) -> Run:
    """Return the only one of the runs that a path stands for. `why` says for people what takes no more than one.

    Raises `NotARunFile` if there are several.
    """
    first, *others = runs
    if others:
        names = [shown(str(each.path)) for each in (first, *others)]
        more = f" and {len(names) - SEVERAL_NAMED} more" if len(names) > SEVERAL_NAMED else ""
        raise NotARunFile(
            f"{path} has {len(names)} runs, and {why}; name one of them: {', '.join(names[:SEVERAL_NAMED])}{more}"
        )
    return first
