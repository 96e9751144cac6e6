"""Checks whether a machine is suitable for benchmarks, with advice on what to change. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, get_args

from bench.machine.calibration import jitter, typical_s
from bench.machine.probe import Probe
from bench.machine.variables import BINDING_VARIABLES, KERNEL_VARIABLES, THREAD_VARIABLES

Level = Literal["good", "unknown", "warning", "bad"]
LEVELS: tuple[Level, ...] = get_args(Level)  # from best to worst

GIB = 2**30
SWAP_BYTES = 64 * 2**20  # a system swaps out a few idle pages even when memory is free
BUSIEST = 3  # number of processes that are named


@dataclass(frozen=True)
class MachineFinding:
    """The result of one check, and what to do about it."""

    name: str
    level: Level
    found: str
    advice: str = ""  # empty when the level is good


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Thresholds: a number above `warning` is a warning, a number above `bad` is bad."""

    warning: float
    bad: float

    def level(self, number: float) -> Level:
        """Return the level of a number."""
        if number > self.bad:
            return "bad"
        return "warning" if number > self.warning else "good"


SPEED = Limits(warning=0.05, bad=0.20)  # relative variation of the calibration loop
STOLEN = Limits(warning=0.02, bad=0.10)  # fractions of CPU time
LOAD = Limits(warning=0.25, bad=1.0)  # runnable processes per core
OTHERS = Limits(warning=0.1, bad=0.5)  # busy cores: one thread that waits for a core delays all threads
TIMER_S = Limits(warning=1e-6, bad=1e-5)  # seconds


def findings(probe: Probe) -> tuple[MachineFinding, ...]:
    """Return the finding of each check, in a fixed order."""
    return tuple(check(probe) for check in CHECKS)


def worst(found: Iterable[MachineFinding]) -> Level:
    """Return the worst level of the findings; without findings, unknown."""
    return max((finding.level for finding in found), key=LEVELS.index, default="unknown")


def _graded(name: str, level: Level, found: str, advice: str) -> MachineFinding:
    return MachineFinding(name, level, found, "" if level == "good" else advice)


def _cores(probe: Probe) -> MachineFinding:
    usable, there = len(probe.usable_cores), probe.machine_cores
    if there is None:
        return MachineFinding("cores", "unknown", f"{usable} usable", "find out how many cores the machine has")
    level: Level = "warning" if usable < there else "good"
    advice = "this process may not use the other cores: start it without taskset, or allow its container more cores"
    return _graded("cores", level, f"{usable} usable of {there}: {_ranges(probe.usable_cores)}", advice)


def _quota(probe: Probe) -> MachineFinding:
    quota, usable = probe.quota_cores, len(probe.usable_cores)
    if quota is None:
        return MachineFinding("CPU quota", "unknown", "no cgroup files", "in a container, check its CPU limit")
    if quota >= usable:
        return MachineFinding("CPU quota", "good", "none" if math.isinf(quota) else f"{quota:g} cores for {usable}")
    threads = f", or measure with --threads {int(quota)}" if quota >= 1 else ""
    advice = f"threads are paused when the quota is used up: raise the CPU limit of the container{threads}"
    return MachineFinding("CPU quota", "bad", f"CPU time of {quota:g} cores for {usable} cores", advice)


def _hyper_threads(probe: Probe) -> MachineFinding:
    name, shared = "hyper-threads", probe.shared_cores
    if shared is None:
        return MachineFinding(name, "unknown", "no list of siblings", "check whether cores share a physical core")
    if not shared and probe.is_virtual:
        return MachineFinding(
            name, "unknown", "none visible in a virtual machine", "ask the host's administrator, or halve --threads"
        )
    if not shared:
        return MachineFinding(name, "good", "every usable core is a separate physical core")
    doubles = {core for group in shared for core in group[1:]}
    single = _ranges(core for core in probe.usable_cores if core not in doubles)
    found = f"groups that share a physical core: {', '.join(_ranges(group) for group in shared)}"
    return MachineFinding(
        name, "warning", found, f"use one core of each group: taskset --cpu-list {single} bench run ..."
    )


