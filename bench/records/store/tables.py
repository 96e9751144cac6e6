"""The records of a run and task as a Parquet file: their numbers as columns, and each whole line.

The columns are those of `bench.records.columns`, with `_` in the place of a point; what a record does not tell is null.
Reading gives the same arrays again, without decoding a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np

from backends.contract import Array
from bench.records.columns import (
    COUNTS,
    DEVICE_MEMORY,
    LISTS,
    PERHAPS_TIMES,
    TIMES,
    TURNS,
    UNKNOWN,
    WHOLE_NUMBERS,
    Columns,
)
from bench.records.lines import Text
from bench.records.lists import Lists
from bench.records.store.layout import Store, reading

AT_ONCE = 1000  # records of a row group: what has to be unpacked to read one line
NUMBER = "number"  # of a record's line in the run file
PLAIN = ("row", "block", "threads")
PERHAPS_COUNTS = ("losses", "resources", *COUNTS, DEVICE_MEMORY)  # which may be unknown
TRUTHS = ("ok", "timed", "inference", "learned", "warm", "turns")
FLOATS = (*TIMES, *PERHAPS_TIMES)
ARRAYS = (*PLAIN, *PERHAPS_COUNTS, *TRUTHS, *FLOATS)
LISTS_OF_FLOATS = (*LISTS, *(f"turns.{name}" for name in TURNS if name not in WHOLE_NUMBERS))
LISTS_OF_COUNTS = tuple(f"turns.{name}" for name in TURNS if name in WHOLE_NUMBERS)
WORDS = ("run", "machine", "task", "backend", "mode", "device", "precision", "status", "started", "framework")
LINE = "line"
T = TypeVar("T")


class Glance(msgspec.Struct):
    """What the columns of a record in memory do not have."""

    status: str
    started: str = ""


GLANCES = msgspec.json.Decoder(Glance)


def column(name: str) -> str:
    """Return the name in a Parquet file of an array or list."""
    return name.replace(".", "_")


def schema() -> Any:
    """Return the schema of a file of records, as pyarrow has it."""
    import pyarrow as pa

    fields = [(name, pa.dictionary(pa.int32(), pa.string())) for name in WORDS]
    fields += [(name, pa.int64()) for name in (NUMBER, *PLAIN, *PERHAPS_COUNTS)]
    fields += [(name, pa.bool_()) for name in _truths()]
    fields += [(column(name), pa.float64()) for name in FLOATS]
    fields += [(column(name), pa.list_(pa.float64())) for name in LISTS_OF_FLOATS]
    fields += [(column(name), pa.list_(pa.int64())) for name in LISTS_OF_COUNTS]
    return pa.schema([*fields, (LINE, pa.binary())])


def _truths() -> list[str]:
    return [truth(name) for name in TRUTHS]


def truth(name: str) -> str:
    """Return the name in a Parquet file of an array of truth values: `has_turns`, since `turns_...` are lists."""
    return name if name == "ok" else f"has_{name}"


def write_records(
    path: Path, columns: Columns, numbers: Array, texts: Iterator[bytes], words: Mapping[str, str]
) -> None:
    """Write the records of a task. `texts` are their lines, `words` the columns `run`, `machine` and `task`.

    Raises OSError.
    """
    import pyarrow.parquet as pq

    kind = schema()
    with pq.ParquetWriter(path, kind, compression="zstd") as writer:
        for begin in range(0, len(columns), AT_ONCE):
            places = np.arange(begin, min(begin + AT_ONCE, len(columns)))
            lines = [next(texts) for _ in places]
            writer.write_table(_table(kind, columns.take(places), numbers[places], lines, words))


def _table(kind: Any, columns: Columns, numbers: Array, lines: list[bytes], words: Mapping[str, str]) -> Any:
    import pyarrow as pa

    glances = [GLANCES.decode(line) for line in lines]
    rows = [columns.rows[number] for number in columns["row"].tolist()]
    told: dict[str, Any] = {name: [words[name]] * len(lines) for name in ("run", "machine", "task")}
    told |= {name: [getattr(row, name) for row in rows] for name in ("backend", "mode", "device", "precision")}
    told |= {name: [getattr(each, name) for each in glances] for name in ("status", "started")}
    resources = [columns.resources_of(place) for place in range(len(columns))]
    told["framework"] = [each.framework if each else None for each in resources]
    told |= {NUMBER: numbers, LINE: lines}
    told |= {name: columns[name] for name in PLAIN}
    told |= {name: _counts(columns[name]) for name in PERHAPS_COUNTS}
    told |= {truth(name): columns[name] for name in TRUTHS}
    told |= {column(name): pa.array(columns[name], from_pandas=True) for name in FLOATS}
    told |= {column(name): _lists(columns.lists(name)) for name in (*LISTS_OF_FLOATS, *LISTS_OF_COUNTS)}
    return pa.table({field.name: told[field.name] for field in kind}, schema=kind)


def write_lines(path: Path, lines: Iterable[Text]) -> int:
    """Write lines that are no records; return how many there are. Raises OSError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = pa.schema([(NUMBER, pa.int64()), (LINE, pa.binary())])
    count, left = 0, iter(lines)
    with pq.ParquetWriter(path, kind, compression="zstd") as writer:
        while several := list(islice(left, AT_ONCE)):
            count += len(several)
            table = {NUMBER: [line.number for line in several], LINE: [line.text for line in several]}
            writer.write_table(pa.table(table, schema=kind))
    return count


def _counts(counts: Array) -> Any:
    import pyarrow as pa

    return pa.array(counts, mask=counts == UNKNOWN)


def _lists(lists: Lists) -> Any:
    import pyarrow as pa

    return pa.ListArray.from_arrays(np.concatenate([[0], lists.ends]).astype(np.int32), pa.array(lists.values))


