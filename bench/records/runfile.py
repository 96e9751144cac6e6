"""Read run files in the format JSON Lines.

The first line is the header. Each further line is a record, the state of the machine in a round, a parity result, or
what is needed to draw what the models of a task learned.
Of the records, numbers are kept as arrays; the whole of a record is read again where something asks for it.
"""

from __future__ import annotations

import gc
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import itemgetter
from pathlib import Path

import msgspec
import numpy as np
from msgspec.structs import force_setattr

from backends.contract import Array
from bench.errors import in_utf8, shown
from bench.records.blocks import Blocks, BlocksSoFar
from bench.records.columns import Columns, ColumnsSoFar
from bench.records.lines import BYTE_ORDER_MARK, UNREADABLE, Lines, NotARunFile, Text, stripped
from bench.records.lists import OnDemand, repeats
from bench.records.schema import LINES, Block, Header, Lesson, Line, ParityResult, Record, Row
from bench.records.sense import Known, fault, fault_of_header, other_work

Losses = tuple[float | None, ...]


@dataclass(frozen=True, eq=False)
class Records(OnDemand[Record]):
    """The records of a run: their numbers as arrays, and each as a whole on demand, which may read a file."""

    columns: Columns
    reader: Callable[[Sequence[int]], Iterator[Record]]  # what `read` calls
    # What was computed of exactly these records when they were put into a store, as `bench.analysis.kept` reads it.
    kept: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Iterable[Record]) -> Records:
        """Return records that are in memory."""
        return Kept(records).records()

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.columns)

    def read(self, places: Sequence[int]) -> Iterator[Record]:
        """Yield the records at these places, in their order."""
        return self.reader(places)

    def take(self, places: Array) -> Records:
        """Return the records at these places, in their order."""
        chosen = places.tolist()
        return Records(self.columns.take(places), lambda wanted: self.read([chosen[place] for place in wanted]))

    def of_row(self, wanted: Callable[[Row], bool]) -> Records:
        """Return the records of the rows that are wanted."""
        numbers = [number for number, row in enumerate(self.columns.rows) if wanted(row)]
        return self.take(np.flatnonzero(np.isin(self.columns["row"], numbers)))

    def firsts(self, having: Array) -> dict[Row, Record]:
        """Return the first record of each row among those that have something: a truth value for each record."""
        places = np.flatnonzero(having)
        _, firsts = np.unique(self.columns["row"][places], return_index=True)
        return {each.job.row: each for each in self.read(places[firsts].tolist())}

    def first_losses(self) -> dict[Row, Losses]:
        """Return, for each row, the losses of its first record that has any."""
        found = self.firsts(self.columns["losses"] > 0)
        return {row: each.quality.losses for row, each in found.items() if each.quality}


class Kept:
    """Records in memory, to which others are added."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.columns = ColumnsSoFar()
        self.kept: list[Record] = []
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Add a record."""
        self.columns.add(record)
        self.kept.append(record)

    def records(self) -> Records:
        """Return all records so far."""
        return Records(self.columns.columns(), lambda places: (self.kept[place] for place in places))


@dataclass(frozen=True)
class Others:
    """What a run file holds beside the header and the records."""

    blocks: Blocks
    parity_results: tuple[ParityResult, ...]  # in file order
    lessons: Mapping[str, Lesson]  # by task: the last one of each


@dataclass(frozen=True)
class Run:
    """The content of a run file."""

    path: Path
    header: Header
    records: Records
    others: Callable[[], Others]  # which a store reads where they are asked for
    remarks: tuple[str, ...] = ()  # for people: lines that are left out
    whole: int = 0  # bytes of the file up to the end of its last whole line

    @property
    def name(self) -> str:
        """Its path as text that can be written anywhere."""
        return in_utf8(str(self.path))

    @property
    def blocks(self) -> Blocks:
        """The state of the machine in each round."""
        return self.others().blocks

    @property
    def parity_results(self) -> tuple[ParityResult, ...]:
        """All parity results, in file order."""
        return self.others().parity_results

    @property
    def lessons(self) -> Mapping[str, Lesson]:
        """The last lesson of each task."""
        return self.others().lessons

    @cached_property
    def last_records(self) -> Records:
        """The last record of each job. When a job was repeated, its earlier records do not count."""
        last = self.records.columns.last
        return self.records if len(last) == len(self.records) else self.records.take(last)

    @property
    def parity(self) -> dict[Row, ParityResult]:
        """The last parity result of each row. Earlier results do not count."""
        return {result.row: result for result in self.parity_results}

    def learned(self) -> dict[Row, Record]:
        """Return, for each row, its first record that says what the model had learned."""
        return self.records.firsts(self.records.columns["learned"])


