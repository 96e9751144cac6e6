"""What can be read off a machine that says how well it measures: files of the kernel, processes, the clock."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

import psutil

from bench.machine.host import usable_cores
from bench.machine.variables import BINDING_VARIABLES, KERNEL_VARIABLES, THREAD_VARIABLES
from bench.records.schema import Calibration

CPU = "sys/devices/system/cpu"
CGROUP = "sys/fs/cgroup"
READINGS = 10_000  # of the clock


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What was read. None, or "unknown" for a governor, stands for what could not be told."""

    machine_cores: int | None
    usable_cores: tuple[int, ...]  # their numbers
    quota_cores: float | None  # CPU time that the container may use; infinite where it has no limit
    shared_cores: tuple[tuple[int, ...], ...] | None  # usable ones that are hyper-threads of one and the same
    is_virtual: bool | None
    stolen_share: float | None  # of all time just now, by the hypervisor
    stolen_since_boot_share: float | None  # of the time that there was something to do
    governors: tuple[str, ...]  # of the usable cores, each once
    turbo: bool | None
    throttles: int | None  # since boot, on the usable cores
    load: float  # runnable processes, mean of the last minute
    others_cores: Mapping[str, float]  # that processes of each name kept busy just now, the busiest first
    available_memory_bytes: int
    swap_used_bytes: int
    variables: Mapping[str, str]  # of those named above, what the user has set
    timer_step_s: float | None  # smallest; None where the clock stood still
    timer_cost_s: float  # of one reading
    calibrations: tuple[Calibration, ...]


