"""The machine, the versions and the commit of a run."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import psutil

from bench.machine.usage import total_cpu_s
from bench.records.schema import CoreTimes, Machine


def usable_cores() -> tuple[int, ...]:
    """Return the numbers of the cores that this process may run on."""
    if sys.platform == "linux":  # macOS cannot pin a process
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def core_times(cores: Collection[int]) -> CoreTimes | None:
    """Return the CPU time spent on these cores so far, and of that, what was ours; None where it is not told by core.

    A child counts as ours when it has ended and was waited for.
    """
    if sys.platform != "linux":
        return None
    everyone = psutil.cpu_times(percpu=True)
    if max(cores) >= len(everyone):  # some cores are switched off, and then they are not listed by their numbers
        return None
    times = [everyone[core] for core in cores]
    return CoreTimes(
        busy_s=sum(each.user + each.nice + each.system + each.irq + each.softirq for each in times),
        stolen_s=sum(each.steal for each in times),
        own_s=total_cpu_s(),
    )


def free_memory_bytes(root: Path = Path("/")) -> int:
    """Return how much memory can be had: what the system says, or less where a container has a limit of its own."""
    free_bytes = psutil.virtual_memory().available
    group = root / "sys/fs/cgroup"
    try:
        limit, used = ((group / name).read_text().strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return free_bytes
    return free_bytes if limit == "max" else min(free_bytes, int(limit) - int(used))


def gpu_names() -> tuple[str, ...]:
    """Return the names of the NVIDIA GPUs, as the driver's own tool tells them; none without that tool."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    command = [tool, "--query-gpu=name", "--format=csv,noheader"]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in listing.stdout.splitlines())


def this_machine() -> Machine:
    """Return what this machine is."""
    import cpuinfo

    return Machine(
        system=f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        cpu=cpuinfo.get_cpu_info().get("brand_raw", "unknown"),
        cores=len(usable_cores()),
        memory_bytes=psutil.virtual_memory().total,
        governor=_governor(),
        gpus=gpu_names(),
        load=round(psutil.getloadavg()[0], 2),
    )


def _governor() -> str:
    path = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    try:
        return path.read_text().strip()
    except OSError:
        return "unknown"
