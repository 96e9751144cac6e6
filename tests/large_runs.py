"""What reading large run files costs: `python tests/large_runs.py`, as `nox -s scale` runs it.

It writes results/scale.md. The files are made of a kept run, whose rounds are repeated with other numbers and slightly
other times. Each command reads them, or a store that a file was merged into, in a process of its own.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace

from bench.machine.host import this_machine
from bench.records.provenance import commit, utc_now, versions
from bench.records.runfile import Run, read_run
from bench.records.schema import Block, Record, Row
from bench.report import export, sentences

KEPT = Path("results/reference.jsonl")
OFF = 0.01  # standard deviation of the logarithm of what the times of a process are multiplied by
COMMANDS = {
    "bench table": ("-m", "bench", "table", "{run}"),
    "bench table --format csv": ("-m", "bench", "table", "{run}", "--format", "csv"),
    "bench compare": ("-m", "bench", "compare", "{run}", "{run}"),
    "bench.load": ("-c", "import bench, sys; bench.load(sys.argv[1])", "{run}"),
    "bench merge": ("-m", "bench", "merge", "{run}", "-o", "{store}"),
    "bench table, from the store": ("-m", "bench", "table", "{store}"),
    "bench table --format csv, from the store": ("-m", "bench", "table", "{store}", "--format", "csv"),
}


@dataclass(frozen=True)
class Cost:
    """What a command took."""

    cpu_s: float
    peak_bytes: int


def main() -> None:
    """Make the files, run the commands on them, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, nargs="*", default=[0, 10**3, 10**4, 10**5])
    parser.add_argument("--out", type=Path, default=Path("results/scale.md"))
    given = parser.parse_args()
    run = read_run(KEPT)
    with tempfile.TemporaryDirectory(prefix="levelfield-scale-") as folder:
        lines = [line for records in given.records for line in costs(run, records, Path(folder, f"{records}.jsonl"))]
    where = sentences.where(this_machine(), 1, versions(), commit(), utc_now())
    about = f"Peak: of resident memory. 0 records: a header alone, so what Python and the libraries take. {where}"
    given.out.write_text(export.listed(lines, about))
    print(f"written: {given.out}")


def costs(run: Run, records: int, path: Path) -> Iterator[dict[str, str]]:
    """Yield a line of the table for each command on a file of so many records."""
    write_large(run, records, path)
    for name, words in COMMANDS.items():
        cost = cost_of([sys.executable, *(word.format(run=path, store=path.with_suffix(".store")) for word in words)])
        yield {
            "records": f"{records:,}",
            "run file": f"{path.stat().st_size / 2**20:.1f} MiB",
            "command": name,
            "CPU": f"{cost.cpu_s:.1f} s",
            "peak": f"{cost.peak_bytes / 2**20:.0f} MiB",
        }
    path.unlink()


def cost_of(command: list[str]) -> Cost:
    """Return what a command takes. Raises `SystemExit` if it fails; 5 says only that a comparison is open."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 5):
        raise SystemExit(f"{command} ended with {process.returncode}")
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def write_large(run: Run, records: int, path: Path) -> None:
    """Write a run file with this number of good records, the rounds of a run over and over."""
    failed = [record for record in run.last_records if record.status != "ok"]
    first = (*run.parity_results, *failed) if records else ()
    rounds = without_known_losses(up_to(records, repeated(run, np.random.default_rng(0))))
    with path.open("wb") as file:  # RunFile waits for the disk after each line
        file.writelines(msgspec.json.encode(line) + b"\n" for line in itertools.chain((run.header,), first, rounds))


def without_known_losses(lines: Iterable[Record | Block]) -> Iterator[Record | Block]:
    """Yield lines, with the losses of only the first record of each row, as run files have them."""
    seen: set[Row] = set()
    for line in lines:
        if isinstance(line, Record) and line.quality is not None and line.job.row in seen:
            yield replace(line, quality=replace(line.quality, losses=()))
        else:
            yield line
        if isinstance(line, Record):
            seen.add(line.job.row)


def up_to(records: int, lines: Iterable[Record | Block]) -> Iterator[Record | Block]:
    """Yield lines as long as there are fewer records; the round that ends it may be cut short."""
    left = records
    for line in lines:
        if left <= 0:
            return
        left -= isinstance(line, Record)
        yield line


def repeated(run: Run, rng: np.random.Generator) -> Iterator[Record | Block]:
    """Yield the rounds of a run without end, each with a new number and with times that are off by about `OFF`."""
    good = [record for record in run.last_records if record.status == "ok"]
    numbers: dict[str, int] = {}
    while True:
        for block in run.blocks:
            number = numbers[block.task] = numbers.get(block.task, -1) + 1
            for record in good:
                if (record.job.row.task, record.job.block) == (block.task, block.block):
                    yield slowed(record, number, float(np.exp(OFF * rng.standard_normal())))
            yield replace(block, block=number)


def slowed(record: Record, number: int, factor: float) -> Record:
    """Return a record as that of another round, in which everything took `factor` times as long."""
    timing = _scaled(record.timing, factor)
    turns = timing.turns and _scaled(timing.turns, factor)
    timing = replace(timing, steady=_scaled(timing.steady, factor), turns=turns)
    return replace(record, job=replace(record.job, block=number), timing=timing)


def _scaled(times: Any, factor: float) -> Any:
    """Return the times of a part of a record multiplied by a factor, and what is no time as it was."""
    found: dict[str, Any] = msgspec.structs.asdict(times)
    for name, value in found.items():
        if name.endswith("_s") and not name.endswith("_per_s") and value is not None:
            found[name] = tuple(factor * each for each in value) if isinstance(value, tuple) else factor * value
    return replace(times, **found)


if __name__ == "__main__":
    main()
