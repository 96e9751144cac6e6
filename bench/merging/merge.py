"""Merge run files into a store: each is checked, written beside what is there, and then counts as a whole."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bench.analysis.kept import version
from bench.errors import BadChoice, UserError
from bench.merging.adding import Refused, addition_of, id_of, summarised_again
from bench.merging.catalog import Addition, Catalog, Known
from bench.merging.files import remove_leftovers, replacing
from bench.merging.sameness import digest_of, first_difference
from bench.records.lines import Lines, NotARunFile
from bench.records.store.layout import (
    MARKER,
    Store,
    marker_content,
    require_arrow,
    require_utf8,
    store_around,
    store_at,
)
from bench.records.store.reading import stored_lines
from bench.records.writing import lock
from bench.scratch import scratch_folder

COMMIT_RUNS, COMMIT_S = 64, 30.0  # runs and seconds after which what was merged becomes part of the store
Kind = Literal["new", "grown", "known", "refused"]


@dataclass(frozen=True)
class Merged:
    """What became of a run file."""

    path: Path
    kind: Kind
    name: str = ""  # of the run in the store
    records: int = 0  # that were added
    reason: str = ""  # for people, why it was refused


@contextmanager
def merging(folder: Path) -> Iterator[Merging]:
    """Open a store, or begin one in a new or empty folder, for this process alone.

    At the end, also where the block was interrupted, what was merged becomes part of the store. Raises `UserError`.
    """
    require_arrow()
    require_utf8(folder)
    store = store_at(folder) or _begin(folder)
    with store.marker.open("rb") as marker:
        lock(marker.fileno(), folder, "merge")
        catalog = Catalog(store)
        remove_leftovers(folder, frozenset(each.name for each in catalog.known.values()))
        found = Merging(store, catalog)
        try:
            yield found
        finally:
            found.commit()


def _begin(folder: Path) -> Store:
    """Begin a store. Raises `BadChoice` for a folder with other content, `UserError` if it cannot be written."""
    if around := store_around(folder):
        raise BadChoice(f"{folder} is in the store {around.folder}; name a folder outside of it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with folder_locked(folder):
            return store_at(folder) or _marked(folder)
    except FileExistsError as error:
        raise BadChoice(f"{folder} is a file; a store is a folder") from error
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}") from error


def _marked(folder: Path) -> Store:
    """Mark a folder as a store. Raises `BadChoice` for one with other content, and OSError."""
    if any(each.name != f"{MARKER}.part" for each in folder.iterdir()):
        lost = f" (if it was one, its file {MARKER} is missing)" if (folder / "runs").is_dir() else ""
        raise BadChoice(f"{folder} is no store and has other files in it{lost}; name a store, or a folder that is new")
    with replacing(folder / MARKER) as beside:
        beside.write_bytes(marker_content())
    return Store(folder)


@contextmanager
def folder_locked(folder: Path) -> Iterator[None]:
    """Let no other process begin a store in a folder during the block. Raises `UserError` if one does."""
    file = os.open(folder, os.O_RDONLY)
    try:
        lock(file, folder, "merge")
        yield
    finally:
        os.close(file)


class Merging:
    """A store that is open for merging."""

    def __init__(self, store: Store, catalog: Catalog) -> None:
        self.store = store
        self.catalog = catalog
        self.pending: dict[str, Addition] = {}  # by id: files that are written and not yet part of the store
        self.committed_s = time.monotonic()

    def add(self, path: Path) -> Merged:
        """Merge a run file, or refuse it. Raises `UserError` if the store cannot be written."""
        try:
            return self._add(path)
        except (NotARunFile, Refused) as error:
            return Merged(path, "refused", reason=str(error))
        except OSError as error:
            raise UserError(f"cannot write {error.filename or self.store.folder}: {error.strerror}") from error

    def add_stored(self, store: Store, name: str) -> Merged:
        """Merge a run of another store as `add` merges its run file: nothing that was computed there counts here."""
        own = store.folder / name
        with scratch_folder() as folder:
            path = folder / f"{name.rpartition('-')[0] or name}.jsonl"
            with path.open("wb") as file:
                file.writelines(line + b"\n" for line in stored_lines(store, name))
            found = self.add(path)
            return replace(found, path=own, reason=found.reason.replace(str(path), str(own)))

    def _add(self, path: Path) -> Merged:
        run_id = id_of(path)
        if run_id in self.pending:
            self.commit()  # another copy of the file was merged a moment ago
        known = self.catalog.known.get(run_id)
        if known is not None and not self._has_grown(path, known):
            return Merged(path, "known", known.name)
        addition, prints = addition_of(path, run_id, self.store, self.catalog, known)
        self.pending[run_id] = addition
        self.catalog.remember(prints, addition.line["run"])
        if len(self.pending) >= COMMIT_RUNS or time.monotonic() - self.committed_s > COMMIT_S:
            self.commit()
        more = addition.line["records"] - (known.records if known else 0)
        return Merged(path, "grown" if known else "new", addition.line["run"], more)

    def _has_grown(self, path: Path, known: Known) -> bool:
        """Return whether a run file has lines that its run in the store has not. Raises `Refused` if lines differ."""
        lines = Lines(path)
        if digest_of(lines, known.lines) == known.digest:
            return next(lines, None) is not None
        number = first_difference(Lines(path), stored_lines(self.store, known.name))
        if number is None:  # an earlier state of the file
            return False
        raise Refused(
            f"{path}: line {number} is not that of {known.name}, which is in the store and has the same header; a run "
            f"has one file: merge the one that was not edited"
        )

    def summarise_again(self) -> int:
        """Make the summaries anew that another version of the analysis has made; return of how many runs."""
        self.commit()
        old = {each.name for each in self.catalog.known.values() if each.version != version()}
        for segment in self.store.segments("runs") if old else ():
            for addition in summarised_again(self.store, segment, old):
                self.pending[addition.id] = addition
            self.commit()
        return len(old)

    def commit(self) -> None:
        """Make what was merged a part of the store. Raises `UserError`."""
        try:
            self.catalog.add(list(self.pending.values()))
        except OSError as error:
            raise UserError(f"cannot write {self.store.folder}: {error.strerror}") from error
        self.pending.clear()
        self.committed_s = time.monotonic()
