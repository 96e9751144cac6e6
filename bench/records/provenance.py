"""Provenance of a run: time, versions and commit, and how it differs between two runs."""

from __future__ import annotations

import hashlib
import re
import subprocess
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from backends.registry import BACKENDS
from bench.errors import UserError
from bench.records.schema import Header

PACKAGES = ("levelfield", "jaxlib")  # in addition to the packages of the backends


def utc_now() -> str:
    """Return the current date and time in UTC: `2026-01-31T12:00:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def as_text(text: str) -> str:
    """Return text that a run file can hold; bytes that are no text, as in names of files, are shown as Python does."""
    return text.encode(errors="backslashreplace").decode()


def versions() -> dict[str, str]:
    """Return the versions of this suite, of the installed frameworks and of packages with backends, by package.

    Missing packages are left out.
    """
    found = {}
    named = [name for entry in BACKENDS.values() for name in (*entry.distributions, entry.package) if name]
    for package in dict.fromkeys((*PACKAGES, *named)):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """Return the commit of this checkout, with + for uncommitted changes; unknown outside a git checkout."""
    here = Path(__file__).resolve().parent
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
            cwd=here, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return described.stdout.strip()


def digest_of_sources(folders: Iterable[str]) -> str:
    """Return the SHA-256 of all sources in folders of this suite, such as bench, by their names and contents.

    It is the same wherever the suite is installed.
    """
    digest, root = hashlib.sha256(), Path(__file__).resolve().parents[2]
    for path in sorted(path for folder in folders for path in (root / folder).rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


class NotComparable(UserError):
    """Raised when one run or comparison would contain samples of different machines, versions or code."""


Kind = Literal["machine", "versions", "settings", "code"]


@dataclass(frozen=True)
class Difference:
    """A value of the provenance that differs between two runs."""

    kind: Kind
    name: str
    then: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.name}: {_shown(self.then)} then, {_shown(self.now)} now"


def differences(then: Header, now: Header) -> tuple[Difference, ...]:
    """Return the values that differ between two headers.

    Time, load, command and the build of the kernel are not compared, because they differ between most runs. Settings
    are compared only for tasks that both runs have.
    """
    machine = {
        "system": (system_without_build(then), system_without_build(now)),
        "processor": (then.machine.cpu, now.machine.cpu),
        "cores": (then.machine.cores, now.machine.cores),
        "CPU quota": (then.machine.quota_cores, now.machine.quota_cores),
        "memory": (_gib(then), _gib(now)),
        "governor": (then.machine.governor, now.machine.governor),
        "GPUs": (then.machine.gpus, now.machine.gpus),
        "threads of a worker": (then.threads, now.threads),
    }
    # Of an earlier version, or where the system has none, there is no id; two that are known must be the same.
    told = {"machine id": (then.machine.id, now.machine.id), "host": (then.host, now.host)}
    machine |= {name: pair for name, pair in told.items() if all(pair)}
    found = [Difference("machine", name, *pair) for name, pair in machine.items() if pair[0] != pair[1]]
    found += _of_mappings("machine", "variable ", "not set", then.environment, now.environment)
    found += _of_mappings("versions", "", "not installed", then.versions, now.versions)
    for task in (task for task in then.tasks if task in now.tasks):
        found += _of_mappings("settings", f"{task} ", None, then.tasks[task], now.tasks[task])
    if then.commit != now.commit:
        found.append(Difference("code", "commit", then.commit, now.commit))
    return tuple(found)


def refused(found: Iterable[Difference], allowed: Collection[str]) -> tuple[Difference, ...]:
    """Return the differences of two runs that make a comparison misleading, without those of the allowed kinds.

    Another commit of this suite is shown, and refuses nothing.
    """
    return tuple(each for each in found if each.kind not in ("code", *allowed))


def system_without_build(header: Header) -> str:
    """Return the system without the build of its kernel: a machine gets a new one with each update."""
    return re.sub(r"^(\S+ \d+(\.\d+)*)[^,]*", r"\1", header.machine.system)


def _gib(header: Header) -> str:
    return (
        f"{header.machine.memory_bytes / 2**30:.0f} GiB"  # a virtual machine's size differs by some MB after each boot
    )


def _of_mappings(
    kind: Kind, prefix: str, missing: str | None, then: Mapping[str, Any], now: Mapping[str, Any]
) -> list[Difference]:
    names = dict.fromkeys((*then, *now))
    pairs = ((name, then.get(name, missing), now.get(name, missing)) for name in names)
    return [Difference(kind, f"{prefix}{name}", a, b) for name, a, b in pairs if _plain(a) != _plain(b)]


def _plain(value: Any) -> Any:
    """Return the value with lists as tuples: a header read from a file has lists, a new header has tuples."""
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value


def _shown(value: Any) -> str:
    if value is None or value in ((), []):
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
