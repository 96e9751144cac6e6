"""`nox -s fuzz`: a million cases over all targets, in two processes; writes results/fuzz.md.

    python tests/fuzz/session.py [--cases N] [--seed N] [--processes N] [--out FILE]

The table is written after every part, so Ctrl-C ends a session early with a table of what was tried until then.

Every part of a target begins with a seed of its own, which follows from the session's. So a session can be repeated,
and another one, without a seed, tries other cases.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import io
import multiprocessing
import resource
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1])]  # this code, not what is installed

from scratch import root  # noqa: E402 - the path comes first
from target import TARGETS, Figures, explore  # noqa: E402

CASES = 10**6
PART = 2500  # cases of one call: hypothesis remembers what it has drawn, and what it remembers grows
MEMORY_BYTES = 4 * 2**30  # address space of a process
RESULT = HERE.parents[1] / "results" / "fuzz.md"


@dataclass(frozen=True)
class Part:
    """Some cases of a target."""

    target: int  # its place in TARGETS
    cases: int
    seed: int


def load_targets() -> None:
    """Import every file of targets, which enters them in TARGETS."""
    for file in sorted(HERE.glob("test_*.py")):
        importlib.import_module(file.stem)


def parts_of(cases: int, seed: int) -> list[Part]:
    """Return the parts of a session: the targets get cases by their shares, and take turns."""
    whole = sum(target.share for target in TARGETS)
    parts = []
    for number, target in enumerate(TARGETS):
        wanted = -(-cases * target.share // whole)  # rounded up
        sizes = [PART] * (wanted // PART) + ([wanted % PART] if wanted % PART else [])
        parts += [(turn / len(sizes), Part(number, size, seed + turn)) for turn, size in enumerate(sizes)]
    return [part for _, part in sorted(parts, key=lambda each: each[0])]


def carry_out(part: Part) -> tuple[Part, Figures]:
    """Check the cases of a part; a fault becomes a text."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            return part, explore(TARGETS[part.target], part.cases, part.seed)
    except BaseException:  # a fault of any kind, `Hang` included
        return part, Figures(part.cases, 0.0, 0, f"{said.getvalue()}\n{traceback.format_exc()}")


def together(found: Iterable[Figures]) -> Figures:
    """Return the figures of all parts of a target."""
    found = list(found)
    faults = [each.found for each in found if each.found]
    return Figures(
        cases=sum(each.cases for each in found),
        longest_s=max((each.longest_s for each in found), default=0.0),
        peak_bytes=max((each.peak_bytes for each in found), default=0),
        found=f"{len(faults)} of {len(found)} parts found a fault" if faults else "",
    )


def page(found: Sequence[tuple[str, Figures]], about: str) -> str:
    """Return the table of a session in Markdown."""
    lines = [
        "| target | cases | found | longest case, ms of CPU | peak memory of a case, MiB |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {each.cases:,} | {each.found or 'nothing'} | {each.longest_s * 1e3:,.0f} | "
        f"{each.peak_bytes / 2**20:.1f} |"
        for name, each in found
    ]
    total = sum(each.cases for _, each in found)
    return "\n".join([*lines, f"| all | {total:,} | | | |", "", about, ""])


def tried(parts: Sequence[Part], processes: int) -> Iterator[tuple[Part, Figures]]:
    """Carry out parts in processes; yield each as it ends. An exception, as of Ctrl-C, ends the processes at once."""
    gc.collect()
    gc.freeze()  # what was imported is kept, and need not be looked through again and again
    with ProcessPoolExecutor(
        processes, multiprocessing.get_context("fork"), _ignore_ctrl_c
    ) as pool:  # tells of a crash
        try:
            for done in as_completed([pool.submit(carry_out, part) for part in parts]):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _ignore_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a part would take it for a fault


def progress(cases: int, wanted: int, elapsed_s: float) -> str:
    """Return how far a session is."""
    left_s = elapsed_s * max(0.0, wanted / cases - 1)
    return f"{cases:,} of {wanted:,} cases, {cases / elapsed_s:,.0f} a second; {left_s / 60:.0f} minutes left"


def save(chosen: argparse.Namespace, figures: Mapping[int, Sequence[Figures]], elapsed_s: float) -> int:
    """Write the table of what was tried so far; return the number of cases."""
    found = [(target.name, together(figures[number])) for number, target in enumerate(TARGETS)]
    about = f"Seed {chosen.seed}, {chosen.processes} processes, {elapsed_s / 60:.0f} minutes"
    chosen.out.write_text(page(found, f"{about}; hypothesis draws the cases."))
    return sum(each.cases for _, each in found)


def carry_on(chosen: argparse.Namespace) -> bool:
    """Carry out all parts or, with Ctrl-C, fewer; save the table after every part. Return whether a fault was found."""
    parts, began_s = parts_of(chosen.cases, chosen.seed), time.monotonic()
    figures: dict[int, list[Figures]] = {number: [] for number in range(len(TARGETS))}
    wanted, count = sum(part.cases for part in parts), 0
    try:
        for part, each in tried(parts, chosen.processes):
            figures[part.target].append(each)
            if each.found:
                print(f"{TARGETS[part.target].name}, seed {part.seed}:\n{each.found}", file=sys.stderr)
            count = save(chosen, figures, time.monotonic() - began_s)
            print(progress(count, wanted, time.monotonic() - began_s), file=sys.stderr)
    except KeyboardInterrupt:
        if count:  # or else the table of an earlier session is kept
            count = save(chosen, figures, time.monotonic() - began_s)  # again, if it was just being written
        print(f"ended early, after {count:,} cases", file=sys.stderr)
        sys.exit(130)
    return any(each.found for several in figures.values() for each in several)


def main() -> None:
    """Run a session; exit with 1 if it found a fault, with 130 if Ctrl-C ended it."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cases", type=int, default=CASES)
    options.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    options.add_argument("--processes", type=int, default=2)
    options.add_argument("--out", type=Path, default=RESULT, help="file for the table (default: results/fuzz.md)")
    chosen = options.parse_args()
    load_targets()
    root()  # before the processes are forked, which then have folders in it
    faulty = carry_on(chosen)
    print(chosen.out.read_text())
    sys.exit(faulty)


if __name__ == "__main__":
    main()