def probe_machine(
    *,
    calibrations: tuple[Calibration, ...],
    environment: Mapping[str, str],
    root: Path = Path("/"),
    window_s: float = 0.5,
    clock: Callable[[], float] = time.perf_counter,
) -> Probe:
    """Read what there is below `root`, and watch the processes for `window_s`."""
    cores = usable_cores()
    earlier = _ticks(root)
    others_cores = _busy(window_s)
    later = _ticks(root)
    timer_step_s, timer_cost_s = _timer(clock)
    return Probe(
        machine_cores=psutil.cpu_count(),
        usable_cores=cores,
        quota_cores=_quota(root),
        shared_cores=_shared(root, cores),
        is_virtual=_virtual(root),
        stolen_share=_stolen(earlier, later),
        stolen_since_boot_share=_stolen_since_boot(later),
        governors=_governors(root, cores),
        turbo=_turbo(root),
        throttles=_throttles(root, cores),
        load=psutil.getloadavg()[0],
        others_cores=others_cores,
        available_memory_bytes=psutil.virtual_memory().available,
        swap_used_bytes=psutil.swap_memory().used,
        variables=_variables(environment),
        timer_step_s=timer_step_s,
        timer_cost_s=timer_cost_s,
        calibrations=calibrations,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.lstrip("-").isdecimal() else None


def _numbers(text: str) -> frozenset[int]:
    """Return the numbers of a list as the kernel writes it: `0-2,8`."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return frozenset(found)


def _cpus(root: Path, cores: tuple[int, ...]) -> tuple[Path, ...]:
    return tuple(root / CPU / f"cpu{core}" for core in cores)


def _quota(root: Path) -> float | None:
    """Return the lowest limit on this process: that of its own control group, or of one that this is in."""
    limits = [*_quotas_v2(root), *_quotas_v1(root)]
    if not limits and (root / CGROUP / "cgroup.controllers").exists():
        return math.inf  # the root group has no file of limits
    return min(limits, default=None)


def _quotas_v2(root: Path) -> Iterator[float]:
    for group in _groups(root, controller=""):
        quota, _, period_us = _text(root / CGROUP / group / "cpu.max").partition(" ")
        if quota:
            yield math.inf if quota == "max" else int(quota) / int(period_us)


def _quotas_v1(root: Path) -> Iterator[float]:
    for group in _groups(root, controller="cpu"):
        quota_us = _number(root / CGROUP / "cpu" / group / "cpu.cfs_quota_us")
        period_us = _number(root / CGROUP / "cpu" / group / "cpu.cfs_period_us")
        if quota_us is not None and period_us:
            yield math.inf if quota_us < 0 else quota_us / period_us


def _groups(root: Path, *, controller: str) -> tuple[str, ...]:
    """Return the control group that this process is in and all above it; version 2 has one tree for all controllers."""
    groups = {"."}  # in a container the tree may begin at its own group, whatever that is called outside
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, name = line.split(":", 2)
        if controller in controllers.split(","):
            path = PurePosixPath(name.strip("/"))
            groups |= {str(group) for group in (path, *path.parents)}
    return tuple(sorted(groups))


def _shared(root: Path, cores: tuple[int, ...]) -> tuple[tuple[int, ...], ...] | None:
    lists = [_text(folder / "topology/thread_siblings_list") for folder in _cpus(root, cores)]
    if not all(lists):
        return None
    groups = {tuple(sorted(_numbers(text) & set(cores))) for text in lists}
    return tuple(sorted(group for group in groups if len(group) > 1))


def _virtual(root: Path) -> bool | None:
    """Return whether the processor says that it is under a hypervisor; those of ARM have no flag for it."""
    for line in _text(root / "proc/cpuinfo").splitlines():
        if line.startswith("flags"):
            return "hypervisor" in line.split()
    return None


def _governors(root: Path, cores: tuple[int, ...]) -> tuple[str, ...]:
    names = {_text(folder / "cpufreq/scaling_governor") or "unknown" for folder in _cpus(root, cores)}
    return tuple(sorted(names))


def _turbo(root: Path) -> bool | None:
    no_turbo = _number(root / CPU / "intel_pstate/no_turbo")
    if no_turbo is not None:
        return no_turbo == 0
    boost = _number(root / CPU / "cpufreq/boost")
    return None if boost is None else boost == 1


def _throttles(root: Path, cores: tuple[int, ...]) -> int | None:
    counts = [_number(folder / "thermal_throttle/core_throttle_count") for folder in _cpus(root, cores)]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _ticks(root: Path) -> tuple[int, ...]:
    """Return user, nice, system, idle, iowait, irq, softirq and steal of all cores since boot; () where untold."""
    for line in _text(root / "proc/stat").splitlines():
        name, *ticks = line.split()
        if name == "cpu" and len(ticks) >= 8:
            return tuple(map(int, ticks[:8]))
    return ()


def _stolen(earlier: tuple[int, ...], later: tuple[int, ...]) -> float | None:
    passed = sum(later) - sum(earlier)
    return (later[-1] - earlier[-1]) / passed if earlier and later and passed > 0 else None


def _stolen_since_boot(ticks: tuple[int, ...]) -> float | None:
    wanted = sum(ticks) - sum(ticks[3:5])  # nothing is stolen of idle time
    return ticks[-1] / wanted if wanted > 0 else None


def _busy(window_s: float) -> dict[str, float]:
    """Watch all processes but this one and those that it was started from."""
    this = psutil.Process()
    ours = {this.pid, *(parent.pid for parent in this.parents())}
    others = [process for process in psutil.process_iter() if process.pid not in ours]
    for process in others:
        with suppress(psutil.Error):  # it ended, or is not ours to see
            process.cpu_percent()
    time.sleep(window_s)
    busy: defaultdict[str, float] = defaultdict(float)
    for process in others:
        with suppress(psutil.Error):
            busy[process.name()] += process.cpu_percent() / 100
    return {name: busy[name] for name in sorted(busy, key=lambda name: -busy[name]) if busy[name] > 0}


def _timer(clock: Callable[[], float]) -> tuple[float | None, float]:
    """Return the smallest step of a clock and what one reading costs."""
    readings_s = [clock() for _ in range(READINGS)]
    steps_s = [later - earlier for earlier, later in pairwise(readings_s) if later > earlier]
    return min(steps_s, default=None), (readings_s[-1] - readings_s[0]) / (READINGS - 1)


def _variables(environment: Mapping[str, str]) -> dict[str, str]:
    names = (*THREAD_VARIABLES, *KERNEL_VARIABLES, *BINDING_VARIABLES)
    return {name: environment[name] for name in names if environment.get(name)}
