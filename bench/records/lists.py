"""Lists of numbers of different lengths, kept in one array, arrays that grow, and objects that are taken apart."""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import eq
from typing import Generic, Self, TypeVar, overload

import numpy as np

from backends.contract import Array

FEWEST = 256  # numbers that there is room for
AT_ONCE = 100  # objects that are kept before they are taken apart: few, so that they stay in the processor's cache
T = TypeVar("T")


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

    @property
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
        if counts.sum() == len(self.values) and (np.diff(places) > 0).all():  # only empty lists are left out
            return Lists(self.values, counts)
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


def repeats(keys: Array) -> tuple[Array, Array]:
    """Return the places of the entries that are the same as an earlier one, and that of the first such one."""
    _, firsts, which = np.unique(keys, return_index=True, return_inverse=True)
    later = np.flatnonzero(firsts[which] != np.arange(len(keys)))
    return later, firsts[which[later]]


class Growing:
    """An array to which others are added. What it has returned before stays as it is."""

    def __init__(self, kind: np.dtype) -> None:
        self.values: Array = np.empty(0, kind)
        self.size = 0

    def add(self, more: Array) -> None:
        """Add numbers at the end; room is made for as many again."""
        end = self.size + len(more)
        if end > len(self.values):
            values = np.empty(max(2 * len(self.values), end, FEWEST), self.values.dtype)
            values[: self.size] = self.array
            self.values = values
        self.values[self.size : end] = more
        self.size = end

    @property
    def array(self) -> Array:
        """All numbers so far."""
        return self.values[: self.size]


class Gathered:
    """Arrays and lists by name, to which others are added."""

    def __init__(self) -> None:
        self.columns: dict[str, Growing] = {}
        self.counts: dict[str, Growing] = {}  # of lists, whose numbers are a column

    def add(self, arrays: Mapping[str, Array], lists: Mapping[str, Lists]) -> None:
        """Add to each array, and to the lists of each name."""
        for name, values in arrays.items():
            self.columns.setdefault(name, Growing(values.dtype)).add(values)
        for name, each in lists.items():
            self.columns.setdefault(name, Growing(each.values.dtype)).add(each.values)
            self.counts.setdefault(name, Growing(each.counts.dtype)).add(each.counts)

    def arrays(self) -> dict[str, Array]:
        """Return all arrays."""
        return {name: column.array for name, column in self.columns.items() if name not in self.counts}

    def lists(self) -> dict[str, Lists]:
        """Return all lists."""
        return {name: Lists(self.columns[name].array, counts.array) for name, counts in self.counts.items()}


class OnDemand(Sequence[T]):
    """A sequence whose objects are made where they are asked for."""

    @abstractmethod
    def read(self, places: Sequence[int]) -> Iterator[T]:
        """Yield the objects at these places, in their order."""

    def __iter__(self) -> Iterator[T]:
        """Yield the objects, one at a time."""
        return self.read(range(len(self)))

    @overload
    def __getitem__(self, key: int) -> T: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[T, ...]: ...
    def __getitem__(self, key: int | slice) -> T | tuple[T, ...]:
        """Return one object, or several."""
        places = range(len(self))[key]
        return next(self.read((places,))) if isinstance(places, int) else tuple(self.read(places))

    def __eq__(self, other: object) -> bool:
        """Return whether the other object is a sequence of the same objects."""
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]


class Collector(Generic[T]):
    """Takes objects apart into arrays and lists, some at a time."""

    def __init__(self, take_apart: Callable[[Sequence[T]], tuple[dict[str, Array], dict[str, Lists]]]) -> None:
        self.take_apart = take_apart
        self.pending: list[T] = []
        self.whole = Gathered()

    def add(self, each: T) -> None:
        """Add an object."""
        self.pending.append(each)
        if len(self.pending) == AT_ONCE:
            self.gathered()

    def gathered(self) -> Gathered:
        """Return the arrays and lists of all objects so far."""
        self.whole.add(*self.take_apart(self.pending))
        self.pending.clear()
        return self.whole


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
