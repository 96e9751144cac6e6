"""A target of fuzzing: cases that hypothesis draws, and a check that must hold for every one of them.

A check returns the size of its input in bytes, so that memory can be held against it. The tests check a small sample,
always the same; `session.py` checks a million cases, always other ones.
"""

from __future__ import annotations

import gc
import resource
import signal
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

SAMPLED = 2500  # one case in so many is checked by the tests
FEWEST = 20  # cases of a target in the tests
TRACED = 32  # one case in so many has all its memory traced, which takes several times as long as the case
FREE_BYTES = 4 * 2**20  # caches, and what any input costs
BYTES_A_BYTE = 400  # of memory for each byte of input: a number is two bytes in JSON, and objects in Python
HANG_S = 60  # no case takes a second
FORGET_PEAK = Path("/proc/self/clear_refs")  # 5 makes the peak of the process's memory what it has now


class BlowUp(AssertionError):
    """Raised for a case that took far more memory than its input explains."""


class Hang(BaseException):
    """Raised in a case that does not come to an end; nothing that catches exceptions catches it."""


@dataclass(frozen=True)
class Target:
    """What is tried: `cases` are drawn, and `check` raises for one that shows a fault. `share` is of a session."""

    name: str
    cases: st.SearchStrategy[Any]
    check: Callable[[Any], int]
    share: int


@dataclass(frozen=True)
class Figures:
    """What came of some cases of a target."""

    cases: int
    longest_s: float  # CPU time of the longest case
    peak_bytes: int  # most memory of a case whose memory was measured
    found: str = ""  # the fault, with the smallest case that shows it


TARGETS: list[Target] = []


def fuzz(name: str, cases: st.SearchStrategy[Any], share: int) -> Callable[[Callable[[Any], int]], Callable[[], None]]:
    """Make a target of a check, and of that a test of a small sample."""

    def decorate(check: Callable[[Any], int]) -> Callable[[], None]:
        target = Target(name, cases, check, share)
        TARGETS.append(target)

        def test() -> None:
            explore(target, max(FEWEST, share // SAMPLED), 0)

        test.__doc__ = check.__doc__
        return test

    return decorate


def explore(target: Target, cases: int, start: int) -> Figures:
    """Check so many cases, or all that there are if they are fewer; `start` seeds the draws. Raises what a case shows.

    Hypothesis then looks for a smaller case that shows the same, and prints it with the exception.
    """
    longest_s, peak_bytes, count, wary = 0.0, 0, 0, False

    def one(case: Any) -> None:
        nonlocal longest_s, peak_bytes, count, wary
        count += 1
        with _hurried():
            began_s = time.process_time()
            size, grown = _run(target.check, case)
            longest_s = max(longest_s, time.process_time() - began_s)
            suspect = grown > allowed_bytes(size)
            if suspect or wary or count % TRACED == 0:
                traced = _traced(target.check, case)
                peak_bytes = max(peak_bytes, traced)
                wary = wary or traced > allowed_bytes(
                    size
                )  # then all are traced that may be a smaller case of the same
                _require(size, traced)
            if suspect:  # of what is not traced; a module that was imported does not come again
                _require(size, _run(target.check, case)[1])

    drawn = settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    seed(start)(drawn(given(target.cases)(one)))()
    return Figures(count, longest_s, peak_bytes)


def allowed_bytes(size: int) -> int:
    """Return the memory that a case with an input of this size may take."""
    return FREE_BYTES + BYTES_A_BYTE * size


def _require(size: int, taken_bytes: int) -> None:
    if taken_bytes > allowed_bytes(size):
        raise BlowUp(f"{taken_bytes / 2**20:.1f} MiB for an input of {size:,} bytes")


def _run(check: Callable[[Any], int], case: Any) -> tuple[int, int]:
    """Return the size of a case, and by how many bytes the memory of the process grew at most.

    That is quick, and counts what other languages allocate, too. It does not count memory that was free before.
    """
    with suppress(OSError):  # elsewhere than on Linux, growth above what the process ever had is seen
        FORGET_PEAK.write_text("5")
    before = _most_bytes()
    size = check(case)
    return size, _most_bytes() - before


def _most_bytes() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _traced(check: Callable[[Any], int], case: Any) -> int:
    """Return the memory in bytes that a case took at most."""
    gc.disable()
    tracemalloc.start()
    try:
        check(case)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gc.enable()


@contextmanager
def _hurried() -> Iterator[None]:
    """Raise `Hang` if what is done takes longer than any case may."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise Hang(f"no end after {HANG_S} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, HANG_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
