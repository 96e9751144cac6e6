"""Probe of a machine: read kernel files, processes and the clock for the checks in `bench.machine.doctor`."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil

from bench.machine.container import cpu_quota_cores
from bench.machine.host import free_memory_bytes, usable_cores
from bench.machine.kernel import number_in, text_in
from bench.machine.variables import settings_of_frameworks
from bench.records.schema import Calibration

CPU = "sys/devices/system/cpu"
READINGS = 10_000  # of the clock, to find its smallest step


@dataclass(frozen=True, kw_only=True)
class Probe:
    """The values that were read. None, or "unknown" for a governor, means that the system does not report the value."""

    machine_cores: int | None
    usable_cores: tuple[int, ...]  # core numbers
    quota_cores: float | None  # the container's CPU limit; infinite without a limit
    shared_cores: tuple[tuple[int, ...], ...] | None  # groups of usable cores that share a physical core
    is_virtual: bool | None
    stolen_share: float | None  # fraction of CPU time that the hypervisor took during the probe
    stolen_since_boot_share: float | None  # the same since boot, as a fraction of the time that was not idle
    governors: tuple[str, ...]  # of the usable cores, without duplicates
    turbo: bool | None
    throttles: int | None  # thermal throttling events since boot, sum over the usable cores
    load: float  # runnable processes, average of the last minute
    others_cores: Mapping[str, float]  # cores kept busy during the probe, by process name, the busiest first
    available_memory_bytes: int
    swap_used_bytes: int
    variables: Mapping[str, str]  # those of `bench.machine.variables` that are set, except caches
    timer_step_s: float | None  # smallest step of the clock; None when it did not advance
    timer_cost_s: float  # time of one reading
    calibrations: tuple[Calibration, ...]


def probe_machine(
    *,
    calibrations: tuple[Calibration, ...],
    environment: Mapping[str, str],
    root: Path = Path("/"),
    window_s: float = 0.5,
    clock: Callable[[], float] = time.perf_counter,
) -> Probe:
    """Return the values read from files below `root`, and the activity of other processes during `window_s`."""
    cores = usable_cores()
    earlier = _ticks(root)
    others_cores = _busy(window_s)
    later = _ticks(root)
    timer_step_s, timer_cost_s = _timer(clock)
    return Probe(
        machine_cores=psutil.cpu_count(),
        usable_cores=cores,
        quota_cores=cpu_quota_cores(root),
        shared_cores=_shared(root, cores),
        is_virtual=_virtual(root),
        stolen_share=_stolen(earlier, later),
        stolen_since_boot_share=_stolen_since_boot(later),
        governors=_governors(root, cores),
        turbo=_turbo(root),
        throttles=_throttles(root, cores),
        load=psutil.getloadavg()[0],
        others_cores=others_cores,
        available_memory_bytes=free_memory_bytes(root),
        swap_used_bytes=psutil.swap_memory().used,
        variables=_variables(environment),
        timer_step_s=timer_step_s,
        timer_cost_s=timer_cost_s,
        calibrations=calibrations,
    )


def _numbers(text: str) -> frozenset[int]:
    """Return the core numbers in a list in the format of the kernel: `0-2,8`."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return frozenset(found)


def _cpus(root: Path, cores: tuple[int, ...]) -> tuple[Path, ...]:
    return tuple(root / CPU / f"cpu{core}" for core in cores)


def _shared(root: Path, cores: tuple[int, ...]) -> tuple[tuple[int, ...], ...] | None:
    lists = [text_in(folder / "topology/thread_siblings_list") for folder in _cpus(root, cores)]
    if not all(lists):
        return None
    groups = {tuple(sorted(_numbers(text) & set(cores))) for text in lists}
    return tuple(sorted(group for group in groups if len(group) > 1))


def _virtual(root: Path) -> bool | None:
    """Return whether the processor has the hypervisor flag; None when it lists no flags, as on ARM."""
    for line in text_in(root / "proc/cpuinfo").splitlines():
        if line.startswith("flags"):
            return "hypervisor" in line.split()
    return None


def _governors(root: Path, cores: tuple[int, ...]) -> tuple[str, ...]:
    names = {text_in(folder / "cpufreq/scaling_governor") or "unknown" for folder in _cpus(root, cores)}
    return tuple(sorted(names))


def _turbo(root: Path) -> bool | None:
    no_turbo = number_in(root / CPU / "intel_pstate/no_turbo")
    if no_turbo is not None:
        return no_turbo == 0
    boost = number_in(root / CPU / "cpufreq/boost")
    return None if boost is None else boost == 1


def _throttles(root: Path, cores: tuple[int, ...]) -> int | None:
    counts = [number_in(folder / "thermal_throttle/core_throttle_count") for folder in _cpus(root, cores)]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _ticks(root: Path) -> tuple[int, ...]:
    """Return user, nice, system, idle, iowait, irq, softirq and steal ticks of all cores since boot; () if unknown."""
    for line in text_in(root / "proc/stat").splitlines():
        name, *ticks = line.split()
        if name == "cpu" and len(ticks) >= 8:
            return tuple(map(int, ticks[:8]))
    return ()


def _stolen(earlier: tuple[int, ...], later: tuple[int, ...]) -> float | None:
    passed = sum(later) - sum(earlier)
    return (later[-1] - earlier[-1]) / passed if earlier and later and passed > 0 else None


def _stolen_since_boot(ticks: tuple[int, ...]) -> float | None:
    wanted = sum(ticks) - sum(ticks[3:5])  # no time is stolen from an idle core
    return ticks[-1] / wanted if wanted > 0 else None


def _busy(window_s: float) -> dict[str, float]:
    """Return the cores that other processes keep busy, by process name. This process and its ancestors do not count."""
    this = psutil.Process()
    ours = {this.pid, *(parent.pid for parent in this.parents())}
    others = [process for process in psutil.process_iter() if process.pid not in ours]
    for process in others:
        with suppress(psutil.Error):  # the process ended, or permission is denied
            process.cpu_percent()
    time.sleep(window_s)
    busy: defaultdict[str, float] = defaultdict(float)
    for process in others:
        with suppress(psutil.Error):
            busy[process.name()] += process.cpu_percent() / 100
    return {name: busy[name] for name in sorted(busy, key=lambda name: -busy[name]) if busy[name] > 0}


def _timer(clock: Callable[[], float]) -> tuple[float | None, float]:
    """Return the smallest step of a clock, None when it did not advance, and the mean time of a reading."""
    readings_s = [clock() for _ in range(READINGS)]
    steps_s = [later - earlier for earlier, later in pairwise(readings_s) if later > earlier]
    return min(steps_s, default=None), (readings_s[-1] - readings_s[0]) / (READINGS - 1)


def _variables(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings_of_frameworks(environment).items() if value}
