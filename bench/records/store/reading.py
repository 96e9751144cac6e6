"""The runs of a store, read as run files are: numbers from columns, whole lines where they are asked for."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec

from bench.errors import quoted
from bench.records.columns import Columns
from bench.records.lines import NotARunFile, Text
from bench.records.runfile import Losses, Others, OthersSoFar, Records, Run, decoded, header_of
from bench.records.schema import Header, Line, Record, Resources, Row
from bench.records.store.layout import KEY, NAME, Damaged, Store, reading, require_arrow
from bench.records.store.tables import LINE, NUMBER, Part, Parts

READ = ("run", "machine", "header", "resources", "tasks", "others", "kept")  # columns of a line for a run
Decoder = msgspec.json.Decoder[Line]


def stored_runs(store: Store) -> list[Run]:
    """Return all runs of a store, in the order in which they were merged. Raises `NotARunFile` if it has none."""
    found = [_run(store, each) for segment in _segments(store) for each in _lines_of(segment, READ)]
    if not found:
        raise NotARunFile(f"no run is in the store {store.folder}")
    return found


def stored_run(store: Store, name: str) -> Run:
    """Return the run of this name. Raises `NotARunFile` if there is none."""
    return _run(store, line_of_run(store, name))


def stored_lines(store: Store, name: str) -> Iterator[bytes]:
    """Yield the lines of the run of this name, as they stood in its run file."""
    line = line_of_run(store, name)
    yield line["header"]
    parts = Parts([Part(store.records(line["machine"], each["task"], name), each["records"]) for each in line["tasks"]])
    others = lines_of(store.lines(line["machine"], name), line["others"])
    for _, text in heapq.merge(parts.lines(), others, key=itemgetter(0)):
        yield text


def line_of_run(store: Store, name: str) -> dict[str, Any]:
    """Return the line of the table `runs` of the run of this name. Raises `NotARunFile` if there is none."""
    import pyarrow.compute as pc

    for segment in _segments(store):
        for each in _lines_of(segment, None, pc.field("run") == name):
            return each
    raise NotARunFile(f"the store {store.folder} has no run {quoted(name)}; `bench table {store.folder}` names all")


def _segments(store: Store) -> list[Path]:
    require_arrow()
    return store.segments("runs")


def _lines_of(segment: Path, columns: Iterable[str] | None, wanted: Any = None) -> list[dict[str, Any]]:
    """Return the lines of a table that are wanted, by the filter of pyarrow, with these columns or else all."""
    import pyarrow.parquet as pq

    with reading(segment):
        table = pq.read_table(segment, columns=columns and list(columns), filters=wanted)
        found: list[dict[str, Any]] = table.to_pylist()
        return found


def _run(store: Store, line: Mapping[str, Any]) -> Run:
    path = store.folder / str(line["run"])
    with reading(path):
        if not (NAME.fullmatch(line["run"]) and KEY.fullmatch(line["machine"])):
            raise ValueError("a run with a name that none can have")
        header, decoder = header_of(Text(1, 0, line["header"]), path)
        stored = _Stored(store, line["run"], line["machine"], header, decoder)
        tasks = {each["task"]: each["records"] for each in line["tasks"]}
        resources = msgspec.json.decode(line["resources"], type=tuple[Resources, ...])
        records = stored.records(tasks, resources)
        return Run(
            path=path,
            header=header,
            records=replace(records, kept=dict(line["kept"])),
            others=cache(lambda: stored.others(line["others"])),
        )


@dataclass(frozen=True)
class _Stored:
    """Where the lines of a run stand."""

    store: Store
    name: str
    machine: str
    header: Header
    decoder: Decoder

    def records(self, tasks: Mapping[str, int], resources: tuple[Resources, ...]) -> Records:
        """Return the records, of which there are so many in each task."""
        parts = Parts([Part(self.store.records(self.machine, task, self.name), count) for task, count in tasks.items()])
        columns = Columns(self.header.rows, resources, parts.arrays(), parts.lists())
        rows = {row: row for row in self.header.rows}
        first = cache(lambda: self._first_losses(columns, parts, rows))
        return Records(columns, lambda places: decoded(parts.texts(places), self.decoder, rows, first()))

    def _first_losses(self, columns: Columns, parts: Parts, rows: Mapping[Row, Row]) -> dict[Row, Losses]:
        """Return the losses of the first line of each row that has them."""
        having = columns["losses"] > 0
        found = {}
        for row, places in columns.by_row().items():
            lines = decoded(parts.texts(places[having[places]].tolist()), self.decoder, rows, {})
            found[row] = next((each.quality.losses for each in lines if each.quality and each.quality.losses), ())
        return found

    def others(self, count: int) -> Others:
        """Return what is no record, of which there are so many lines."""
        found = OthersSoFar()
        path = self.store.lines(self.machine, self.name)
        for _, text in lines_of(path, count):
            with reading(path):
                line = self.decoder.decode(text)
            if isinstance(line, Header):
                raise Damaged(f"the store is damaged: {path} has a second header")
            if not isinstance(line, Record):  # a line that repeats a record is left out
                found.add(line)
        return found.all()


def lines_of(path: Path, count: int) -> Iterator[tuple[int, bytes]]:
    """Yield the numbers and lines in a file of a store, of which so many count."""
    import pyarrow.parquet as pq

    with reading(path):
        left = count
        for batch in pq.ParquetFile(path).iter_batches(batch_size=256, columns=[NUMBER, LINE], use_threads=False):
            numbers, lines = batch.column(NUMBER).to_pylist(), batch.column(LINE).to_pylist()
            yield from itertools.islice(zip(numbers, lines, strict=True), left)
            left -= min(left, len(numbers))
        if left:
            raise ValueError(f"{left} of {count} lines are missing")
