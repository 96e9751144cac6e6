"""Reading run files and stores for a command: what is odd about them is said, and none of them is overwritten."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from bench.analysis.kept import is_kept
from bench.cli import console
from bench.errors import BadChoice
from bench.records.runfile import Run
from bench.records.sources import only, read_runs, run_files
from bench.records.store.layout import store_around, store_at
from bench.report.names import counted


def refuse_inputs(out: Path, inputs: Iterable[Path]) -> None:
    """Raise `BadChoice` if the file to write is one that is read: its content would be lost. Raises `UserError`."""
    if store := store_around(out):
        raise BadChoice(f"{out} is in the store {store.folder}, where only `bench merge` writes; name another file")
    files = run_files(path for path in inputs if not store_at(path))
    for path in files:
        if out.exists() and path.exists() and out.samefile(path):
            raise BadChoice(f"{out} is a run file that is read here, and would be overwritten; name another file")


def read(paths: Iterable[Path]) -> tuple[Run, ...]:
    """Read run files, and those in folders; warn about lines that are left out. Raises `UserError`."""
    runs = read_runs(paths)
    gc.freeze()  # what was read is kept, and has no cycles: the collector need not look through it again and again
    for remark in (remark for run in runs for remark in run.remarks):
        console.say(f"warning: {remark}", file=sys.stderr)
    for sentence in _outdated(runs):
        console.say(f"note: {sentence}", file=sys.stderr)
    return runs


def _outdated(runs: Iterable[Run]) -> list[str]:
    """Return, for each store, a sentence on runs whose summaries another version has made."""
    stores = Counter(run.path.parent for run in runs if run.records.kept and not is_kept(run))
    return [
        f"{counted(count, 'run')} of {store} came from another version of levelfield, so tables of them are "
        f"computed anew; bench merge -o {store} keeps them"
        for store, count in stores.items()
    ]


def read_one(path: Path, why: str) -> Run:
    """Read a run file, or the only one in a folder, as `read` does; `why` says for people what takes no more."""
    return only(path, read([path]), why)
