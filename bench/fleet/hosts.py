"""The hosts of a cluster as the client sees them: what can be asked of them, whatever connects them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from bench.errors import UserError
from bench.fleet.facts import Facts
from bench.fleet.news import News
from bench.fleet.units import Order


class Unreachable(UserError):
    """Raised when the cluster cannot be reached, for the moment or any more."""


class Asked(NamedTuple):
    """A unit that a host is asked about, and how many bytes of its run file are here."""

    key: str
    offset: int


class Hosts(Protocol):
    """The hosts of a cluster, by address. All methods but `end` and `has` raise `Unreachable`."""

    def known(self) -> Mapping[str, Facts | str]:
        """Return what each host that is there says of itself, or why it cannot be asked."""

    def accept(self, address: str) -> None:
        """Prepare a host for units, one at a time."""

    def begin(self, address: str, order: Order) -> None:
        """Let a host measure a unit."""

    def news(self, asked: Mapping[str, Asked]) -> Mapping[str, News]:
        """Return what is new, by address; nothing for a host that does not answer in time."""

    def has(self, address: str, asked: Asked, digest: str) -> bool:
        """Return whether the run file of a unit on a host begins with the bytes that have this SHA-256."""

    def stop(self, address: str, key: str) -> None:
        """Let the run of a unit end in order; its last news can still be asked for."""

    def end(self, address: str, key: str) -> None:
        """Let a host forget a unit, and end it if it still runs."""

    def forget(self, address: str) -> None:
        """Ask a host anew what it says of itself."""
