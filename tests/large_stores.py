"""What merging many run files costs, and summarising the store: `python tests/large_stores.py`, as in `nox -s stores`.

It writes results/stores.md. The run files have `RECORDS_OF_A_RUN` records each and are made of a kept run, with times
that are slightly other in each; they come from ten machines. Each command works in a process of its own.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from large_runs import KEPT, cost_of, repeated, up_to, without_known_losses
from msgspec.structs import replace

from bench.machine.host import this_machine
from bench.records.provenance import commit, utc_now, versions
from bench.records.runfile import Run, read_run
from bench.report import export, sentences

RECORDS_OF_A_RUN = 1000
MACHINES = 10
QUERY = """
import duckdb, sys
duckdb.sql(f'''SELECT m.machine, r.task, r.backend, r.mode, count(*), median(r.pass_s)
FROM read_parquet('{sys.argv[1]}/rows/*.parquet') AS r
JOIN read_parquet('{sys.argv[1]}/runs/*.parquet') AS m USING (run)
WHERE r.ranked GROUP BY ALL''').fetchall()
"""
RAW = """
import duckdb, sys
duckdb.sql(f'''SELECT machine, task, backend, mode, count(*), median(list_median(passes_s[2:]))
FROM read_parquet('{sys.argv[1]}/records/*/*/*.parquet', hive_partitioning = false) WHERE ok GROUP BY ALL''').fetchall()
"""
COMMANDS = {
    "bench merge": ("-m", "bench", "merge", "{runs}", "-o", "{store}"),
    "bench merge, with nothing new": ("-m", "bench", "merge", "{runs}", "-o", "{store}"),
    "bench table": ("-m", "bench", "table", "{store}"),
    "bench table --format csv": ("-m", "bench", "table", "{store}", "--format", "csv"),
    "bench table --machines": ("-m", "bench", "table", "{store}", "--machines"),
    "bench.ratios": ("-c", "import bench, sys; bench.ratios(sys.argv[1])", "{store}"),
    "bench.machines": ("-c", "import bench, sys; bench.machines(sys.argv[1])", "{store}"),
    "DuckDB, passes of rows by machine": ("-c", QUERY, "{store}"),
    "DuckDB, raw passes of all records": ("-c", RAW, "{store}"),
}


def main() -> None:
    """Make the files, run the commands on them, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, nargs="*", default=[10**4, 10**5, 10**6])
    parser.add_argument("--out", type=Path, default=Path("results/stores.md"))
    given = parser.parse_args()
    run = read_run(KEPT)
    lines = []
    for records in given.records:
        with tempfile.TemporaryDirectory(prefix="levelfield-stores-") as folder:
            lines += costs(run, records, Path(folder))
    where = sentences.where(this_machine(), 1, versions(), commit(), utc_now())
    about = (
        f"Run files of {RECORDS_OF_A_RUN:,} records from {MACHINES} machines. Peak: of resident memory, that of Python "
        f"and the libraries included. {where}"
    )
    given.out.write_text(export.listed(lines, about))
    print(f"written: {given.out}")


def costs(run: Run, records: int, folder: Path) -> Iterator[dict[str, str]]:
    """Yield a line of the table for each command on a store of so many records."""
    runs, store = folder / "runs", folder / "store"
    runs.mkdir()
    for number in range(records // RECORDS_OF_A_RUN):
        write_run(run, number, runs / f"run-{number:05d}.jsonl")
    size_bytes = sum(path.stat().st_size for path in runs.iterdir())
    for name, words in COMMANDS.items():
        cost = cost_of(
            [sys.executable, *(word.replace("{runs}", str(runs)).replace("{store}", str(store)) for word in words)]
        )
        files = [path for path in store.rglob("*") if path.is_file()]
        yield {
            "records": f"{records:,}",
            "run files": f"{size_bytes / 2**20:,.0f} MiB",
            "store": f"{sum(path.stat().st_size for path in files) / 2**20:,.0f} MiB in {len(files):,} files",
            "command": name,
            "CPU": f"{cost.cpu_s:.1f} s",
            "peak": f"{cost.peak_bytes / 2**20:,.0f} MiB",
        }


def write_run(run: Run, number: int, path: Path) -> None:
    """Write a run file of this number, made of the rounds of a run."""
    rng = np.random.default_rng(number)
    machine = replace(run.header.machine, id=f"{number % MACHINES:016x}")
    created = f"2026-01-01T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z"
    failed = [record for record in run.last_records if record.status != "ok"]
    rounds = without_known_losses(up_to(RECORDS_OF_A_RUN - len(failed), repeated(run, rng)))
    lines = itertools.chain(
        (replace(run.header, machine=machine, created=created),), run.parity_results, failed, rounds
    )
    with path.open("wb") as file:
        file.writelines(msgspec.json.encode(line) + b"\n" for line in lines)


if __name__ == "__main__":
    main()
