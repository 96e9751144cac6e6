"""A run on a cluster from the side of the client: units go out to hosts, lines of run files come back to a folder."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import UserError
from bench.events import FleetListener
from bench.fleet import board
from bench.fleet.board import Place
from bench.fleet.checked import Checked, Clock
from bench.fleet.facts import Facts, machine_of
from bench.fleet.folder import Folder
from bench.fleet.hosts import Asked, Hosts, Unreachable
from bench.fleet.news import News, Outcome
from bench.fleet.units import FleetPlan, Order, another_run, key_of

POLL_S = 2.0  # between two rounds of questions; a host takes milliseconds to answer
WAIT_S = 600.0  # for hosts that a unit needs and that are not there; schedulers take a while to start them
UNREACHABLE_S = 60.0  # after which a lost connection ends the client
ENDING_S = 30.0  # that hosts have for their last lines when the client is interrupted


@dataclass
class Fleet:
    """A run on a cluster while it is carried out."""

    plan: FleetPlan
    folder: Folder
    hosts: Hosts
    checked: Checked
    listener: FleetListener
    clock: Clock = time
    wait_s: float = WAIT_S
    places: list[Place] = field(default_factory=list)

    def __post_init__(self) -> None:
        """See what of the plan has been done before."""
        self.places = [self._found(Place(unit)) for unit in self.plan.units]

    def _found(self, place: Place) -> Place:
        """Return where a unit stands by its files."""
        if self.folder.whole(place.unit).exists():
            place.state = "whole"
        elif header := self.folder.begun(place.unit):
            place.host, place.machine = header.host, machine_of(header.host, header.machine.id)
        return place

    @property
    def accepted(self) -> Mapping[str, Facts]:
        """The hosts that take part, by address."""
        return self.checked.accepted

    def carry_out(self) -> None:
        """Measure all units. One that fails ends no other. Raises `Unreachable` if the cluster is lost."""
        reached_s = waiting_s = self.clock.monotonic()
        for address in self.accepted:
            self._adopt(address)
        try:
            while any(place.open for place in self.places):
                try:
                    self._turn()
                    reached_s = self.clock.monotonic()
                except Unreachable:
                    if self.clock.monotonic() - reached_s > UNREACHABLE_S:
                        raise
                if any(place.state == "running" for place in self.places):
                    waiting_s = self.clock.monotonic()
                elif self._give_up(self.clock.monotonic() - waiting_s):
                    return
                self.listener.hosts(board.so_far(self.places, self.accepted), len(self.paths()), len(self.places))
                self.clock.sleep(POLL_S)
        except BaseException:
            self._end_all()
            raise

    def _turn(self) -> None:
        """Look for hosts that are lost or new, hear what is new of the units, give out units that wait."""
        new, gone = self.checked.look(self.hosts)
        for place in self._running():
            if place.address in gone:
                self._lose(place)
        for address in new:
            self._adopt(address)
        self._hear()
        for place, address in list(board.assignments(self.places, self.accepted)):
            self._begin(place, address)

    def _running(self) -> Iterator[Place]:
        return (place for place in list(self.places) if place.state == "running")

    def _key(self, place: Place) -> str:
        return key_of(self.plan.run, place.unit.name)

    def _adopt(self, address: str) -> None:
        """Go on with the units that a host still has from a client that is gone; end those that it should not have."""
        facts = self.accepted[address]
        for place in self.places:
            if (key := self._key(place)) not in facts.running:
                continue
            content = self.folder.text(place.unit).encode()
            asked = Asked(key, len(content))
            if place.state == "waiting" and self.hosts.has(address, asked, hashlib.sha256(content).hexdigest()):
                place.machine = facts.machine
                place.have_bytes = len(content)
                board.begins(place, address, facts)
                self.listener.say(f"{place.unit.name} still runs on {facts.host}")
            else:
                self.hosts.end(address, key)

    def _hear(self) -> None:
        """Write the new lines of all units that are measured, and see which have ended."""
        running = {place.address: place for place in self._running()}
        asked = {address: Asked(self._key(place), place.have_bytes) for address, place in running.items()}
        for address, news in self.hosts.news(asked).items() if asked else ():
            self._take(running[address], news)

    def _take(self, place: Place, news: News) -> None:
        facts = self.accepted[place.address]
        if news.process != facts.process:  # its process was started again at the same address
            self.hosts.forget(place.address)
            self._lose(place)
            return
        if news.lines:
            self.folder.append(place.unit, news.lines)
            place.have_bytes += len(news.lines.encode())
        if news.doing.remark and news.doing.remark != place.doing.remark:
            self.listener.say(f"{place.unit.name} on {facts.host}: {news.doing.remark}")
        place.doing = news.doing
        if news.outcome is not None:
            self.hosts.end(place.address, self._key(place))
            self._ended(place, self._seen(place, news.outcome, facts), facts)

    def _seen(self, place: Place, outcome: Outcome, facts: Facts) -> Outcome:
        """Return the outcome, after a look at the run file that should be whole."""
        if outcome.ended != "whole":
            return outcome
        header = self.folder.begun(place.unit)
        fault = another_run(header, self._order(place), facts.host) if header else "it is no run file"
        if fault:
            return Outcome(ended="crashed", reason=f"what it sent is not the unit: {fault}")
        self.folder.finish(place.unit)
        return outcome

    def _ended(self, place: Place, outcome: Outcome, facts: Facts) -> None:
        follows = board.end(place, outcome, facts)
        reason = outcome.reason and f": {outcome.reason}"
        if follows == "whole":
            self.listener.say(f"{place.unit.name} is whole, from {facts.host}{reason}")
            return
        self.listener.say(f"{place.unit.name} {TOLD[outcome.ended]} {facts.host}{reason}")
        if follows != "continues":
            self._set_aside(place)

    def _lose(self, place: Place) -> None:
        host, follows = place.host, board.lose(place)
        self.listener.say(
            f"{host} is lost; {place.unit.name} begins anew"
            if follows == "anew"
            else f"{place.unit.name}: {place.reason}"
        )
        self._set_aside(place)

    def _set_aside(self, place: Place) -> None:
        if path := self.folder.set_aside(place.unit):
            self.listener.say(f"what {place.host} had sent of {place.unit.name} is kept in {path}")

    def _begin(self, place: Place, address: str) -> None:
        going_on = board.begins(place, address, self.accepted[address])
        if not going_on:
            self._set_aside(place)
        place.have_bytes = self.folder.size(place.unit)
        self.hosts.begin(address, self._order(place))
        how = "goes on" if going_on else "begins"
        self.listener.say(f"{place.unit.name} {how} on {place.host}")

    def _order(self, place: Place) -> Order:
        begun = self.folder.text(place.unit) if place.going_on else ""
        plan = self.plan
        return Order(run=plan.run, manner=plan.manner, unit=place.unit, instead_of=place.instead_of, begun=begun)

    def _give_up(self, waited_s: float) -> bool:
        """Note why units wait; those that every host has refused fail. Return whether to end: no such hosts come."""
        for place in (each for each in self.places if each.state == "waiting"):
            place.reason = board.hopeless(place, self.accepted)
            if place.reason and board.refused_by_all(place, self.accepted):
                place.state = "failed"
                self.listener.say(f"{place.unit.name} cannot be measured: {place.reason}")
        return waited_s > self.wait_s

    def _end_all(self) -> None:
        """Let all hosts end what they measure, and take their last lines."""
        until_s = self.clock.monotonic() + ENDING_S
        try:
            for place in self._running():
                self.hosts.stop(place.address, self._key(place))
            while any(self._running()) and self.clock.monotonic() < until_s:
                self._hear()
                self.clock.sleep(POLL_S / 10)
        except UserError:  # the cluster is gone, or the disk is full: what has come is kept
            return

    def paths(self) -> tuple[Path, ...]:
        """Return the run files of all units that are whole, in the order of the plan."""
        return tuple(self.folder.whole(place.unit) for place in self.places if place.state == "whole")

    def unfinished(self) -> list[Place]:
        """Return the units that are not whole."""
        return [place for place in self.places if place.state != "whole"]


TOLD = {
    "refused": "is refused by",
    "left": "was left by",
    "late": "was left by",
    "crashed": "ended without a result on",
}
