"""Which unit goes to which host next, and what follows when one ends, is refused or is lost. Pure.

The rules: one unit at a time on one machine; units for GPUs only where there are any; a unit that a client has begun
goes on on its machine if that is there, else it begins anew elsewhere; a lost host is no failure of its unit, unless
several are lost in a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from bench.events import HostSoFar
from bench.fleet.facts import Facts
from bench.fleet.news import Doing, Outcome
from bench.fleet.units import Unit

NOTHING = Doing()
MOST_LOST = 3  # hosts in a row, after which a unit is thought to be what ends them
State = Literal["waiting", "running", "whole", "failed"]
Next = Literal["whole", "continues", "anew", "failed"]
STATES: Mapping[Next, State] = {"whole": "whole", "continues": "waiting", "anew": "waiting", "failed": "failed"}


@dataclass
class Place:
    """Where a unit stands."""

    unit: Unit
    state: State = "waiting"
    address: str = ""  # of the host that measures it; empty if none does
    host: str = ""  # its name, or that of the last one
    machine: str = ""  # of the run file so far; empty if there is none
    have_bytes: int = 0  # of the run file so far, when it is measured
    instead_of: str = ""  # the host that was lost before
    lost: int = 0  # hosts in a row
    going_on: bool = False  # whether its host goes on with an earlier run file
    refused: dict[str, str] = field(default_factory=dict)  # why a host's process cannot measure it
    doing: Doing = NOTHING
    reason: str = ""  # why it has failed, or what was shortened

    @property
    def open(self) -> bool:
        """Whether it is still to be measured."""
        return self.state in ("waiting", "running")


def suits(place: Place, facts: Facts) -> bool:
    """Return whether a host may measure a unit."""
    return facts.process not in place.refused and _fits(place.unit, facts)


def _fits(unit: Unit, facts: Facts) -> bool:
    """Return whether a unit could be measured on a host by what that is."""
    return unit.machine in ("", facts.machine) and (unit.device != "gpu" or bool(facts.gpus))


def assignments(places: Iterable[Place], hosts: Mapping[str, Facts]) -> Iterator[tuple[Place, str]]:
    """Yield waiting units with the address of the host that shall measure each. `hosts` are all that are accepted.

    Units that have been begun come first, then those for GPUs, then the others; these go to hosts without a GPU as long
    as there are any.
    """
    places = list(places)
    busy = {hosts[each.address].machine for each in places if each.state == "running" and each.address in hosts}
    waiting = [each for each in places if each.state == "waiting"]
    for place in sorted(waiting, key=lambda each: (not each.machine, each.unit.device != "gpu")):
        free = [address for address, facts in hosts.items() if facts.machine not in busy and suits(place, facts)]
        if free:
            address = min(free, key=lambda each: _preference(place, hosts[each]))
            busy.add(hosts[address].machine)
            yield place, address


def _preference(place: Place, facts: Facts) -> tuple[bool, bool]:
    return facts.machine != place.machine, bool(facts.gpus) and place.unit.device != "gpu"


def begins(place: Place, address: str, facts: Facts) -> bool:
    """Let a host measure a unit; return whether it goes on with the run file so far, which must be of its machine.

    A run file of another machine is given up: the rounds begin anew, and are marked.
    """
    going_on = bool(place.machine) and place.machine == facts.machine
    if place.machine and not going_on:
        place.instead_of = place.host
    place.state, place.address, place.host, place.machine = "running", address, facts.host, facts.machine
    place.doing, place.going_on = NOTHING, going_on
    return going_on


def lose(place: Place) -> Next:
    """Note that the host of a unit is lost: the unit begins anew, or fails if that was one too many."""
    place.lost += 1
    place.instead_of = place.host
    if place.lost >= MOST_LOST:
        place.reason = f"{place.lost} hosts in a row were lost while they measured it, {place.host} at last"
    return _leave(place, "failed" if place.lost >= MOST_LOST else "anew")


def end(place: Place, outcome: Outcome, facts: Facts) -> Next:
    """Note how a unit has ended on its host; return what follows.

    One that was cut off keeps its run file, for the case that its machine comes back. A process of a host that refuses
    it, or that has no time left, is not asked again. A run file with which its machine does not go on is given up.
    """
    place.reason = outcome.reason
    if outcome.ended == "whole":
        return _leave(place, "whole")
    if outcome.ended == "left":
        return _leave(place, "continues")
    if outcome.ended == "refused" and place.going_on:
        return _leave(place, "anew")
    place.refused[facts.process] = f"{facts.host}: {outcome.reason}"
    if outcome.ended == "late":
        return _leave(place, "continues")
    if outcome.ended == "crashed":
        place.lost += 1
        place.instead_of = place.host
    return _leave(place, "failed" if place.lost >= MOST_LOST else "anew")


def _leave(place: Place, follows: Next) -> Next:
    place.address, place.doing = "", NOTHING
    place.state = STATES[follows]
    if follows != "continues":
        place.machine = ""
    return follows


def hopeless(place: Place, hosts: Mapping[str, Facts]) -> str:
    """Return, for people, why none of the hosts can measure a waiting unit; empty if one may."""
    if any(suits(place, facts) for facts in hosts.values()):
        return ""
    if place.unit.machine and not any(facts.machine == place.unit.machine for facts in hosts.values()):
        return f"{place.unit.machine.partition(' ')[0]} is not there"
    if place.refused:
        return "; ".join(dict.fromkeys(place.refused.values()))
    return "no host has an NVIDIA GPU" if hosts else "there is no host"


def refused_by_all(place: Place, hosts: Mapping[str, Facts]) -> bool:
    """Return whether there are hosts that could measure a unit by what they are, and each of them has refused it."""
    fitting = [facts for facts in hosts.values() if _fits(place.unit, facts)]
    return bool(fitting) and all(facts.process in place.refused for facts in fitting)


def so_far(places: Iterable[Place], hosts: Mapping[str, Facts]) -> list[HostSoFar]:
    """Return what every host does, by name."""
    running = {place.address: place for place in places if place.state == "running"}
    found = [_doing(facts.host, running.get(address)) for address, facts in hosts.items()]
    return sorted(found, key=lambda each: (each.host, each.unit))


def _doing(host: str, place: Place | None) -> HostSoFar:
    if place is None:
        return HostSoFar(host=host)
    doing = place.doing
    return HostSoFar(
        host=host,
        unit=place.unit.name,
        stage=doing.stage,
        job=doing.job,
        done=doing.done,
        total=doing.total,
        left_s=doing.left_s,
    )