@dataclass(frozen=True)
class Part:
    """The records of a run and task, which have a file of their own in a store."""

    store: Store
    machine: str
    task: str
    run: str
    count: int  # records at the beginning of the file that count

    @property
    def path(self) -> Path:
        """The file: found where it is read, because most commands read no records of most runs."""
        return self.store.records(self.machine, self.task, self.run)


class Loaded(Mapping[str, T], Generic[T]):
    """Arrays or lists by name, all of them read where the first one is asked for."""

    def __init__(self, names: Sequence[str], load: Callable[[], Mapping[str, T]]) -> None:
        self.names = names
        self.load = load

    @cached_property
    def found(self) -> Mapping[str, T]:
        """What was read."""
        return self.load()

    def __getitem__(self, name: str) -> T:
        return self.found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


class Parts:
    """The records of a run, which stand in a file for each task; here they have the order of the run file."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self.ends = np.cumsum([part.count for part in parts], dtype=int)

    @cached_property
    def order(self) -> Array:
        """The places of the records one part after the other, in the order of the run file."""
        numbers = [self._read(part, [NUMBER]).column(NUMBER).to_numpy() for part in self.parts]
        return np.argsort(np.concatenate(numbers or [np.empty(0, int)]), kind="stable")

    def arrays(self) -> Mapping[str, Array]:
        """Return all arrays of columns, read where one is asked for."""
        return Loaded(ARRAYS, self._arrays)

    def lists(self) -> Mapping[str, Lists]:
        """Return all lists of columns, read where one is asked for."""
        return Loaded((*LISTS_OF_FLOATS, *LISTS_OF_COUNTS), self._lists)

    def _arrays(self) -> dict[str, Array]:
        names = [*PLAIN, *PERHAPS_COUNTS, *_truths(), *map(column, FLOATS)]
        read = [self._read(part, names) for part in self.parts]
        found = {}
        for name, stored in zip(ARRAYS, names, strict=True):
            arrays = [_array(table.column(stored), name) for table in read]
            found[name] = np.concatenate(arrays or [np.empty(0, KINDS[name])])[self.order]
        return found

    def _lists(self) -> dict[str, Lists]:
        names = (*LISTS_OF_FLOATS, *LISTS_OF_COUNTS)
        read = [self._read(part, [*map(column, names)]) for part in self.parts]
        found = {}
        for name in names:
            several = [_from_lists(table.column(column(name))) for table in read]
            found[name] = _joined(several, int if name in LISTS_OF_COUNTS else float).take(self.order)
        return found

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the numbers and lines of all records."""
        numbers = np.concatenate([self._read(part, [NUMBER]).column(NUMBER).to_numpy() for part in self.parts] or [[]])
        return zip(numbers[self.order].tolist(), self.texts(range(len(numbers))), strict=True)

    def _read(self, part: Part, names: Sequence[str]) -> Any:
        import pyarrow.parquet as pq

        with reading(part.path):
            table = pq.ParquetFile(part.path).read(columns=list(names), use_threads=False).slice(0, part.count)
            if len(table) < part.count:
                raise ValueError(f"it has {len(table)} of {part.count} records")
            return table

    def texts(self, places: Sequence[int]) -> Iterator[bytes]:
        """Yield the lines of records."""
        wanted = self.order[np.fromiter(places, int, len(places))]
        which = np.searchsorted(self.ends, wanted, side="right")
        within = wanted - np.concatenate([[0], self.ends])[which]
        files = {part: _file_of(self.parts[part].path) for part in np.unique(which).tolist()}
        for part, row in zip(which.tolist(), within.tolist(), strict=True):
            yield _line(files[part], row)


KINDS = {name: bool if name in TRUTHS else float if name in FLOATS else int for name in ARRAYS}


@dataclass(frozen=True)
class _File:
    """A file of records at a moment: what is remembered of it does not hold for a file that has taken its place."""

    path: Path
    changed_ns: int
    size_bytes: int


def _file_of(path: Path) -> _File:
    with reading(path):
        found = path.stat()
        return _File(path, found.st_mtime_ns, found.st_size)


def _line(file: _File, row: int) -> bytes:
    with reading(file.path):
        ends = _ends(file)
        group = int(np.searchsorted(ends, row, side="right"))
        lines = _lines_of_group(file, group)
        found: bytes = lines[row - int(ends[group]) + len(lines)].as_py()
        return found


@lru_cache(maxsize=64)
def _ends(file: _File) -> Array:
    """Return where each row group ends, in rows."""
    import pyarrow.parquet as pq

    meta = pq.read_metadata(file.path)
    return np.cumsum([meta.row_group(group).num_rows for group in range(meta.num_row_groups)])


@lru_cache(maxsize=8)  # row groups of several MB: those of the tasks of a run, whose records take turns
def _lines_of_group(file: _File, group: int) -> Any:
    import pyarrow.parquet as pq

    return pq.ParquetFile(file.path).read_row_group(group, columns=[LINE], use_threads=False).column(LINE)


def _array(stored: Any, name: str) -> Array:
    found: Array = (stored.fill_null(UNKNOWN) if name in PERHAPS_COUNTS else stored).to_numpy()
    return found.astype(KINDS[name], copy=False)


def _from_lists(stored: Any) -> Lists:
    import pyarrow.compute as pc

    return Lists(pc.list_flatten(stored).to_numpy(), pc.list_value_length(stored).to_numpy().astype(int))


def _joined(several: Sequence[Lists], kind: type) -> Lists:
    values: Array = np.concatenate([each.values for each in several] or [np.empty(0)]).astype(kind, copy=False)
    return Lists(values, np.concatenate([each.counts for each in several] or [np.empty(0, int)]))
