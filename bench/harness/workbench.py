"""What a worker process keeps from one request to the next."""

from __future__ import annotations

from typing import TypeVar, cast

T = TypeVar("T")


class NotKept(Exception):
    """Raised when a request needs what an earlier one should have left, and there is nothing."""


class Workbench:
    """Things that a job leaves for later jobs of the same process, one of each type."""

    def __init__(self) -> None:
        self._things: dict[type[object], object] = {}

    def put(self, thing: object) -> None:
        """Keep a thing, in place of an earlier one of its type."""
        self._things[type(thing)] = thing

    def get(self, kind: type[T]) -> T:
        """Return the thing of this type. Raises `NotKept` if there is none."""
        if kind not in self._things:
            raise NotKept(f"no earlier request has left a {kind.__name__}")
        return cast(T, self._things[kind])
