"""Query the machine: usable cores, CPU time per core, free memory, GPUs, and the description in a run file."""

from __future__ import annotations

import contextlib
import hmac
import math
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

import psutil

from bench.machine.container import ROOT, cpu_quota_cores, memory_limits
from bench.machine.kernel import text_in
from bench.machine.pools import libraries_with_pools
from bench.machine.usage import total_cpu_s
from bench.records.schema import CoreTimes, Machine

# Sets of vector instructions, by the names of the kernel, that speed up matrix products: of x86, then of ARM.
INSTRUCTIONS = ("avx", "avx2", "fma", "avx512f", "avx512vnni", "avx512_bf16", "amx_tile", "asimd", "sve", "sve2", "sme")


def usable_cores(others: Iterable[int] = ()) -> tuple[int, ...]:
    """Return the numbers of the cores that this process, or one of the `others` (process ids), may run on."""
    if sys.platform != "linux":  # macOS cannot pin a process
        return tuple(range(os.cpu_count() or 1))
    cores = os.sched_getaffinity(0)
    for process in others:
        with contextlib.suppress(ProcessLookupError):  # it has ended
            cores |= os.sched_getaffinity(process)
    return tuple(sorted(cores))


def granted_cores(root: Path = ROOT) -> tuple[int, ...]:
    """Return the cores to use unless the user says otherwise: the usable ones, but no more than the CPU quota pays for.

    With more threads than that, all threads of a container are paused when its quota is used up.
    """
    quota, cores = quota_cores(root), usable_cores()
    return cores if quota is None else cores[: max(1, int(quota))]


def quota_cores(root: Path = ROOT) -> float | None:
    """Return the CPU time that the container may use, in cores; None without a limit."""
    quota = cpu_quota_cores(root)
    return None if quota is None or math.isinf(quota) else quota


def core_times(cores: Collection[int]) -> CoreTimes | None:
    """Return the CPU time spent on these cores since boot, and that of this process and its children.

    A child process counts after it has ended and been waited for. None when the system does not report times per core.
    """
    if sys.platform != "linux":
        return None
    everyone = psutil.cpu_times(percpu=True)
    if max(cores) >= len(everyone):  # with some cores offline, positions in the list are not core numbers
        return None
    times = [everyone[core] for core in cores]
    return CoreTimes(
        busy_s=sum(each.user + each.nice + each.system + each.irq + each.softirq for each in times),
        stolen_s=sum(each.steal for each in times),
        own_s=total_cpu_s(),
    )


def free_memory_bytes(root: Path = ROOT) -> int:
    """Return the available memory: that of the system, or what is left of the container's limit if that is less."""
    return min((psutil.virtual_memory().available, *(each.free_bytes for each in memory_limits(root))))


def memory_bytes(root: Path = ROOT) -> int:
    """Return the memory of the machine, or the container's limit if that is less."""
    return min((psutil.virtual_memory().total, *(each.limit_bytes for each in memory_limits(root))))


def gpu_names() -> tuple[str, ...]:
    """Return the names of the NVIDIA GPUs from nvidia-smi; empty when nvidia-smi is missing or fails."""
    return _queried_gpus("name")


def free_device_memory_bytes() -> int | None:
    """Return the free memory of the first NVIDIA GPU; None when nvidia-smi is missing or fails."""
    free = _queried_gpus("memory.free")
    if not free or not free[0].removesuffix(" MiB").isdigit():
        return None
    return int(free[0].removesuffix(" MiB")) * 2**20


def _queried_gpus(what: str) -> tuple[str, ...]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    command = [tool, f"--query-gpu={what}", "--format=csv,noheader"]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in listing.stdout.splitlines())


def this_machine(root: Path = ROOT) -> Machine:
    """Return the description of this machine for a run file."""
    import cpuinfo

    processor = cpuinfo.get_cpu_info()
    return Machine(
        id=machine_id(root),
        system=f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        cpu=processor.get("brand_raw", "unknown"),
        instructions=tuple(name for name in INSTRUCTIONS if name in processor.get("flags", ())),
        blas=blas(),
        cores=len(usable_cores()),
        quota_cores=quota_cores(),
        memory_bytes=memory_bytes(),
        governor=_governor(),
        gpus=gpu_names(),
        load=round(psutil.getloadavg()[0], 2),
    )


def machine_id(root: Path = ROOT) -> str:
    """Return 12 hexadecimal digits that are the same in every run on this machine; empty where the system has no id.

    They are a hash of the id of the installation, as machine-id(5) asks of programs that hand it on: nobody can find
    the id from them, and no other program hands on the same digits.
    """
    own = text_in(root / "etc/machine-id")
    return hmac.new(own.encode(), b"levelfield", "sha256").hexdigest()[:12] if own else ""


def blas() -> str:
    """Return what multiplies NumPy's matrices: library, version, and the kind of processor that it takes this one for.

    Empty if it is a library that threadpoolctl does not know, such as Apple's Accelerate.
    """
    found = [each for each in (library.info() for library in libraries_with_pools()) if each["user_api"] == "blas"]
    parts = (found[0].get(name) for name in ("internal_api", "version", "architecture")) if found else ()
    return " ".join(filter(None, parts))


def _governor() -> str:
    return text_in(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")) or "unknown"
