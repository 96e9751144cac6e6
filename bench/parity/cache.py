"""Cache of envelopes on disk, kept between runs. The key is a digest of everything that an envelope depends on."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from functools import cache
from io import BufferedReader
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from backends.contract import Precision
from bench.parity.envelope import Envelope, load_envelope, save_envelope
from bench.scratch import scratch_folder

PACKAGES = Path(__file__).resolve().parents[2]
SOURCES = (  # all code that a number in an envelope depends on
    *("backends/contract.py", "backends/layers.py", "backends/sequences.py", "backends/words.py"),
    *("backends/numpy_reference.py", "backends/numpy_reference_layers.py"),
    *("backends/numpy_reference_affine.py", "backends/numpy_reference_sequences.py"),
    *("bench/parity/traces.py", "bench/parity/rounding.py", "bench/parity/envelope.py", "bench/parity/arrays.py"),
    "bench/harness/quality.py",
    "bench/tasks",
)


SEAL_BYTES = 64  # before the archive, whose readers pass over what comes before it


class EnvelopeCache:
    """A folder with a file for each envelope, named by the digest of everything it depends on (`cache_key`).

    Each file begins with a digest of its key and its content: an envelope that was copied from another task, or changed
    by hand, would call right rows wrong for as long as it lies there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> Envelope | None:
        """Return the envelope of a key, None if there is none, it cannot be read, or is not what was saved."""
        path = self.folder / f"{key}.npz"
        try:
            return load_envelope(path) if path.is_file() and _is_sealed(key, path) else None
        except Exception:  # a damaged file may raise anything, MemoryError included; it is replaced by a new one
            return None

    def put(self, key: str, envelope: Envelope) -> None:
        """Save an envelope. If the folder cannot be written to, it will be computed again next time."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            with scratch_folder(self.folder) as part:
                arrays, file = part / "envelope.npz", part / "sealed.npz"
                save_envelope(arrays, envelope)
                with arrays.open("rb") as content:
                    seal = _seal(key, content)
                file.write_bytes(seal + arrays.read_bytes())
                file.replace(self.folder / f"{key}.npz")  # atomic, also if another process writes the same file


def _seal(key: str, file: BufferedReader) -> bytes:
    """Return the digest of a key and of what follows in a file, which is not read into memory as a whole."""
    return hashlib.file_digest(file, lambda: hashlib.sha256(key.encode())).hexdigest().encode()


def _is_sealed(key: str, path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(SEAL_BYTES) == _seal(key, file)


def cache_key(task: str, settings: Mapping[str, Any], precision: Precision, epochs: int | None) -> str:
    """Return the digest of what an envelope depends on: every setting of its task, precision, epochs, and code."""
    identity = msgspec.json.encode([task, settings, precision, epochs, np.__version__, _code()], order="sorted")
    return hashlib.sha256(identity).hexdigest()


@cache
def _code() -> str:
    digest = hashlib.sha256()
    for name in SOURCES:
        path = PACKAGES / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    return digest.hexdigest()
