"""The tables of a store that have a line for each run, row and ratio: which runs it has, and adding some.

A table consists of files of up to `RUNS_IN_A_FILE` runs. Adding runs writes the last file anew, or begins another; a
run that has grown is replaced in the file where it stands. Each file is replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backends.contract import Array
from bench.analysis.log_ratios import LOG_RATIOS
from bench.merging.files import replacing
from bench.merging.summaries import ROW_COLUMNS, Summaries
from bench.records.store.layout import TABLES, Damaged, Store, reading

RUNS_IN_A_FILE = 256
TEXTS = ("run", "id", "machine", "file", "host", "instead_of", "created", "commit", "command", "system", "cpu", "blas")
COUNTS = ("number", "threads", "cores", "memory_bytes", "lines", "others", "records")
_KNOWN = ("run", "id", "lines", "records", "digest", "number", "fingerprints", "version")


@dataclass(frozen=True)
class Known:
    """A run that is in the store."""

    name: str
    id: str  # of its header
    lines: int  # whole lines of its run file, without blank ones
    records: int
    digest: str  # of these lines
    number: int  # of the run in the store, from 0, in the order in which runs were merged first
    segment: int
    version: str  # of the analysis that made its summaries


@dataclass(frozen=True)
class Addition:
    """A run to add to the tables, or to replace in them."""

    line: dict[str, Any]  # of the table `runs`, without `number` and `kept`
    summaries: Summaries

    @property
    def id(self) -> str:
        """The id of its header."""
        return str(self.line["id"])


class Catalog:
    """Which runs a store has."""

    def __init__(self, store: Store) -> None:
        """Read it. Raises `Damaged`."""
        self.store = store
        self.known: dict[str, Known] = {}
        self.measured: dict[int, str] = {}  # fingerprints of records that were added since, and the run of each
        prints: list[Array] = []
        owners: list[Array] = []
        self.names: list[str] = []
        _require_all(store)
        for path in store.segments("runs"):
            with reading(path):
                for line in _read(path, _KNOWN).to_pylist():
                    self._know(line, int(path.stem))
                    found = np.frombuffer(line["fingerprints"], np.uint64)
                    prints.append(found)
                    owners.append(np.full(len(found), len(self.names)))
                    self.names.append(line["run"])
        everything = np.concatenate(prints or [np.empty(0, np.uint64)])
        order = np.argsort(everything, kind="stable")
        self.prints = everything[order]
        self.owners = np.concatenate(owners or [np.empty(0, int)])[order]

    def _know(self, line: Mapping[str, Any], segment: int) -> None:
        told = {name: line[name] for name in ("id", "lines", "records", "digest", "number", "version")}
        self.known[line["id"]] = Known(name=line["run"], **told, segment=segment)

    def owner(self, prints: Array, own: str) -> tuple[int, str] | None:
        """Return the place of the first record that another run than `own` has, and that run; None if none has any."""
        places = np.minimum(np.searchsorted(self.prints, prints), max(len(self.prints) - 1, 0))
        there = (self.prints[places] == prints) & (prints != 0) if len(self.prints) else np.zeros(len(prints), bool)
        for place in np.flatnonzero(there).tolist():
            if (name := self.names[self.owners[places[place]]]) != own:
                return place, name
        if self.measured:
            for place, number in enumerate(prints.tolist()):
                if self.measured.get(number, own) != own:
                    return place, self.measured[number]
        return None

    def remember(self, prints: Array, name: str) -> None:
        """Remember the records of a run that will be added."""
        self.measured |= dict.fromkeys(prints[prints != 0].tolist(), name)

    def add(self, additions: Sequence[Addition]) -> None:
        """Add runs, or replace those that are there already. Raises OSError, and `Damaged`."""
        for segment, several in self._by_segment(additions).items():
            names = {str(each.line["run"]) for each in several}
            for table, lines in zip(TABLES, _tables(several), strict=True):
                _write(self.store.segment(table, segment), names, lines)
            for each in several:
                self._know(each.line | {"version": each.summaries.version}, segment)

    def _by_segment(self, additions: Sequence[Addition]) -> dict[int, list[Addition]]:
        """Return the runs by the file that they belong to, with their numbers."""
        found: dict[int, list[Addition]] = {}
        number = len(self.known)
        for each in additions:
            known = self.known.get(each.id)
            place = known.number if known else number
            number += known is None
            segment = known.segment if known else place // RUNS_IN_A_FILE
            found.setdefault(segment, []).append(Addition(each.line | {"number": place}, each.summaries))
        return found


def _require_all(store: Store) -> None:
    """Raise `Damaged` if a file of `runs` is missing: to merge then would remove the records of its runs.

    A merge that was killed may have begun one file of the other tables more, the one that it wrote.
    """
    there = {int(path.stem) for path in store.segments("runs")}
    begun = max((int(path.stem) for table in TABLES for path in store.segments(table)), default=0)
    if missing := sorted(set(range(begun)) - there):
        raise Damaged(f"the store is damaged: {store.segment('runs', missing[0])} is missing")


def _tables(additions: Iterable[Addition]) -> tuple[Any, Any, Any]:
    """Return the lines of runs in the tables, in the order of `TABLES`."""
    import pyarrow as pa

    rows = [row for each in additions for row in each.summaries.rows]
    ratios = [pa.table(each.summaries.ratios, schema=_schema(LOG_RATIOS)) for each in additions]
    runs = [
        each.line | {"kept": list(each.summaries.kept.items()), "version": each.summaries.version} for each in additions
    ]
    return (
        pa.Table.from_pylist(rows, schema=_schema(ROW_COLUMNS)),
        pa.concat_tables(ratios, promote_options="permissive"),
        pa.Table.from_pylist(runs, schema=_runs_schema()),
    )


def _write(path: Path, names: Iterable[str], lines: Any) -> None:
    """Write a file of a table anew, with these lines in the place of those of the runs with these names."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    if path.exists():
        with reading(path):
            before = pq.read_table(path)
            others = before.filter(pc.invert(pc.is_in(before.column("run"), pa.array(sorted(names)))))
            lines = pa.concat_tables([others.cast(lines.schema), lines])
    if "number" in lines.column_names:
        lines = lines.sort_by("number")
    with replacing(path) as beside:
        pq.write_table(lines, beside, compression="zstd", row_group_size=RUNS_IN_A_FILE if len(lines) else None)


def _read(path: Path, columns: Sequence[str]) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(path, columns=list(columns))


def _schema(columns: Mapping[str, type]) -> Any:
    import pyarrow as pa

    kinds = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
    return pa.schema([(name, kinds[kind]) for name, kind in columns.items()])


def _runs_schema() -> Any:
    import pyarrow as pa

    texts = pa.list_(pa.string())
    return pa.schema(
        [
            *((name, pa.string()) for name in TEXTS),
            *((name, pa.int64()) for name in COUNTS),
            ("quota_cores", pa.float64()),
            ("gpus", texts),
            ("instructions", texts),
            ("versions", pa.map_(pa.string(), pa.string())),
            ("tasks", pa.list_(pa.struct([("task", pa.string()), ("records", pa.int64())]))),
            ("digest", pa.string()),
            ("version", pa.string()),
            ("header", pa.binary()),
            ("resources", pa.binary()),
            ("fingerprints", pa.binary()),
            ("kept", pa.map_(pa.string(), pa.binary())),
        ]
    )
