"""What records tell in numbers, as arrays with an entry for each record: a table needs little more.

A record as an object takes ten times the memory, and most of what is computed from many records is computed at once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any, Self

import numpy as np

from backends.contract import Array
from bench.records.schema import Record, Resources, Row, Steady, Timing, Turns

TIMES = (
    *("start_s", "import_s", "data_s", "setup_s", "evaluation_s", "resets_s", "checks_s", "wall_s", "cpu_s"),
    *("product_flops_per_s", "product_limit_flops_per_s"),
    *("steady.window_s", "steady.cpu_s", "steady.vanished_cpu_s", "steady.waited_s", "steady.helpers_cpu_s"),
)
COUNTS = ("steps_per_pass", "rows_per_step", "flops_per_pass", "peak_memory_bytes")
DEVICE_MEMORY = "peak_device_memory_bytes"  # which may be unknown
LISTS = ("passes_s", "read_s", "reread_s")
TURNS = tuple(Turns.__struct_fields__)
WHOLE_NUMBERS = frozenset({"passes", "reads"})  # of the lists of turns
UNKNOWN = -1  # in the place of a count
AT_ONCE = 500  # records that are kept as objects before they are taken apart: few, so that they stay in the cache

NO_TURNS = Turns(passes=(), wall_s=(), cpu_s=())
_NOTHING: dict[str, Any] = {
    **dict.fromkeys(("start_s", "import_s", "data_s", "setup_s", "evaluation_s", "resets_s", "checks_s"), math.nan),
    **dict.fromkeys(("wall_s", "cpu_s", "product_flops_per_s"), math.nan),
    **dict.fromkeys((*COUNTS, DEVICE_MEMORY), UNKNOWN),
    **dict.fromkeys(LISTS, ()),
    "steady": Steady(window_s=math.nan, cpu_s=math.nan, vanished_cpu_s=math.nan, waited_s=None, helpers_cpu_s=math.nan),
}
NO_TIMING = Timing(**_NOTHING)


@dataclass(frozen=True)
class Lists:
    """Lists of numbers, one after the other in one array."""

    values: Array
    counts: Array  # of the numbers in each list [lists]

    @classmethod
    def of(cls, lists: Iterable[Sequence[float] | Array], kind: type = float) -> Self:
        """Return these lists."""
        lists = list(lists)
        counts = np.fromiter(map(len, lists), int, len(lists))
        return cls(np.fromiter(itertools.chain.from_iterable(lists), kind, int(counts.sum())), counts)

    @classmethod
    def join(cls, parts: Sequence[Lists]) -> Self:
        """Return the lists of several objects, one after the other."""
        values, counts = ([getattr(part, name) for part in parts] for name in ("values", "counts"))
        return cls(np.concatenate(values), np.concatenate(counts))

    def __len__(self) -> int:
        """Return the number of lists."""
        return len(self.counts)

    def __getitem__(self, place: int) -> Array:
        """Return a list."""
        end = self.ends[place]
        found: Array = self.values[end - self.counts[place] : end]
        return found

    @cached_property
    def ends(self) -> Array:
        """Where each list ends in the array [lists]."""
        return np.cumsum(self.counts)

    @cached_property
    def owners(self) -> Array:
        """The place of the list that each number is in."""
        return np.repeat(np.arange(len(self)), self.counts)

    @property
    def positions(self) -> Array:
        """The position of each number in its list, from 0."""
        found: Array = np.arange(len(self.values)) - (self.ends - self.counts)[self.owners]
        return found

    @property
    def last(self) -> Array:
        """The last number of each list [lists], none of which may be empty."""
        found: Array = self.values[self.ends - 1]
        return found

    def with_values(self, values: Array) -> Lists:
        """Return lists of the same lengths with other numbers."""
        return Lists(values, self.counts)

    def take(self, places: Array) -> Lists:
        """Return the lists at these places, in their order."""
        counts = self.counts[places]
        shift = np.repeat(self.ends[places] - np.cumsum(counts), counts)
        return Lists(self.values[shift + np.arange(len(shift))], counts)

    def keep(self, wanted: Array) -> Lists:
        """Return the lists with only those numbers for which `wanted` is true."""
        return Lists(self.values[wanted], np.bincount(self.owners[wanted], minlength=len(self)))

    def added_to(self, first: Array) -> Array:
        """Return a number for each list with its numbers added, one after the other [lists]."""
        found = np.array(first, float)
        for places, stack in self.by_length():
            found[places] = np.cumsum(np.column_stack([found[places], stack]), axis=1)[:, -1]
        return found

    def by_length(self) -> Iterator[tuple[Array, Array]]:
        """Yield the lists of the same length together, without empty ones: their places, and the stack of them."""
        for count in np.unique(self.counts[self.counts > 0]).tolist():
            places = np.flatnonzero(self.counts == count)
            starts = self.ends[places] - count
            yield places, self.values[starts[:, None] + np.arange(count)]

    def each(self, number: Callable[[Array], Array], empty: float = math.nan) -> Array:
        """Return a number of each list [lists], by a function of lists of the same length [some lists, numbers]."""
        found = np.full(len(self), empty)
        for places, stack in self.by_length():
            found[places] = number(stack)
        return found


@dataclass(frozen=True)
class Columns:
    """Records as arrays. What a record does not tell is NaN or, in the place of a count, `UNKNOWN`.

    Arrays by name, with an entry for each record: `row` and `resources`, which count in `rows` and `each_resources`;
    `block` and `threads`; whether it is `ok`, was `timed` and had `turns`; the number of `losses`, as they stand in the
    record; the fields `TIMES`, `COUNTS` and `DEVICE_MEMORY` of its timing, where a point stands before those of a part.
    Lists by name: `LISTS` of its timing, and those of its turns, as in `turns.wall_s`.
    """

    rows: tuple[Row, ...]
    each_resources: tuple[Resources, ...]
    arrays: Mapping[str, Array]
    lists: Mapping[str, Lists]

    @classmethod
    def of(cls, records: Iterable[Record]) -> Columns:
        """Return records as arrays."""
        collector = Collector()
        for record in records:
            collector.add(record)
        return collector.columns()

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.arrays["row"])

    def __getitem__(self, name: str) -> Array:
        """Return an array by its name."""
        return self.arrays[name]

    def take(self, places: Array) -> Columns:
        """Return the records at these places, in their order."""
        arrays = {name: values[places] for name, values in self.arrays.items()}
        lists = {name: values.take(places) for name, values in self.lists.items()}
        return Columns(self.rows, self.each_resources, arrays, lists)

    def by_row(self) -> dict[Row, Array]:
        """Return the places of the records of each row, in the order in which the rows come first."""
        order = np.argsort(self["row"], kind="stable")
        numbers, begins = np.unique(self["row"][order], return_index=True)
        parts = np.split(order, begins[1:]) if len(numbers) else []
        firsts = sorted(zip(parts, numbers.tolist(), strict=True), key=lambda part: int(part[0][0]))
        return {self.rows[number]: places for places, number in firsts}

    def resources_of(self, place: int) -> Resources | None:
        """Return the resources of a record."""
        number = self["resources"][place]
        return None if number == UNKNOWN else self.each_resources[number]

    def different_resources(self) -> list[Resources]:
        """Return the resources of the records, each once, in the order in which they come first."""
        numbers, firsts = np.unique(self["resources"], return_index=True)
        return [self.each_resources[number] for number in numbers[np.argsort(firsts)].tolist() if number != UNKNOWN]

    @cached_property
    def last(self) -> Array:
        """The places of the last record of each job, in the order in which the jobs come first."""
        jobs, firsts = alike(self["row"], self["block"])
        found = np.empty(len(firsts), int)
        found[jobs] = np.arange(len(self))  # of the records of the same job, the last one stays
        return found[np.argsort(firsts)]


def alike(*keys: Array) -> tuple[Array, Array]:
    """Return a number for each entry that all with the same keys share, and where the first entry of each number is."""
    order = np.lexsort(keys)  # which keeps the order of entries with the same keys
    begins = np.zeros(len(order), bool)
    begins[:1] = True
    for key in keys:
        begins[1:] |= np.diff(key[order]) != 0
    found = np.empty(len(order), int)
    found[order] = np.cumsum(begins) - 1
    return found, order[begins]


Pieces = list[tuple[dict[str, Array], dict[str, Lists]]]


class Collector:
    """Takes records apart, some at a time."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.rows = {row: number for number, row in enumerate(rows)}
        self.resources: dict[Resources, int] = {}
        self.pending: list[Record] = []
        self.pieces: Pieces = [_taken_apart((), {}, {})]

    def add(self, record: Record) -> None:
        """Add a record."""
        self.pending.append(record)
        if len(self.pending) == AT_ONCE:
            self._take_apart()

    def _take_apart(self) -> None:
        self.pieces.append(_taken_apart(self.pending, self.rows, self.resources))
        self.pending.clear()

    def columns(self) -> Columns:
        """Return all records so far."""
        self._take_apart()
        arrays, lists = self.pieces[0]
        joined = {name: np.concatenate([each[name] for each, _ in self.pieces]) for name in arrays}
        joined_lists = {name: Lists.join([each[name] for _, each in self.pieces]) for name in lists}
        self.pieces = [(joined, joined_lists)]
        return Columns(tuple(self.rows), tuple(self.resources), joined, joined_lists)