def read_run(path: Path) -> Run:
    """Read a run file. Raises `NotARunFile`, also if the file cannot be read or holds a line that makes no sense.

    Blank lines count as nothing, and so does a byte order mark before the first line. A last line that was cut off and
    a sample that stands there twice are left out, and a remark says so. What is asked of the records later raises
    `NotARunFile` where another program has changed the file meanwhile.
    """
    return read_with_numbers(path).run


@dataclass(frozen=True)
class Numbered:
    """A run, and where its records stand in the file."""

    run: Run
    numbers: Array  # of the lines of its records, from 1 [records]
    left_out: frozenset[int]  # numbers of the lines that repeat a record
    texts: Callable[[Iterable[int]], Iterator[bytes]]  # the lines of the records at these places


def read_with_numbers(path: Path) -> Numbered:
    """Read a run file as `read_run` does, and keep the numbers of the lines of records."""
    lines = Lines(path)
    header, decoder = header_of(next(lines, None), path)
    body = _Body(header, decoder, path)
    with without_collector():
        for line in lines:
            body.add(line)
    records, numbers, texts, repeated = body.records()
    others = body.others.all()
    run = Run(
        path=path,
        header=header,
        records=records,
        others=lambda: others,
        remarks=(*_of_repeated([*repeated, *body.others.repeated], path), *lines.remarks),
        whole=lines.whole,
    )
    return Numbered(run, numbers, frozenset(number for _, number in repeated), texts)


def _of_repeated(repeated: Iterable[tuple[int, int]], path: Path) -> Iterator[str]:
    """Yield a remark on each line that repeats an earlier one, by the numbers of both."""
    for first, number in sorted(repeated, key=itemgetter(1)):
        yield f"{path}: line {number} repeats line {first}; it is left out"


