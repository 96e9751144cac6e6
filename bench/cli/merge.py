"""`bench merge`: the runs of many machines and people in one store."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import console, exit_codes
from bench.cli.interrupts import INTERRUPTS
from bench.errors import BadChoice
from bench.records.sources import run_files, store_of_run
from bench.records.store.layout import Store, store_at
from bench.records.store.reading import line_of_run, stored_runs

if TYPE_CHECKING:
    from bench.merging.merge import Kind, Merged


def merge(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN", help="Run files, folders of them, other stores, or runs of these."),
    ] = None,
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the store; it is made if there is none.")],
) -> None:
    """Put run files into a store, which every command reads as it reads run files.

    Merge again what has grown or is new: what the store has already is not added twice. A file is refused as a whole
    if it has records of another run, or some that no run can have written; other files are merged. Without RUN, the
    store is only brought up to date with this version of levelfield.
    """
    from bench.merging.merge import merging

    named = [each for path in runs or () for each in _named(path, out)]
    with INTERRUPTS.keeping(partial(_kept, out)), merging(out) as store:
        found = [_told(store.add(each) if isinstance(each, Path) else store.add_stored(*each)) for each in named]
        again = store.summarise_again()
    console.say(_summary(found, again, out))
    raise typer.Exit(exit_codes.of_merge(each.kind for each in found))


def _named(path: Path, out: Path) -> list[Path] | list[tuple[Store, str]]:
    """Return the run files that a path stands for, or the runs of another store. Raises `UserError`."""
    if not (store := store_at(path)):
        if store := store_of_run(path):
            return [(store, line_of_run(store, path.name)["run"])]
        return run_files([path])
    if out.exists() and path.samefile(out):
        raise BadChoice(f"{path} is the store itself; name what shall be merged into it")
    return [(store, run.path.name) for run in stored_runs(store)]


def _kept(out: Path) -> str:
    return f"the runs that were merged are in {out}; the same command adds the others"


def _told(merged: Merged) -> Merged:
    """Say what became of a run file that was refused."""
    if merged.kind == "refused":
        console.print_error(merged.reason)
    return merged


def _summary(found: list[Merged], again: int, out: Path) -> str:
    counts = Counter(each.kind for each in found)
    records = sum(each.records for each in found)
    named: dict[Kind, str] = {
        "new": "new",
        "grown": "longer than before",
        "known": "there already",
        "refused": "refused",
    }
    parts = [f"{counts[kind]} {words}" for kind, words in named.items() if counts[kind]]
    parts += [f"summaries of {again} made anew for this version"] if again else []
    return f"store: {out} ({', '.join(parts) or 'nothing to merge'}; {records:,} records added)"
