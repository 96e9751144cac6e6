"""What threads did: exact on made-up readings, and told apart on this system where it counts threads."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.machine import usage
from bench.machine.usage import ThreadTimes, Usage, between, helpers, read_usage, summed, total_cpu_s
from bench.records.schema import Steady

Threads = dict[int, tuple[float, float]]


def reading(now_s: float, cpu_s: float, threads: Threads | None) -> Usage:
    """Return a reading; of each thread, CPU time and time waited."""
    return Usage(now_s, cpu_s, None if threads is None else {key: ThreadTimes(*each) for key, each in threads.items()})


def steady(window_s: float, cpu_s: float, vanished_cpu_s: float, waited_s: float | None) -> Steady:
    return Steady(window_s=window_s, cpu_s=cpu_s, vanished_cpu_s=vanished_cpu_s, waited_s=waited_s)


# Made-up readings


def test_a_thread_that_lives_on_counts_by_what_it_did_in_the_window() -> None:
    window = reading(10.0, 4.0, {1: (3.0, 0.5)}), reading(12.0, 5.5, {1: (4.5, 0.75)})
    assert between((window,)) == steady(2.0, 1.5, 0.0, 0.25)


def test_all_threads_that_live_on_count() -> None:
    window = reading(0.0, 3.0, {1: (1.0, 0.5), 2: (2.0, 0.0)}), reading(1.0, 5.0, {1: (1.5, 0.75), 2: (3.5, 1.0)})
    assert between((window,)) == steady(1.0, 2.0, 0.0, 1.25)


def test_a_thread_that_starts_within_the_window_counts_from_its_start() -> None:
    window = reading(0.0, 1.0, {1: (1.0, 0.0)}), reading(1.0, 2.5, {1: (1.5, 0.0), 2: (1.0, 0.125)})
    assert between((window,)) == steady(1.0, 1.5, 0.0, 0.125)


def test_a_thread_that_ends_within_the_window_has_vanished_with_what_it_did_in_it() -> None:
    window = reading(0.0, 3.0, {1: (1.0, 0.0), 2: (2.0, 9.0)}), reading(1.0, 4.25, {1: (1.5, 0.0)})
    assert between((window,)) == steady(1.0, 1.25, 0.75, 0.0)


def test_a_thread_that_starts_and_ends_within_the_window_has_vanished() -> None:
    window = reading(0.0, 1.0, {1: (1.0, 0.0)}), reading(1.0, 3.0, {1: (1.5, 0.0)})
    assert between((window,)) == steady(1.0, 2.0, 1.5, 0.0)


def test_a_clock_that_is_behind_that_of_the_threads_makes_nothing_vanish() -> None:
    window = reading(0.0, 1.0, {1: (1.0, 0.0)}), reading(1.0, 1.5, {1: (1.75, 0.0)})
    assert between((window,)) == steady(1.0, 0.5, 0.0, 0.0)


def test_windows_are_added_up_and_what_is_between_them_is_not() -> None:
    first = reading(0.0, 0.0, {1: (0.0, 0.0)}), reading(1.0, 1.0, {1: (0.5, 0.25)})
    second = reading(50.0, 90.0, {1: (80.0, 70.0)}), reading(54.0, 92.0, {1: (81.75, 70.5)})
    assert between((first, second)) == steady(5.0, 3.0, 0.75, 0.75)


@pytest.mark.parametrize("unknown", [0, 1, 2, 3])
def test_where_threads_are_unknown_once_the_waiting_is_unknown_and_the_rest_is_not(unknown: int) -> None:
    known = [
        reading(0.0, 0.0, {1: (0.0, 0.0)}),
        reading(1.0, 1.0, {1: (1.0, 0.5)}),
        reading(2.0, 1.0, {1: (1.0, 0.5)}),
        reading(3.0, 3.0, {1: (3.0, 1.0)}),
    ]
    a, b, c, d = (Usage(each.now_s, each.cpu_s, None) if i == unknown else each for i, each in enumerate(known))
    assert between(((known[0], known[1]), (known[2], known[3]))) == steady(2.0, 3.0, 0.0, 1.0)
    assert between(((a, b), (c, d))) == steady(2.0, 3.0, 0.0, None)


# Reading


def threads_as_told(folder: Path, monkeypatch: pytest.MonkeyPatch, **schedstats: str | None) -> object:
    """Return the threads that are read where the system tells this of them, None for one that ended meanwhile."""
    for name, schedstat in schedstats.items():
        thread = folder / "task" / name.removeprefix("thread_")
        thread.mkdir(parents=True)
        if schedstat is not None:
            (thread / "schedstat").write_text(schedstat)
    monkeypatch.setattr(usage, "TASKS", folder / "task")
    return read_usage().threads


def test_nanoseconds_become_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = threads_as_told(
        tmp_path, monkeypatch, thread_41="2500000000 500000000 99\n", thread_42="1000000 2000000 1\n"
    )
    assert threads == {41: ThreadTimes(2.5, 0.5), 42: ThreadTimes(0.001, 0.002)}


def test_a_thread_that_ends_while_it_is_read_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads_as_told(tmp_path, monkeypatch, thread_41=None, thread_42="1000000000 0 1\n") == {
        42: ThreadTimes(1.0, 0.0)
    }


def test_a_system_that_tells_of_no_threads_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads_as_told(tmp_path, monkeypatch) is None  # no /proc
    assert threads_as_told(tmp_path, monkeypatch, thread_41=None) is None  # no schedstat


def test_a_system_that_counts_nothing_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads_as_told(tmp_path, monkeypatch, thread_41="0 0 0\n", thread_42="0 0 0\n") is None


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this system does not count threads")
def test_a_thread_goes_by_the_number_that_the_system_gave_it() -> None:
    threads = read_usage().threads
    assert threads is not None
    assert threading.get_native_id() in threads


def test_a_reading_tells_wall_and_cpu_time() -> None:
    before = time.perf_counter(), time.process_time()
    found = read_usage()
    assert before[0] <= found.now_s <= time.perf_counter()
    assert before[1] <= found.cpu_s <= time.process_time()


# This system

counts_threads = pytest.mark.skipif(
    read_usage().threads is None or not sys.platform.startswith("linux"), reason="this system does not count threads"
)


def hash_until(stop: Callable[[], bool]) -> None:
    content = bytes(2**18)
    while not stop():
        hashlib.sha256(content)  # which lets other threads run meanwhile


@contextmanager
def hashing(threads: int) -> Iterator[None]:
    """Keep threads busy, all on one core."""
    stop, started = threading.Event(), threading.Barrier(threads + 1)

    def work() -> None:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # of this thread alone
        started.wait()
        hash_until(stop.is_set)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    started.wait()
    try:
        yield
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def seen_while(happens: Callable[[], object]) -> Steady:
    before = read_usage()
    happens()
    return between(((before, read_usage()),))


@counts_threads
def test_two_busy_threads_on_one_core_wait_for_each_other() -> None:
    with hashing(2):
        found = seen_while(lambda: time.sleep(0.25))
    assert found.waited_s is not None
    assert found.waited_s > 0.5 * found.window_s  # one of the two waits at any time
    assert found.vanished_cpu_s < 0.05


@counts_threads
def test_a_busy_thread_that_lives_on_does_not_vanish() -> None:
    with hashing(1):
        found = seen_while(lambda: time.sleep(0.25))
    assert found.waited_s is not None
    assert found.cpu_s > 0.01
    assert found.vanished_cpu_s < max(0.02, 0.1 * found.cpu_s)


@counts_threads
def test_the_cpu_time_of_a_thread_that_came_and_went_has_vanished() -> None:
    def come_and_go() -> None:
        thread = threading.Thread(target=hash_until, args=(lambda: time.thread_time() > 0.1,))
        thread.start()
        thread.join()
        while (usage.TASKS / str(thread.native_id)).exists():  # a moment longer than `join` waits
            time.sleep(0.001)

    found = seen_while(come_and_go)
    assert 0.08 < found.vanished_cpu_s <= found.cpu_s


def test_the_total_is_that_of_the_process_and_of_children_that_ended() -> None:
    before_s, until_s = total_cpu_s(), time.process_time() + 0.05
    hash_until(lambda: time.process_time() > until_s)
    own_s = total_cpu_s() - before_s
    subprocess.run([sys.executable, "-S", "-c", "import time\nwhile time.process_time() < 0.1: pass"], check=True)
    assert own_s > 0.04
    assert total_cpu_s() - before_s - own_s > 0.09


# Helpers


@contextmanager
def helper(code: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run Python code in another process as long as the block lasts."""
    with subprocess.Popen([sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it has begun
        try:
            yield process
        finally:
            process.kill()


WORKS = "import time\nwhile time.process_time() < 0.15: pass\nprint(flush=True)\ninput()"
LEAVES = (  # starts a process in a session of its own
    f"import subprocess, sys\nsubprocess.run([sys.executable, '-S', '-c', {WORKS!r}], start_new_session=True)"
)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells of other processes")
@pytest.mark.parametrize("code", [WORKS, LEAVES], ids=["a child", "a child of a child, in another session"])
def test_the_cpu_time_of_a_living_helper_counts(code: str) -> None:
    before = read_usage()
    with helper(code) as process:
        found = between(((before, read_usage()),))
        assert process.pid in {each.pid for each in helpers()}
    assert found.helpers_cpu_s > 0.1
    assert found.cpu_s < 0.1


LEADS = """
import os, subprocess, sys, time
from bench.machine.usage import helpers, helpers_cpu_s
os.setsid()
code = "import os, time\\nif os.fork() == 0:\\n    while time.process_time() < 5: pass"
subprocess.run([sys.executable, "-S", "-c", code])  # leaves a process without its parent
deadline = time.monotonic() + 30
while helpers_cpu_s() < 0.05 and time.monotonic() < deadline:
    time.sleep(0.01)
print(len(helpers()), helpers_cpu_s() >= 0.05)
for each in helpers():
    os.kill(each.pid, 9)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells of other processes")
def test_a_process_whose_parent_has_ended_counts_in_the_session_that_this_one_leads() -> None:
    found = subprocess.run([sys.executable, "-c", LEADS], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["1", "True"]


def test_a_helper_that_has_ended_counts_once_it_was_waited_for() -> None:
    before = read_usage()
    subprocess.run([sys.executable, "-S", "-c", WORKS], input=b"\n", stdout=subprocess.DEVNULL, check=True)
    assert between(((before, read_usage()),)).helpers_cpu_s > 0.1


def test_windows_add_up_what_helpers_did() -> None:
    windows = [(Usage(0, 0, None, a), Usage(1, 1, None, b)) for a, b in ((1.0, 1.5), (4.0, 4.25), (5.0, 4.0))]
    assert between(tuple(windows)).helpers_cpu_s == 0.75


def test_the_cpu_time_of_a_process_is_read_whatever_its_name_is() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    numbers = " ".join(map(str, range(1, 12)))  # fields 4 to 14 of proc(5), of which the last is utime
    found = usage.process_of(f"7 (a) R) (b) S {numbers} 100 1000 10000 9 9 9 9 77 9")
    assert found == (1, 3, (11 + 100 + 1000 + 10000) / ticks, False, 77)


def test_usage_of_several_windows_adds_up() -> None:
    parts = [steady(1.0, 2.0, 0.5, 0.25), steady(3.0, 1.0, 0.0, 0.5)]
    assert summed(parts) == steady(4.0, 3.0, 0.5, 0.75)
    assert summed([*parts, steady(1.0, 1.0, 0.0, None)]).waited_s is None
