"""Which tests run in the same process, where pytest has several, and on which cores each process runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Set
from contextlib import contextmanager

from backends.registry import BUILT_IN

TOGETHER = (  # files whose tests share a process that is costly to start, or wait for one
    "backends/test_packages.py",
    "cli/test_pytest_bench.py",
    "conformance/test_conformance.py",
    "harness/test_interrupt.py",
    "harness/test_process.py",
    "report/page/test_browser.py",
)
ONE_RUN = {  # the tests that look at the same run, by the fixture that carries it out
    "one_run": (
        "test_run_prints_the_table_and_writes_the_run_file",
        "test_rows_are_shown_beside_a_baseline_by_run_and_by_table",
    ),
    "two_blocks": (
        "test_an_interrupted_run_keeps_what_is_finished_and_can_be_resumed",
        "test_the_header_gives_the_order_of_all_records_and_a_seed_the_same_order_again",
        "test_what_the_machine_did_stands_after_the_samples_of_each_task_and_block",
        "test_a_run_without_inference_has_no_times_of_it",
    ),
}
ALL_ROWS = "test_a_row_follows_the_reference"  # all checked by one call
# The cores of this process when it started, where the system can pin it to some of them.
ALL_CORES = frozenset(os.sched_getaffinity(0)) if sys.platform == "linux" else frozenset()


def group_of(node_id: str) -> str:
    """Return what a test has in common with those that have to run in the same process; its own name for nothing."""
    path, _, test = node_id.partition("::")
    if path.endswith(TOGETHER):
        return path
    if test.startswith(ALL_ROWS):
        return ALL_ROWS
    for fixture, tests in ONE_RUN.items():
        if test in tests:
            return fixture
    if path.endswith(("test_backends.py", "test_golden.py", "test_guests.py", "test_results.py")):
        backend = max((name for name in BUILT_IN if f"{name}-" in test), key=len, default="numpy")
        return f"rows of {backend}"  # whose process is kept
    return node_id


def share_of(cores: Set[int], worker: int, workers: int) -> Set[int]:
    """Return the cores of one of several processes, which are numbered from 0; none for one that has none of its own.

    Where there are more processes than cores, each of the first ones has a core, and the others run on all.
    """
    own = slice(worker, None, workers) if len(cores) >= workers else slice(worker, worker + 1)
    return set(sorted(cores)[own])


@contextmanager
def on_all_cores() -> Iterator[None]:
    """Let what is started meanwhile use all cores, as it would for a user."""
    if not ALL_CORES:
        yield
        return
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, ALL_CORES)
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)
