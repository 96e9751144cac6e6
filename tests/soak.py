"""A run of very many jobs, and what its parent process keeps: `python tests/soak.py`, as `nox -s soak` runs it.

It writes results/soak.md. The jobs are as small as they can be, and so are their turns: what grows with the number of
jobs shows after half an hour instead of after a day.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from support import ROOT

from bench.machine.host import this_machine
from bench.records.provenance import commit, utc_now, versions
from bench.report import export, sentences

TASKS = ("linear_fit", "linear_fit_3d", "line_fit", "thermometer_raw", "mlp_regression")
MODES = ("loop", *(f"eager{number}" for number in range(7)))  # of NumPy, and of pocketgrad, which does not ask for it
LINES = 20  # of the table
SAMPLE_S = 5.0
ENTRY = (
    "from backends.registry import Entry\n"
    f"ENTRY = Entry('pocketgrad', 'pocketgrad_backend', {MODES[1:]!r}, 'pocketgrad', ('pocketgrad',), '')\n"
)
# Turns do not matter here: one of them, instead of as many as fit into the time that the processes need to start.
BENCH = (
    "import bench.runs.schedule as schedule\n"
    "schedule.MIN_TURNS, schedule.MAX_TURNS = 1, 1\n"
    "from bench.cli.app import main\n"
    "main()\n"
)


@dataclass(frozen=True)
class Look:
    """What the parent of a run holds at one moment."""

    jobs: int  # that are written
    rss_bytes: int
    handles: int
    processes: int  # that it has started and that live
    files: int  # in the temporary folder
    cpu_s: float  # of the parent alone
    run_file_bytes: int


def main() -> None:
    """Run the jobs; write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=Path("results/soak.md"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="levelfield-soak-") as folder:
        looks = list(soak(given.jobs, Path(folder)))
    given.out.write_text(export.listed(as_table(looks), about(looks)))
    print(f"written: {given.out}")


def soak(jobs: int, folder: Path) -> Iterator[Look]:
    """Yield looks at a run of this number of jobs, in a temporary folder of its own; the last one is from its end."""
    temporary, run_file = folder / "tmp", folder / "run.jsonl"
    temporary.mkdir()
    rounds = -(-jobs // (len(TASKS) * len(MODES)))
    choice = ["--backend", "numpy", "--backend", "pocketgrad", "--epochs", "2", "--threads", "1"]
    command = [sys.executable, "-c", BENCH, "run", *TASKS, *choice, "--workers", str(rounds), "--out", str(run_file)]
    path = os.pathsep.join(map(str, (install(folder / "packages"), ROOT / "tests/packages/pocketgrad", ROOT)))
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": path}
    with (folder / "log").open("w+b") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        parent = psutil.Process(process.pid)
        while process.poll() is None:
            with parent.oneshot():
                if parent.status() != psutil.STATUS_ZOMBIE and run_file.exists():
                    yield look(parent, temporary, run_file)
            time.sleep(SAMPLE_S)
        if written(run_file) < jobs:  # other codes than 0 are no fault here: one turn tells no rows apart
            log.seek(0)
            raise SystemExit(f"the run ended with {process.returncode}: {log.read()[-3000:].decode()}")
    yield Look(written(run_file), 0, 0, 0, files_in(temporary), 0.0, run_file.stat().st_size)


def install(target: Path) -> Path:
    """Make pocketgrad known as a backend of many modes, so that many processes share a round; return the folder."""
    about = target / "pocketgrad-0.1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: pocketgrad\nVersion: 0.1\n")
    (about / "entry_points.txt").write_text("[bench.backends]\npocketgrad = soaked:ENTRY\n")
    (target / "soaked.py").write_text(ENTRY)
    return target


def look(parent: psutil.Process, temporary: Path, run_file: Path) -> Look:
    """Return what a process holds now."""
    used = parent.cpu_times()
    return Look(
        jobs=written(run_file),
        rss_bytes=parent.memory_info().rss,
        handles=parent.num_fds(),
        processes=len(parent.children(recursive=True)),
        files=files_in(temporary),
        cpu_s=used.user + used.system,
        run_file_bytes=run_file.stat().st_size,
    )


def written(run_file: Path) -> int:
    """Return the number of good samples in a run file."""
    with run_file.open("rb") as lines:
        return sum(line.startswith(b'{"type":"record"') and b'"status":"ok"' in line for line in lines)


def files_in(folder: Path) -> int:
    """Return the number of files in a folder and all that are in it; they may be removed meanwhile."""
    return sum(len(files) for _, _, files in os.walk(folder))


def as_table(looks: Sequence[Look]) -> Iterator[dict[str, str]]:
    """Yield the lines of the table: of each part of the run the largest numbers, then the end."""
    *during, end = looks
    size = max(1, -(-end.jobs // LINES))
    for _, part in itertools.groupby(during, key=lambda each: each.jobs // size):
        yield _line(list(part))
    yield {
        "jobs": f"{end.jobs:,}, ended",
        "RSS": "",
        "handles": "",
        "processes": "",
        "files left in TMPDIR": str(end.files),
        "CPU of the parent": "",
        "run file": f"{end.run_file_bytes / 2**20:.1f} MiB",
    }


def _line(part: Sequence[Look]) -> dict[str, str]:
    return {
        "jobs": f"{part[0].jobs:,} to {part[-1].jobs:,}",
        "RSS": f"{_most(each.rss_bytes for each in part) / 2**20:.1f} MiB",
        "handles": str(_most(each.handles for each in part)),
        "processes": str(_most(each.processes for each in part)),
        "files left in TMPDIR": str(_most(each.files for each in part)),
        "CPU of the parent": f"{part[-1].cpu_s:.1f} s",
        "run file": f"{part[-1].run_file_bytes / 2**20:.1f} MiB",
    }


def _most(numbers: Iterable[int]) -> int:
    return max(numbers)


def about(looks: Sequence[Look]) -> str:
    """Return a sentence about the run, and where it was made."""
    where = sentences.where(this_machine(), 1, versions(), commit(), utc_now())
    return (
        f"{looks[-1].jobs:,} jobs of {len(TASKS)} tasks in rounds of {len(MODES)} processes with one turn; of each "
        f"part of the run the largest number seen, one look in {SAMPLE_S:g} s; one file is the lock of the run. "
        f"{where}"
    )


if __name__ == "__main__":
    main()
