"""CPU time and waiting time of the threads of this process, and of its helpers, as counted by the system."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench.records.schema import Steady

TASKS = Path("/proc/self/task")  # on Linux, has a folder for each thread
PROCESSES = Path("/proc")  # on Linux, has a folder for each process


class ThreadTimes(NamedTuple):
    """Times of one thread since it started."""

    cpu_s: float
    waited_s: float  # ready to run, but no core was free


@dataclass(frozen=True)
class Usage:
    """One reading of the counters of this process."""

    now_s: float  # wall clock, from an arbitrary start
    cpu_s: float  # of all threads since the process started, including those that ended
    threads: dict[int, ThreadTimes] | None  # living threads by id; None when the system does not report them
    helpers_cpu_s: float = 0.0  # of the processes that this one has started


def read_usage() -> Usage:
    """Return the counters of this process now."""
    return Usage(time.perf_counter(), time.process_time(), _threads(), helpers_cpu_s())


def _threads() -> dict[int, ThreadTimes] | None:
    times: dict[int, ThreadTimes] = {}
    try:
        for thread in TASKS.iterdir():
            try:
                cpu_ns, waited_ns, _ = (thread / "schedstat").read_text().split()
            except (FileNotFoundError, ProcessLookupError):  # the thread has ended
                continue
            times[int(thread.name)] = ThreadTimes(int(cpu_ns) / 1e9, int(waited_ns) / 1e9)
    except OSError:
        return None
    if not any(map(any, times.values())):  # the kernel does not count: this process has certainly used some time
        return None
    return times


def between(windows: tuple[tuple[Usage, Usage], ...]) -> Steady:
    """Return the usage in all `windows` together. A window is a reading at its start and one at its end."""
    return summed([_within(before, after) for before, after in windows])


def summed(parts: Iterable[Steady]) -> Steady:
    """Return the usage in several windows together; the waiting time is unknown where it is for one of them."""
    parts = list(parts)
    waits_s = [part.waited_s for part in parts]
    return Steady(
        window_s=sum(part.window_s for part in parts),
        cpu_s=sum(part.cpu_s for part in parts),
        vanished_cpu_s=sum(part.vanished_cpu_s for part in parts),
        helpers_cpu_s=sum(part.helpers_cpu_s for part in parts),
        waited_s=None if None in waits_s else sum(wait_s for wait_s in waits_s if wait_s is not None),
    )


def _within(before: Usage, after: Usage) -> Steady:
    cpu_s = after.cpu_s - before.cpu_s
    waited_s, vanished_s = None, 0.0
    if before.threads is not None and after.threads is not None:
        started = ThreadTimes(0.0, 0.0)
        changes = [
            ThreadTimes(*(now - then for now, then in zip(times, before.threads.get(thread, started), strict=True)))
            for thread, times in after.threads.items()
        ]
        waited_s = sum(change.waited_s for change in changes)
        vanished_s = max(0.0, cpu_s - sum(change.cpu_s for change in changes))
    return Steady(
        window_s=after.now_s - before.now_s,
        cpu_s=cpu_s,
        vanished_cpu_s=vanished_s,
        waited_s=waited_s,
        helpers_cpu_s=max(0.0, after.helpers_cpu_s - before.helpers_cpu_s),
    )


def total_cpu_s() -> float:
    """Return the CPU time of this process and the children it has waited for, user and system time together."""
    import resource  # which Windows lacks, where only run files are read

    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def helpers_cpu_s() -> float:
    """Return the CPU time of the processes that this one has started, in ticks of up to 10 ms while they live.

    These are the children that it has waited for, and its living helpers.
    """
    import resource

    waited = resource.getrusage(resource.RUSAGE_CHILDREN)
    return waited.ru_utime + waited.ru_stime + sum(helper.cpu_s for helper in helpers())


class Helper(NamedTuple):
    """A living process that this one has started, or that one of its helpers has."""

    pid: int
    cpu_s: float  # with that of the children that it has waited for


def helpers() -> tuple[Helper, ...]:
    """Return the living helpers: on Linux, processes below this one, and others of the session that it leads.

    A helper whose own parent has ended is no longer below this process, but still in its session, and the other way
    round for one that has begun a session of its own. Elsewhere there are none.
    """
    found, own = processes(), os.getpid()
    of_session = {pid for pid, each in found.items() if each.session == own}
    return tuple(Helper(pid, found[pid].cpu_s) for pid in sorted(with_all_below({own, *of_session}, found) - {own}))


def processes() -> dict[int, Process]:
    """Return the processes of this system that can be seen, by number; none but on Linux."""
    found: dict[int, Process] = {}
    for folder in PROCESSES.iterdir() if PROCESSES.is_dir() else ():
        try:
            if folder.name.isdigit():
                found[int(folder.name)] = process_of((folder / "stat").read_text())
        except (FileNotFoundError, ProcessLookupError, PermissionError):  # it has ended, or belongs to another user
            continue
    return found


def with_all_below(pids: Iterable[int], among: Mapping[int, Process]) -> set[int]:
    """Return these processes, and those among some that they, or what they have started, have started."""
    found = set(pids)
    while more := {pid for pid, each in among.items() if each.parent in found} - found:
        found |= more
    return found


class Process(NamedTuple):
    """A process as the system describes it."""

    parent: int
    session: int
    cpu_s: float  # with that of the children that it has waited for
    ended: bool  # nothing is left of it but its exit status
    started: int  # in ticks since the system's start: its number may be given to another process later


def process_of(stat: str) -> Process:
    """Return a process from its `/proc/<pid>/stat`."""
    fields = stat[stat.rindex(")") + 2 :].split()  # the name in brackets may contain anything
    cpu_s = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")  # utime, stime, cutime, cstime
    ended, started = fields[0] in "ZX", int(fields[19])
    return Process(parent=int(fields[1]), session=int(fields[3]), cpu_s=cpu_s, ended=ended, started=started)
