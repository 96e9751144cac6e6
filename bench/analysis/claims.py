"""Whether a process used what its row says: precision, device and threads. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from bench.records.schema import Job, Pool, Used

# The packages of NumPy and SciPy build OpenBLAS for this many threads at most, whatever it is told.
MOST_THREADS = {"libscipy_openblas": 64, "libopenblas": 64}


def unlike_row(job: Job, used: Used | None) -> str:
    """Return in which ways a process was not what its row says; empty if in none, or if nothing was read back."""
    return "; ".join(_departures(job, used)) if used is not None else ""


def left_running(left: Sequence[str]) -> str:
    """Return a sentence about the commands of processes that a worker left running; empty for none."""
    return f"left running, and ended with it: {', '.join(left)}" if left else ""


def _departures(job: Job, used: Used) -> Iterator[str]:
    row = job.row
    if others := _others(used.dtypes, row.precision):
        yield f"keeps its weights in {others}, the row says {row.precision}"
    if others := _others(used.devices, row.device):
        yield f"keeps its weights on the {others}, the row says {row.device}"
    if pools := [pool for pool in used.pools if pool.threads != _granted(pool, job.threads)]:
        counts = " and ".join(f"{pool.threads} in {pool.name}" for pool in pools)
        yield f"its threads: {counts}; {job.threads} granted"
    if used.coarse:
        yield f"products may be coarser than {row.precision}: {' and '.join(used.coarse)}"


def _others(found: Collection[str], wanted: str) -> str:
    return " and ".join(name for name in found if name != wanted)


def _granted(pool: Pool, threads: int) -> int:
    return min(threads, MOST_THREADS.get(pool.name, threads))
