"""The machine, the versions and the commit of a run."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from importlib import metadata
from pathlib import Path

import psutil

from backends.registry import BACKENDS
from bench.records import CoreTimes, Machine
from bench.usage import total_cpu_s

# Not TF_ alone: other tools, Terraform among them, begin their variables so.
FRAMEWORK_PREFIXES = (
    *("CUDA_", "JAX_", "KMP_", "MKL_", "OMP_", "OPENBLAS_", "PYTORCH_", "TORCH", "XLA_"),
    *("TF_CPU_", "TF_CUDNN_", "TF_DETERMINISTIC_", "TF_ENABLE_", "TF_FORCE_", "TF_GPU_", "TF_NUM_", "TF_XLA_"),
)
PACKAGES = ("levelfield", "jaxlib")  # beside those of the backends


def utc_now() -> str:
    """Return date and time in UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


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


def versions() -> dict[str, str]:
    """Return the versions of what is installed of this suite and the frameworks."""
    found = {}
    for package in dict.fromkeys((*PACKAGES, *(name for entry in BACKENDS.values() for name in entry.distributions))):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def settings_of_frameworks(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which the user has set frameworks or thread libraries: all workers inherit them."""
    return {name: value for name, value in sorted(environment.items()) if name.startswith(FRAMEWORK_PREFIXES)}


def commit() -> str:
    """Return the commit of the checkout that this code is in, with + where files were changed; unknown outside one."""
    here = Path(__file__).resolve().parent
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
            cwd=here, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return described.stdout.strip()


def _governor() -> str:
    path = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    try:
        return path.read_text().strip()
    except OSError:
        return "unknown"
