"""Which hosts take part: those whose code, Python, versions and settings are those of the client."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

from bench.errors import UserError
from bench.events import FleetListener
from bench.fleet.facts import Facts, unlike
from bench.fleet.hosts import Hosts
from bench.report.names import counted

LOOK_S = 0.2  # between two looks for the first hosts
SETTLED_S = 3.0  # without a new host, after which a run begins; others can come later
LEFT_OUT_S = 15.0  # the same, where all hosts so far differ from the client


class Clock(Protocol):
    """What tells the time and lets it pass, in seconds: the module `time`, or a fake."""

    def monotonic(self) -> float:
        """Return the time of a clock that never goes back."""

    def sleep(self, seconds: float, /) -> None:
        """Wait."""


class NoHost(UserError):
    """Raised when no host can measure anything."""


@dataclass
class Checked:
    """The hosts that were compared with the client."""

    here: Facts
    listener: FleetListener
    accepted: dict[str, Facts] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def look(self, hosts: Hosts) -> tuple[list[str], list[str]]:
        """Compare new hosts with the client; return the addresses of those accepted, and of those that are gone."""
        found = dict(hosts.known())
        gone = [a for a, facts in self.accepted.items() if found.get(a) != facts]
        for address in gone:
            del self.accepted[address]
        self.left_out = {address: why for address, why in self.left_out.items() if address in found}
        new = [address for address in found if address not in self.accepted and address not in self.left_out]
        for address in new:
            self._check(address, found[address], hosts)
        return [address for address in new if address in self.accepted], gone

    def _check(self, address: str, facts: Facts | str, hosts: Hosts) -> None:
        name = address if isinstance(facts, str) else facts.host
        differing = [facts] if isinstance(facts, str) else unlike(self.here, facts)
        if differing or isinstance(facts, str):
            self.left_out[address] = f"{name}: {'; '.join(differing)}"
            self.listener.say(f"left out: {self.left_out[address]}")
            return
        twin = any(each.machine == facts.machine for each in self.accepted.values())
        self.accepted[address] = facts
        hosts.accept(address)
        if twin:
            self.listener.say(f"another worker on {name} takes part: workers of one machine take turns")
            return
        has = ", ".join((counted(facts.cores, "core"), *facts.gpus))
        self.listener.say(f"{name} takes part: {has}")

    def require(self) -> None:
        """Raise `NoHost` if no host is accepted."""
        if not self.accepted:
            reasons = "; ".join(dict.fromkeys(self.left_out.values()))
            raise NoHost(
                f"every host differs from this machine and is left out: {reasons}"
                if reasons
                else "the cluster has no workers; start some (dask worker ADDRESS)"
            )


def first_check(hosts: Hosts, here: Facts, listener: FleetListener, wait_s: float, clock: Clock = time) -> Checked:
    """Wait for the first hosts, and compare all that come with the client. Raises `NoHost` if none is accepted.

    Hosts that come soon after each other are waited for: what is planned may depend on them.
    """
    checked = Checked(here, listener)
    begun_s = changed_s = clock.monotonic()
    checked.look(hosts)
    if not (checked.accepted or checked.left_out):
        listener.say(f"the cluster has no workers yet; waiting for {wait_s / 60:.0f} min at most")
    before: set[str] = set()
    while True:
        checked.look(hosts)
        there, now_s = {*checked.accepted, *checked.left_out}, clock.monotonic()
        if there != before:
            before, changed_s = there, now_s
        quiet_s = SETTLED_S if checked.accepted else LEFT_OUT_S
        if (there and now_s - changed_s >= quiet_s) or now_s - begun_s >= wait_s:
            break
        clock.sleep(LOOK_S)
    checked.require()
    return checked
