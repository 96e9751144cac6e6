"""Cache of envelopes on disk, kept between runs. The key is a digest of everything that an envelope depends on."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from functools import cache
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


class EnvelopeCache:
    """A folder with a file for each envelope, named by the digest of everything it depends on (`cache_key`)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> Envelope | None:
        """Return the envelope of a key, None if there is none or it cannot be read."""
        try:
            return load_envelope(self.folder / f"{key}.npz")
        except Exception:  # a damaged file may raise anything, MemoryError included; it is replaced by a new one
            return None

    def put(self, key: str, envelope: Envelope) -> None:
        """Save an envelope. If the folder cannot be written to, it will be computed again next time."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            with scratch_folder(self.folder) as part:
                file = part / "envelope.npz"
                save_envelope(file, envelope)
                file.replace(self.folder / f"{key}.npz")  # atomic, also if another process writes the same file


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
