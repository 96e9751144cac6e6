"""What was computed of a run when it was merged into a store, and is not computed again.

It is used only by the very code that made it: each piece goes with a digest of the sources of the analysis, and where
that is another one, everything is computed from the records.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import msgspec

from bench.errors import shown
from bench.records.lines import NotARunFile
from bench.records.provenance import digest_of_sources
from bench.records.runfile import Run

SOURCES = ("bench/analysis", "bench/records")  # folders that decide what is computed
VERSION = "version"
T = TypeVar("T")


@cache
def version() -> str:
    """Return a digest of the sources of the analysis."""
    return digest_of_sources(SOURCES)[:16]


def is_kept(run: Run) -> bool:
    """Return whether something was computed of a run that this version of the analysis would compute again."""
    return run.records.kept.get(VERSION) == version().encode()


def kept(run: Run, name: str, kind: type[T]) -> T | None:
    """Return what was computed under a name; None if nothing was, or by another version of the analysis.

    Raises `NotARunFile` if it is damaged.
    """
    if not is_kept(run) or name not in run.records.kept:
        return None
    try:
        return msgspec.msgpack.decode(run.records.kept[name], type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise NotARunFile(f"what was computed of {run.path} is damaged: {shown(str(error))}") from error


def encoded(value: Any) -> bytes:
    """Return a value of dataclasses as bytes that `kept` decodes."""
    return _ENCODER.encode(value)


_ENCODER = msgspec.msgpack.Encoder(enc_hook=lambda number: number.item())  # of NumPy
