"""The runs of a store, read as run files are: numbers from columns, whole lines where they are asked for."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Mapping, Sequence
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

AT_ONCE = 32  # runs of which all lines are in memory
READ = ("run", "machine", "header", "resources", "tasks", "others", "kept")  # columns of a line for a run
Decoder = msgspec.json.Decoder[Line]


def stored_runs(store: Store) -> list[Run]:
    """Return all runs of a store, in the order in which they were merged. Raises `NotARunFile` if it has none."""
    found = [run_of(store, each) for segment in _segments(store) for each in lines_of_runs(segment, READ)]
    if not found:
        raise NotARunFile(f"no run is in the store {store.folder}")
    return found


def stored_run(store: Store, name: str) -> Run:
    """Return the run of this name. Raises `NotARunFile` if there is none."""
    return run_of(store, line_of_run(store, name))


def stored_lines(store: Store, name: str) -> Iterator[bytes]:
    """Yield the lines of the run of this name, as they stood in its run file."""
    line = line_of_run(store, name)
    yield line["header"]
    parts = Parts([Part(store, line["machine"], each["task"], name, each["records"]) for each in line["tasks"]])
    others = lines_of(store.lines(line["machine"], name), line["others"])
    for _, text in heapq.merge(parts.lines(), others, key=itemgetter(0)):
        yield text


def line_of_run(store: Store, name: str) -> dict[str, Any]:
    """Return the line of the table `runs` of the run of this name. Raises `NotARunFile` if there is none."""
    for segment in _segments(store):
        for each in lines_of_runs(segment, None, name):
            return each
    raise NotARunFile(f"the store {store.folder} has no run {quoted(name)}; `bench table {store.folder}` names all")


def _segments(store: Store) -> list[Path]:
    require_arrow()
    return store.segments("runs")


def lines_of_runs(
    segment: Path, columns: Sequence[str] | None = None, name: str | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the lines of a file of the table `runs`, with these columns or else all; if a run is named, only its."""
    import pyarrow.parquet as pq

    with reading(segment):
        for batch in pq.ParquetFile(segment).iter_batches(
            AT_ONCE, columns=columns and list(columns), use_threads=False
        ):
            names = batch.column("run").to_pylist()
            places = range(len(names)) if name is None else [at for at, each in enumerate(names) if each == name]
            yield from (batch.slice(at, 1).to_pylist()[0] for at in places)


def run_of(store: Store, line: Mapping[str, Any]) -> Run:
    """Return a run by its line in the table `runs`. Raises `Damaged`."""
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
        parts = Parts([Part(self.store, self.machine, task, self.name, count) for task, count in tasks.items()])
        columns = Columns(self.header.rows, resources, parts.arrays(), parts.lists())
        rows = {row: row for row in self.header.rows}
        first = cache(lambda: self._first_losses(columns, parts, rows))
        return Records(columns, lambda places: self.decoded(parts, places, rows, first()))

    def _first_losses(self, columns: Columns, parts: Parts, rows: Mapping[Row, Row]) -> dict[Row, Losses]:
        """Return the losses of the first line of each row that has them."""
        having = columns["losses"] > 0
        found = {}
        for row, places in columns.by_row().items():
            lines = self.decoded(parts, places[having[places]].tolist(), rows, {})
            found[row] = next((each.quality.losses for each in lines if each.quality and each.quality.losses), ())
        return found

    def decoded(
        self, parts: Parts, places: Sequence[int], rows: Mapping[Row, Row], losses: Mapping[Row, Losses]
    ) -> Iterator[Record]:
        """Yield whole records. Raises `Damaged` for lines that are no records of this run."""
        with reading(self.store.folder / self.name):
            yield from decoded(parts.texts(places), self.decoder, rows, losses)

    def others(self, count: int) -> Others:
        """Return what is no record, of which there are so many lines."""
        found = OthersSoFar()
        path = self.store.lines(self.machine, self.name)
        for number, text in lines_of(path, count):
            with reading(path):
                line = self.decoder.decode(text)
            if isinstance(line, Header):
                raise Damaged(f"the store is damaged: {path} has a second header")
            if not isinstance(line, Record):  # a line that repeats a record is left out
                found.add(line, number)
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