_of_times = attrgetter(*TIMES)
_of_counts = attrgetter(*COUNTS)


def _taken_apart(
    records: Sequence[Record], rows: dict[Row, int], resources: dict[Resources, int]
) -> tuple[dict[str, Array], dict[str, Lists]]:
    """Return arrays and lists of records; rows and resources that are new are given the next number."""
    timings = [record.timing or NO_TIMING for record in records]
    turns = [timing.turns or NO_TURNS for timing in timings]
    times = np.array([_of_times(each) for each in timings], float).reshape(-1, len(TIMES)).T
    counts = np.array([_of_counts(each) for each in timings], int).reshape(-1, len(COUNTS)).T
    arrays = {
        **dict(zip(TIMES, times, strict=True)),
        **dict(zip(COUNTS, counts, strict=True)),
        DEVICE_MEMORY: _whole(_or_unknown(each.peak_device_memory_bytes) for each in timings),
        "row": _whole(rows.setdefault(record.job.row, len(rows)) for record in records),
        "block": _whole(record.job.block for record in records),
        "threads": _whole(record.job.threads for record in records),
        "losses": _whole(len(record.quality.losses) if record.quality else UNKNOWN for record in records),
        "resources": _whole(_number_of(record.resources, resources) for record in records),
        "ok": np.fromiter((record.status == "ok" for record in records), bool),
        "timed": np.fromiter((record.timing is not None for record in records), bool),
        "turns": np.fromiter((timing.turns is not None for timing in timings), bool),
    }
    lists = {name: Lists.of(map(attrgetter(name), timings)) for name in LISTS}
    for name in TURNS:
        kind = int if name in WHOLE_NUMBERS else float
        lists[f"turns.{name}"] = Lists.of(map(attrgetter(name), turns), kind)
    return arrays, lists


def _whole(numbers: Iterable[int]) -> Array:
    return np.fromiter(numbers, int)


def _or_unknown(number: int | None) -> int:
    return UNKNOWN if number is None else number


def _number_of(each: Resources | None, known: dict[Resources, int]) -> int:
    return UNKNOWN if each is None else known.setdefault(each, len(known))
