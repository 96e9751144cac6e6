"""Which tests run in the same process, where pytest has several, and on which cores each process runs."""

from __future__ import annotations

from collections.abc import Set

from backends.registry import BUILT_IN

TOGETHER = (  # files whose tests share a process that is costly to start, or wait for one
    "backends/test_packages.py",
    "cli/test_pytest_bench.py",
    "conformance/test_conformance.py",
    "harness/test_interrupt.py",
    "harness/test_process.py",
    "report/page/test_browser.py",
)
TWO_BLOCKS = (  # of one run, a fixture of cli/test_run.py
    "test_the_header_gives_the_order_of_all_records_and_a_seed_the_same_order_again",
    "test_what_the_machine_did_stands_after_the_samples_of_each_task_and_block",
)
ALL_ROWS = "test_a_row_follows_the_reference"  # all checked by one call


def group_of(node_id: str) -> str:
    """Return what a test has in common with those that have to run in the same process; its own name for nothing."""
    path, _, test = node_id.partition("::")
    if path.endswith(TOGETHER):
        return path
    if test.startswith(ALL_ROWS):
        return ALL_ROWS
    if test in TWO_BLOCKS:
        return "two_blocks"
    if path.endswith(("test_backends.py", "test_golden.py", "test_guests.py", "test_results.py")):
        backend = max((name for name in BUILT_IN if f"{name}-" in test), key=len, default="numpy")
        return f"rows of {backend}"  # whose process is kept
    return node_id


def share_of(cores: Set[int], worker: int, workers: int) -> Set[int]:
    """Return the cores of one of several processes, which are numbered from 0; none if there are not enough for all."""
    return set(sorted(cores)[worker::workers]) if len(cores) >= workers else frozenset()
