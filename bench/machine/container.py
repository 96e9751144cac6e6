"""Limits of the container: CPU time and memory that its control groups grant, in cgroup versions 1 and 2.

The files are documented in the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst. A limit
holds for a group and for everything below it, so the lowest limit of this process's group and those above it counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bench.machine.kernel import number_in, text_in

GROUPS = "sys/fs/cgroup"
ROOT = Path("/")
UNLIMITED_BYTES = 2**62  # version 1 writes "no limit" as the largest number of whole pages


@dataclass(frozen=True)
class MemoryLimit:
    """Memory of one control group."""

    limit_bytes: int
    free_bytes: int  # of the limit; files in the page cache count as free where the kernel would drop them first


def cpu_quota_cores(root: Path = ROOT) -> float | None:
    """Return the CPU limit in cores; infinite without a limit, None where the system has no control groups."""
    limits = [*_quotas_v2(root), *_quotas_v1(root)]
    if not limits and (root / GROUPS / "cgroup.controllers").exists():
        return math.inf  # the root group has no limit file
    return min(limits, default=None)


def memory_limits(root: Path = ROOT) -> tuple[MemoryLimit, ...]:
    """Return the memory limits of this process's control group and the groups above it; empty without a limit."""
    return (*_memory_v2(root), *_memory_v1(root))


def _quotas_v2(root: Path) -> Iterator[float]:
    for group in _groups(root, controller=""):
        quota, _, period_us = text_in(group / "cpu.max").partition(" ")
        if quota:
            yield math.inf if quota == "max" else int(quota) / int(period_us)


def _quotas_v1(root: Path) -> Iterator[float]:
    for group in _groups(root, controller="cpu"):
        quota_us, period_us = number_in(group / "cpu.cfs_quota_us"), number_in(group / "cpu.cfs_period_us")
        if quota_us is not None and period_us:
            yield math.inf if quota_us < 0 else quota_us / period_us


def _memory_v2(root: Path) -> Iterator[MemoryLimit]:
    for group in _groups(root, controller=""):
        yield from _memory(group, "memory.max", "memory.current", "inactive_file")


def _memory_v1(root: Path) -> Iterator[MemoryLimit]:
    for group in _groups(root, controller="memory"):
        yield from _memory(group, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _memory(group: Path, limit: str, used: str, droppable: str) -> Iterator[MemoryLimit]:
    limit_bytes, used_bytes = number_in(group / limit), number_in(group / used)
    if limit_bytes is None or used_bytes is None or limit_bytes >= UNLIMITED_BYTES:
        return
    entries = dict(line.split(" ", 1) for line in text_in(group / "memory.stat").splitlines())
    occupied_bytes = max(0, used_bytes - int(entries.get(droppable, 0)))
    yield MemoryLimit(limit_bytes, max(0, limit_bytes - occupied_bytes))


def _groups(root: Path, *, controller: str) -> tuple[Path, ...]:
    """Return the folders of this process's control group and of all groups above it.

    Version 2 has one tree for all controllers, whose `controller` is empty, version 1 a tree for each.
    """
    groups = {"."}  # in a container the root of the tree may be the container's own group
    for line in text_in(root / "proc/self/cgroup").splitlines():
        _, controllers, name = line.split(":", 2)
        if controller in controllers.split(","):
            path = PurePosixPath(name.strip("/"))
            groups |= {str(group) for group in (path, *path.parents)}
    return tuple(root / GROUPS / controller / group for group in sorted(groups))
