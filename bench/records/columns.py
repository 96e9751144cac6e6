"""What records tell in numbers, as arrays with an entry for each record: a table needs little more.

A record as an object takes ten times the memory, and most of what is computed from many records is computed at once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from typing import Any

import numpy as np

from backends.contract import Array
from bench.records.lists import Collector, Lists, alike
from bench.records.schema import Record, Resources, Row, Steady, Timing, Turns

TIMES = (
    *("start_s", "import_s", "data_s", "setup_s", "evaluation_s", "resets_s", "checks_s", "wall_s", "cpu_s"),
    *("product_flops_per_s", "steady.window_s", "steady.cpu_s", "steady.vanished_cpu_s", "steady.helpers_cpu_s"),
)
PERHAPS_TIMES = ("product_limit_flops_per_s", "steady.waited_s")  # which may be unknown
COUNTS_OF_TASK = ("steps_per_pass", "rows_per_step", "flops_per_pass")  # the same for all rows of a task
COUNTS = (*COUNTS_OF_TASK, "peak_memory_bytes")
DEVICE_MEMORY = "peak_device_memory_bytes"  # which may be unknown
LISTS = ("passes_s", "read_s", "reread_s")
TURNS = tuple(Turns.__struct_fields__)
WHOLE_NUMBERS = frozenset({"passes", "reads"})  # of the lists of turns
UNKNOWN = -1  # in the place of a count

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
class Columns:
    """Records as arrays. What a record does not tell is NaN or, in the place of a count, `UNKNOWN`.

    Arrays by name, with an entry for each record: `row` and `resources`, which count in `rows` and `each_resources`;
    `block` and `threads`; whether it is `ok`, was `timed`, had `turns`, told of `inference` and of what was `learned`,
    and has a `warm` start; the number of `losses`, as they stand in the record; the fields `TIMES`, `PERHAPS_TIMES`,
    `COUNTS` and `DEVICE_MEMORY` of its timing, where a point stands before those of a part. Lists by name: `LISTS` of
    its timing, and those of its turns, as in `turns.wall_s`.
    """

    rows: tuple[Row, ...]
    each_resources: tuple[Resources, ...]
    whole_arrays: Mapping[str, Array]
    whole_lists: Mapping[str, Lists]
    places: Array | None = None  # of the records in them; None for all

    @classmethod
    def of(cls, records: Iterable[Record]) -> Columns:
        """Return records as arrays."""
        so_far = ColumnsSoFar()
        for record in records:
            so_far.add(record)
        return so_far.columns()

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.whole_arrays["row"] if self.places is None else self.places)

    def __getitem__(self, name: str) -> Array:
        """Return an array by its name."""
        found: Array = self.whole_arrays[name] if self.places is None else self.whole_arrays[name][self.places]
        return found

    def lists(self, name: str) -> Lists:
        """Return lists by their name."""
        return self.whole_lists[name] if self.places is None else self.whole_lists[name].take(self.places)

    def take(self, places: Array) -> Columns:
        """Return the records at these places, in their order; their numbers are copied where they are asked for."""
        return replace(self, places=places if self.places is None else self.places[places])

    def with_array(self, name: str, values: Array) -> Columns:
        """Return the same records with another array in the place of one."""
        if self.places is None:
            return replace(self, whole_arrays={**self.whole_arrays, name: values})
        whole = self.whole_arrays[name].copy()
        whole[self.places] = values
        return replace(self, whole_arrays={**self.whole_arrays, name: whole})

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


class ColumnsSoFar:
    """Records as arrays, to which others are added."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.rows = {row: number for number, row in enumerate(rows)}
        self.resources: dict[Resources, int] = {}
        self.collector = Collector[Record](lambda records: _taken_apart(records, self.rows, self.resources))
        self.add = self.collector.add

    def columns(self) -> Columns:
        """Return all records so far."""
        gathered = self.collector.gathered()
        return Columns(tuple(self.rows), tuple(self.resources), gathered.arrays(), gathered.lists())


_of_times = attrgetter(*TIMES)
_of_perhaps_times = attrgetter(*PERHAPS_TIMES)
_of_counts = attrgetter(*COUNTS)


def _taken_apart(
    records: Sequence[Record], rows: dict[Row, int], resources: dict[Resources, int]
) -> tuple[dict[str, Array], dict[str, Lists]]:
    """Return arrays and lists of records; rows and resources that are new are given the next number."""
    timings = [record.timing or NO_TIMING for record in records]
    turns = [timing.turns or NO_TURNS for timing in timings]
    times = _stacked(map(_of_times, timings), len(TIMES), float)
    perhaps = np.array([*map(_of_perhaps_times, timings)], float).reshape(-1, len(PERHAPS_TIMES)).T
    counts = _stacked(map(_of_counts, timings), len(COUNTS), int)
    arrays = {
        **dict(zip(TIMES, times, strict=True)),
        **dict(zip(PERHAPS_TIMES, perhaps, strict=True)),
        **dict(zip(COUNTS, counts, strict=True)),
        DEVICE_MEMORY: _whole(_or_unknown(each.peak_device_memory_bytes) for each in timings),
        "row": _whole(rows.setdefault(record.job.row, len(rows)) for record in records),
        "block": _whole(record.job.block for record in records),
        "threads": _whole(record.job.threads for record in records),
        "losses": _whole(len(record.quality.losses) if record.quality else UNKNOWN for record in records),
        "resources": _whole(_number_of(record.resources, resources) for record in records),
        "ok": np.fromiter((record.status == "ok" for record in records), bool),
        "timed": np.fromiter((record.timing is not None for record in records), bool),
        "inference": np.fromiter((record.inference is not None for record in records), bool),
        "learned": np.fromiter((record.learned is not None for record in records), bool),
        "warm": np.fromiter((record.warm is not None for record in records), bool),
        "turns": np.fromiter((timing.turns is not None for timing in timings), bool),
    }
    lists = {name: Lists.of(map(attrgetter(name), timings)) for name in LISTS}
    for name in TURNS:
        kind = int if name in WHOLE_NUMBERS else float
        lists[f"turns.{name}"] = Lists.of(map(attrgetter(name), turns), kind)
    return arrays, lists


def _stacked(lines: Iterable[tuple[Any, ...]], columns: int, kind: type) -> Array:
    """Return lines of as many numbers as an array [columns, lines]."""
    return np.fromiter(itertools.chain.from_iterable(lines), kind).reshape(-1, columns).T


def _whole(numbers: Iterable[int]) -> Array:
    return np.fromiter(numbers, int)


def _or_unknown(number: int | None) -> int:
    return UNKNOWN if number is None else number


def _number_of(each: Resources | None, known: dict[Resources, int]) -> int:
    return UNKNOWN if each is None else known.setdefault(each, len(known))
