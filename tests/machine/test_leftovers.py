"""What a worker leaves running is found, given time to end by itself, and ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from bench.machine.leftovers import GRACE_S, MARK, ROUNDS, Leftover, commands, end_leftovers, leftovers

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
PAGE = Leftover(2**30, "a helper")  # no process has this number


class Clock:
    """A clock that goes on only while somebody sleeps."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def hurried() -> float:
    """Return the time of a clock that is ten times as fast: nobody has to wait for what will not end by itself."""
    return 10 * time.monotonic()


def looks(*found: tuple[Leftover, ...]) -> Iterator[tuple[Leftover, ...]]:
    yield from found
    while True:
        yield ()


def test_what_ends_by_itself_in_time_is_not_told() -> None:
    clock, seen = Clock(), looks((PAGE,), (PAGE,))
    assert end_leftovers(lambda: next(seen), clock, clock.sleep) == ()
    assert 0 < clock.now_s < GRACE_S


def test_nobody_waits_where_nothing_is_left() -> None:
    clock = Clock()
    assert end_leftovers(lambda: (), clock, clock.sleep) == ()
    assert clock.now_s == 0


def test_what_starts_others_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, killed = Clock(), list[int]()
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append(pid))
    numbers = iter(range(1, 10**6))
    found = end_leftovers(lambda: (Leftover(next(numbers), "again"),), clock, clock.sleep)
    assert len(found) == len(killed) == ROUNDS


@linux_only
@pytest.mark.parametrize("session", [False, True], ids=["same session", "a daemon"])
@pytest.mark.parametrize("marked", [False, True])
def test_a_process_is_found_by_its_session_or_its_mark_and_ended(session: bool, marked: bool) -> None:
    environment = {**os.environ, MARK: "some-worker" if marked else "another"}
    with subprocess.Popen(["sleep", "777"], env=environment, start_new_session=session) as process:
        here = os.getsid(0)
        found = end_leftovers(
            lambda: tuple(each for each in leftovers(here, "some-worker") if each.pid == process.pid), hurried
        )
        expected = [Leftover(process.pid, "sleep 777")] if marked or not session else []
        process.kill()
    assert list(found) == expected


@linux_only
def test_a_process_that_has_ended_is_not_left() -> None:
    with subprocess.Popen(["true"], env={**os.environ, MARK: "ended"}) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie: nobody has waited for it
        assert leftovers(-1, "ended") == ()


def test_commands_are_told_once_with_how_often_and_of_many_only_some() -> None:
    left = [Leftover(number, f"sleep {number}") for number in range(7)]
    assert commands([*left[:2], left[1]._replace(pid=9)]) == ("sleep 1 (2 times)", "sleep 0")
    assert commands(left) == ("sleep 0", "sleep 1", "sleep 2", "sleep 3", "sleep 4", "2 others")
    assert commands([]) == ()