@contextmanager
def without_collector() -> Iterator[None]:
    """Keep the collector of cycles from looking through what is read, again and again: it has none."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def header_of(first: Text | None, path: Path) -> tuple[Header, msgspec.json.Decoder[Line]]:
    """Return the header from the first line, and what decodes the lines that follow it, which have its schema's types.

    Raises `NotARunFile`.
    """
    if first is None:
        raise NotARunFile(f"{path} is not a run file: it has no complete line")
    first = first._replace(text=first.text.removeprefix(BYTE_ORDER_MARK))
    decoder = _decoder_of(first, path)
    header = _parse(first, decoder, path)
    if not isinstance(header, Header):
        raise NotARunFile(f"{path} is not a run file: its first line is not a header")
    if wrong := fault_of_header(header):
        raise NotARunFile(f"{path}: line {first.number} is {shown(wrong)}")
    return header, decoder


class OthersSoFar:
    """Lines that are no records, to which others are added."""

    def __init__(self) -> None:
        self.blocks = BlocksSoFar()
        self.rounds: dict[Block, int] = {}  # number of the line that told it first
        self.repeated: list[tuple[int, int]] = []  # numbers of two lines that tell the same of a round
        self.parity_results: list[ParityResult] = []
        self.lessons: dict[str, Lesson] = {}

    def add(self, line: Block | ParityResult | Lesson, number: int) -> None:
        """Add the line of this number. One that repeats what another said of a round counts as nothing."""
        match line:
            case Block():
                first = self.rounds.setdefault(line, number)
                if first != number:
                    self.repeated.append((first, number))
                else:
                    self.blocks.add(line)
            case ParityResult():
                self.parity_results.append(line)
            case Lesson():
                self.lessons[line.task] = line

    def all(self) -> Others:
        """Return all lines so far."""
        return Others(self.blocks.all(), tuple(self.parity_results), self.lessons)


class _Body:
    """The lines after the header, by kind."""

    def __init__(self, header: Header, decoder: msgspec.json.Decoder[Line], path: Path) -> None:
        self.path = path
        self.decoder = decoder
        self.known = Known.of(header)
        self.columns = ColumnsSoFar(header.rows)
        self.numbers, self.begins, self.hashes = array("q"), array("q"), array("q")  # of the lines of records
        self.others = OthersSoFar()

    def add(self, text: Text) -> None:
        """Add a line. Raises `NotARunFile` if it makes no sense."""
        line = _parse(text, self.decoder, self.path)
        if wrong := fault(line, self.known):
            raise NotARunFile(f"{self.path}: line {text.number} is {shown(wrong)}")
        match line:
            case Record():
                self.columns.add(line)
                self.numbers.append(text.number)
                self.begins.append(text.begin)
                self.hashes.append(hash(text.text))
            case Block() | ParityResult() | Lesson():
                self.others.add(line, text.number)

    def records(self) -> tuple[Records, Array, Callable[[Iterable[int]], Iterator[bytes]], list[tuple[int, int]]]:
        """Return the records, numbers of their lines, what reads these, and the numbers of lines that repeat others."""
        columns = self.columns.columns()
        places = np.array(self.begins, int), np.array(self.hashes, int)
        file = _RecordsOfFile(self.path, self.decoder, self.known.rows, *places)
        same = file.repeated(columns["ok"])  # its times cannot come twice
        numbers = np.array(self.numbers, int)
        if wrong := other_work(columns):
            raise NotARunFile(f"{self.path}: line {numbers[wrong[0]]} is {shown(wrong[1])}")
        repeated = [(int(numbers[first]), int(numbers[later])) for later, first in same.items()]
        if same:
            kept = np.delete(np.arange(len(columns)), list(same))
            columns, file, numbers = columns.take(kept), file.take(kept), numbers[kept]
        return file.with_losses(columns), numbers, file.texts, repeated


@dataclass(frozen=True)
class _RecordsOfFile:
    """Where the records of a run file stand."""

    path: Path
    decoder: msgspec.json.Decoder[Line]
    rows: Mapping[Row, Row]  # from each row to itself
    begins: Array  # of their lines, in bytes
    hashes: Array  # of their texts

    def take(self, places: Array) -> _RecordsOfFile:
        return replace(self, begins=self.begins[places], hashes=self.hashes[places])

    def texts(self, places: Iterable[int]) -> Iterator[bytes]:
        """Yield the lines of records. Raises `NotARunFile` if one is not what it was when the file was read first."""
        try:
            with self.path.open("rb") as file:
                for place in places:
                    file.seek(self.begins[place])
                    text = stripped(file.readline())
                    if hash(text) != self.hashes[place]:
                        raise NotARunFile(f"{self.path} was changed by another program while it was read; try again")
                    yield text
        except OSError as error:
            raise NotARunFile(f"cannot read {self.path}: {error.strerror}") from error

    def repeated(self, ok: Array) -> dict[int, int]:
        """Return the place of each good record that repeats an earlier one, and that of the earlier one."""
        places = np.flatnonzero(ok)
        later, firsts = (places[found].tolist() for found in repeats(self.hashes[places]))
        pairs = zip(later, firsts, strict=True)
        return {place: first for place, first in pairs if len(set(self.texts((place, first)))) == 1}

    def with_losses(self, columns: Columns) -> Records:
        """Return the records, with the losses that were left out: those of the first record of their row."""
        first = Records(columns, lambda places: self._read(places, {})).first_losses()
        lengths = np.array([len(first.get(row, ())) for row in columns.rows], int)
        losses = np.where(columns["losses"] == 0, lengths[columns["row"]], columns["losses"])
        return Records(columns.with_array("losses", losses), lambda places: self._read(places, first))

    def _read(self, places: Iterable[int], first: Mapping[Row, Losses]) -> Iterator[Record]:
        return decoded(self.texts(places), self.decoder, self.rows, first)


def decoded(
    texts: Iterable[bytes],
    decoder: msgspec.json.Decoder[Line],
    rows: Mapping[Row, Row],
    first: Mapping[Row, Losses],
) -> Iterator[Record]:
    """Yield the records of these lines; those without losses get the first ones of their row.

    `rows` has one object of each row, from the row to itself.
    """
    for text in texts:
        record = decoder.decode(text)
        assert isinstance(record, Record)  # noqa: S101 - it was one when the file was read first
        force_setattr(record.job, "row", rows[record.job.row])  # one object for all records
        if record.quality is not None and not record.quality.losses:
            force_setattr(record.quality, "losses", first.get(record.job.row, ()))
        yield record


class _AnyHeader(msgspec.Struct):
    """The part of a header that all schema versions have in common."""

    schema: int


def _decoder_of(header: Text, path: Path) -> msgspec.json.Decoder[Line]:
    """Return what decodes the lines of a file with this header, by its schema."""
    try:
        schema = msgspec.json.decode(header.text, type=_AnyHeader).schema
    except UNREADABLE as error:
        raise NotARunFile(f"{path} is not a run file: line {header.number}: {shown(str(error))}") from error
    if schema not in LINES:
        known = " and ".join(map(str, LINES))
        raise NotARunFile(f"{path} has schema {shown(str(schema))}; this version reads schemas {known}")
    return msgspec.json.Decoder(LINES[schema])


def _parse(line: Text, decoder: msgspec.json.Decoder[Line], path: Path) -> Line:
    try:
        return decoder.decode(line.text)
    except UNREADABLE as error:
        raise NotARunFile(f"{path} is not a run file: line {line.number}: {shown(str(error))}") from error