def _virtual_machine(probe: Probe) -> MachineFinding:
    name = "virtual machine"
    advice = "other machines may share its cores: trust only ratios within one run, and run more rounds"
    if probe.is_virtual is None:
        return MachineFinding(name, "unknown", "the processor does not report it", f"if it is virtual, {advice}")
    if not probe.is_virtual:
        return MachineFinding(name, "good", "no")
    return MachineFinding(name, "warning", "yes, under a hypervisor", advice)


def _stolen_time(probe: Probe) -> MachineFinding:
    shares = [share for share in (probe.stolen_share, probe.stolen_since_boot_share) if share is not None]
    if not shares:
        return MachineFinding(
            "stolen time", "unknown", "the system does not report it", "trust only ratios within one run"
        )
    found = f"{_percent(probe.stolen_share)} just now, {_percent(probe.stolen_since_boot_share)} since boot"
    advice = "the host gives CPU time to other machines: measure at another time, or on a machine with dedicated cores"
    return _graded("stolen time", STOLEN.level(max(shares)), found, advice)


def _governor(probe: Probe) -> MachineFinding:
    found = ", ".join(probe.governors) or "unknown"
    set_it = "sudo cpupower frequency-set --governor performance"
    advice = f"the clock rate may depend on the load: with root access, {set_it}"
    if not set(probe.governors) <= {"performance", "unknown"}:
        return MachineFinding("governor", "warning", found, advice)
    if probe.governors != ("performance",):
        return MachineFinding("governor", "unknown", found, advice)
    return MachineFinding("governor", "good", found)


def _turbo(probe: Probe) -> MachineFinding:
    if probe.turbo is None:
        return MachineFinding("turbo", "unknown", "the system does not report it", "check the firmware settings")
    advice = (
        "the clock rate falls when cores are busy or warm: write 1 to /sys/devices/system/cpu/intel_pstate/no_turbo,"
        " or 0 to /sys/devices/system/cpu/cpufreq/boost if that file does not exist"
    )
    return _graded("turbo", "warning" if probe.turbo else "good", "on" if probe.turbo else "off", advice)


def _throttling(probe: Probe) -> MachineFinding:
    if probe.throttles is None:
        return MachineFinding("throttling", "unknown", "not counted here", "watch the temperature during a run")
    level: Level = "warning" if probe.throttles else "good"
    advice = "the processor slowed down because it was hot: improve its cooling, or use fewer --threads"
    return _graded("throttling", level, f"{probe.throttles} times since boot", advice)


def _load(probe: Probe) -> MachineFinding:
    cores = probe.machine_cores or len(probe.usable_cores)
    found = f"{probe.load:.2f} processes on {cores} cores, average of the last minute"
    advice = "if a run has just ended, wait a minute; otherwise stop other programs, in other containers too"
    return _graded("load", LOAD.level(probe.load / cores), found, advice)


def _other_processes(probe: Probe) -> MachineFinding:
    total = sum(probe.others_cores.values())
    busiest = [f"{name} {cores:.2f}" for name, cores in probe.others_cores.items() if cores >= 0.01][:BUSIEST]
    found = f"{total:.2f} cores busy{': ' if busiest else ''}{', '.join(busiest)}"
    advice = f"stop them while measuring: {', '.join(list(probe.others_cores)[:BUSIEST])}"
    return _graded("other processes", OTHERS.level(total), found, advice)


def _memory(probe: Probe) -> MachineFinding:
    free_gib = probe.available_memory_bytes / GIB
    level: Level = "bad" if free_gib < 2 else "warning" if free_gib < 4 else "good"
    advice = "close programs that use memory: a framework may need 2 GiB, and swapping or a killed process spoils a run"
    return _graded("memory", level, f"{free_gib:.1f} GiB available", advice)


def _swap(probe: Probe) -> MachineFinding:
    level: Level = "warning" if probe.swap_used_bytes > SWAP_BYTES else "good"
    advice = (
        "close programs that use memory, then sudo swapoff --all && sudo swapon --all: reading them back slows a run"
    )
    return _graded("swap", level, f"{probe.swap_used_bytes / GIB:.2f} GiB in use", advice)


def _thread_variables(probe: Probe) -> MachineFinding:
    settings = _settings(probe, THREAD_VARIABLES)
    found = f"{settings}: workers use --threads instead" if settings else "none set"
    return MachineFinding("thread variables", "good", found)


def _forced_kernels(probe: Probe) -> MachineFinding:
    level: Level = "warning" if _settings(probe, KERNEL_VARIABLES) else "good"
    advice = (
        f"unset {_names(probe, KERNEL_VARIABLES)} for benchmarks: this keeps a library, such as NumPy's BLAS, from"
        " choosing the code for this processor, which can halve the speed of matrix products"
    )
    return _graded("forced kernels", level, _settings(probe, KERNEL_VARIABLES) or "none", advice)


def _thread_binding(probe: Probe) -> MachineFinding:
    level: Level = "warning" if _settings(probe, BINDING_VARIABLES) else "good"
    advice = (
        f"unset {_names(probe, BINDING_VARIABLES)} for benchmarks: each worker is pinned to its cores, where such a"
        " setting may put several threads on one core, and only some frameworks obey it"
    )
    return _graded("thread binding", level, _settings(probe, BINDING_VARIABLES) or "none", advice)


def _other_variables(probe: Probe) -> MachineFinding:
    names = tuple(sorted(probe.variables.keys() - {*THREAD_VARIABLES, *KERNEL_VARIABLES, *BINDING_VARIABLES}))
    advice = (
        f"unset {_names(probe, names)} where you have not set it for a reason: it may change what frameworks do; run"
        " files keep it, and bench compare names it"
    )
    return _graded("other variables", "warning" if names else "good", _settings(probe, names) or "none", advice)


def _timer(probe: Probe) -> MachineFinding:
    if probe.timer_step_s is None:
        return MachineFinding(
            "timer", "bad", "the clock does not advance", "times cannot be measured: use another machine"
        )
    found = f"smallest step {probe.timer_step_s * 1e9:.0f} ns, a reading takes {probe.timer_cost_s * 1e9:.0f} ns"
    advice = "see /sys/devices/system/clocksource/clocksource0: tsc is the fastest; trust only times of long passes"
    return _graded("timer", TIMER_S.level(max(probe.timer_step_s, probe.timer_cost_s)), found, advice)


def _jitter(probe: Probe) -> MachineFinding:
    if not probe.calibrations:
        return MachineFinding(
            "jitter", "unknown", "the calibration loop was not timed", "time it on the cores that the run will use"
        )
    noisiest = max(probe.calibrations, key=jitter)
    slower = f"one in ten takes {_percent(jitter(noisiest))} longer than the median"
    found = f"calibration loop of {1e3 * typical_s(noisiest):.2f} ms; {slower}"
    advice = (
        "something interrupts the loop: stop other processes or use fewer --threads; a run marks such rounds as noisy"
    )
    return _graded("jitter", SPEED.level(jitter(noisiest)), found, advice)


def _drift(probe: Probe) -> MachineFinding:
    if len(probe.calibrations) < 2:
        return MachineFinding(
            "drift", "unknown", "fewer than two calibrations", "time the calibration loop again a second later"
        )
    loops_s = [typical_s(calibration) for calibration in probe.calibrations]
    drift = max(loops_s) / min(loops_s) - 1
    found = f"calibration loop of {1e3 * min(loops_s):.2f} to {1e3 * max(loops_s):.2f} ms, {_percent(drift)} apart"
    advice = (
        "the speed of the machine changes: trust only ratios within one run, run more rounds, check which are noisy"
    )
    return _graded("drift", SPEED.level(drift), found, advice)


def _settings(probe: Probe, names: tuple[str, ...]) -> str:
    return ", ".join(f"{name}={probe.variables[name]}" for name in names if name in probe.variables)


def _names(probe: Probe, names: tuple[str, ...]) -> str:
    return " ".join(name for name in names if name in probe.variables)


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.1f} %"


def _ranges(cores: Iterable[int]) -> str:
    """Return core numbers in the format of taskset: `0-2,8`."""
    runs = [[core for _, core in run] for _, run in groupby(enumerate(cores), lambda pair: pair[1] - pair[0])]
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


CHECKS: tuple[Callable[[Probe], MachineFinding], ...] = (
    *(_cores, _quota, _hyper_threads, _virtual_machine, _stolen_time),
    *(_governor, _turbo, _throttling),
    *(_load, _other_processes, _memory, _swap),
    *(_thread_variables, _forced_kernels, _thread_binding, _other_variables),
    *(_timer, _jitter, _drift),
)
