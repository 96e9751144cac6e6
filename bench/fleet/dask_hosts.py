"""The hosts of a Dask cluster: https://distributed.dask.org. Every host is asked by itself: one that hangs
holds up none.

A unit is a task of Dask, bound to one worker, so that Dask knows that the worker is busy; a resource makes it one at a
time. Its news do not come by that task: they outlive the client, and a lost connection to the scheduler.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import msgspec

from bench.errors import BadChoice, UserError, quoted, shown
from bench.fleet import at_host
from bench.fleet.facts import Facts
from bench.fleet.hosts import Asked, Unreachable
from bench.fleet.news import News, Outcome
from bench.fleet.units import Order, encoded

RESOURCE = "levelfield"
LOCAL = "local:"
PORT = re.compile(r"[^\s/]:\d+/?$")  # the end of an address
MOST_LOCAL = 64
CONNECT_S = 30.0
FACTS_S = 120.0  # the first answer of a host, which imports this suite
ANSWER_S = 10.0
# Settings of Dask by which a worker takes 0.5 % of a core while a unit is measured, instead of 2.4 %.
QUIET = {"distributed.worker.profile.enabled": False, "distributed.admin.tick.interval": "2s"}
# A Ctrl-C in a terminal goes to all processes there: the client ends the workers, when their last lines have come.
UNDISTURBED = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
BROKEN = (OSError, TimeoutError, RuntimeError)  # what Dask raises where a connection is lost
NO_ANSWER = (msgspec.DecodeError, UnicodeEncodeError, RecursionError)  # what reading raises for text of other programs
GIVEN_UP = (AttributeError, asyncio.CancelledError)  # what it raises when it has given up to connect again


class DaskHosts:
    """The hosts of a Dask cluster, one for each of its workers."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.told: dict[str, Facts | str] = {}
        self.tasks: dict[str, Any] = {}  # futures of Dask, by address

    def known(self) -> Mapping[str, Facts | str]:
        """Return what each worker says of its host; new ones are asked."""
        addresses = list(self._sync(self._addresses))
        for gone in [address for address in self.tasks if address not in addresses]:
            self._drop(gone)
        self.told = {address: facts for address, facts in self.told.items() if address in addresses}
        new = [address for address in addresses if address not in self.told]
        for address, reply in zip(new, self._sync(self._ask_all, at_host.facts, dict.fromkeys(new, ())), strict=True):
            if reply is not None:
                self.told[address] = _facts(reply)
        return self.told

    def accept(self, address: str) -> None:
        """Give a worker the resource that units need."""
        self._sync(self._ask, address, _grant)

    def begin(self, address: str, order: Order) -> None:
        """Submit a unit to a worker, and to no other."""
        try:
            self.tasks[address] = self.client.submit(
                at_host.carry_out, encoded(order), workers=[address], resources={RESOURCE: 1}, pure=False
            )
        except BROKEN as error:
            raise _unreachable(error) from error

    def news(self, asked: Mapping[str, Asked]) -> Mapping[str, News]:
        """Ask each host for what is new."""
        replies = self._sync(self._ask_all, at_host.news, asked)
        found = {address: self._news(address, reply) for address, reply in zip(asked, replies, strict=True)}
        return {address: news for address, news in found.items() if news is not None}

    def _news(self, address: str, reply: object) -> News | None:
        """Return the answer of a host or, if it does not know its unit, what Dask knows of the task."""
        try:
            news = msgspec.json.decode(reply, type=News) if isinstance(reply, str) else None
        except NO_ANSWER:
            return None
        if news is None or news.known:
            return news
        return msgspec.structs.replace(news, outcome=self._of_task(address))

    def _of_task(self, address: str) -> Outcome | None:
        """Return how the task of a worker has ended; None if it has not begun."""
        task = self.tasks.get(address)
        if task is None or task.status in ("cancelled", "lost"):
            return Outcome(ended="left", reason="its host has ended it, because no client asked for it")
        try:
            if task.status == "error":
                return Outcome(ended="crashed", reason=shown(f"Dask: {task.exception(timeout=ANSWER_S)}"))
            if task.status == "finished":
                return msgspec.json.decode(task.result(timeout=ANSWER_S), type=Outcome)
        except (*BROKEN, *NO_ANSWER):
            return None
        return None

    def has(self, address: str, asked: Asked, digest: str) -> bool:
        """Ask a host whether its run file of a unit begins so."""
        return self._sync(self._ask, address, at_host.has, *asked, digest) is True

    def stop(self, address: str, key: str) -> None:
        """Ask a host to end the run of a unit in order."""
        self._sync(self._ask, address, at_host.stop, key)

    def forget(self, address: str) -> None:
        """Ask a worker anew the next time, and do not let Dask run its task again."""
        self.told.pop(address, None)
        self._drop(address)

    def _drop(self, address: str) -> None:
        """Cancel the task of a worker that is lost: Dask would run it again on one with the same address."""
        task = self.tasks.pop(address, None)
        try:
            if task is not None:
                task.cancel()
        except BROKEN as error:
            raise _unreachable(error) from error

    def end(self, address: str, key: str) -> None:
        """Ask a host to end a unit, and let Dask forget the task."""
        try:
            self._sync(self._ask, address, at_host.end, key)
            if task := self.tasks.pop(address, None):
                task.release()
        except UserError:  # then it ends by itself, as nobody asks for it
            return

    def _sync(self, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return self.client.sync(function, *arguments)
        except (*BROKEN, *GIVEN_UP) as error:
            raise _unreachable(error) from error

    async def _addresses(self) -> list[str]:
        return list(await asyncio.wait_for(self.client.nthreads(), CONNECT_S))

    async def _ask_all(self, function: Callable[..., str], asked: Mapping[str, tuple[Any, ...]]) -> list[Any]:
        return await asyncio.gather(*(self._ask(address, function, *each) for address, each in asked.items()))

    async def _ask(self, address: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return the answer of a worker, or what was raised there; None if it does not answer in time."""
        within_s = FACTS_S if function is at_host.facts else ANSWER_S
        asking = self.client.run(function, *arguments, workers=[address], on_error="return")
        try:
            return (await asyncio.wait_for(asking, within_s)).get(address)
        except (TimeoutError, KeyError, ValueError):  # it hangs, or has gone
            return None


def _facts(reply: object) -> Facts | str:
    """Return the facts that a host has sent, or why it has none."""
    if isinstance(reply, ImportError):
        return shown(f"levelfield is not installed there, or is another version: {reply}")
    if not isinstance(reply, str):
        return shown(f"it cannot be asked: {reply}")
    try:
        return msgspec.json.decode(reply, type=Facts)
    except NO_ANSWER as error:
        return shown(f"another version of levelfield is there: {error}")


async def _grant(dask_worker: Any) -> None:
    await dask_worker.set_resources(**{RESOURCE: 1})


def _unreachable(error: BaseException) -> Unreachable:
    if isinstance(error, GIVEN_UP):
        return Unreachable("the cluster cannot be reached: its scheduler is gone")
    return Unreachable(f"the cluster cannot be reached: {shown(str(error) or type(error).__name__)}")


@contextmanager
def connected(address: str) -> Iterator[DaskHosts]:
    """Yield the hosts of the cluster at an address, or of workers that are started on this machine for `local:N`.

    Raises `UserError` where Dask is not installed or there is no such cluster.
    """
    wanted = local_workers(address)
    try:
        import dask
        import distributed
    except ImportError as error:
        raise UserError(
            f"--cluster needs Dask, which is not installed: pip install 'levelfield[cluster]' ({error})"
        ) from error
    if not wanted:
        _require_address(address)
    for name in ("distributed", "distributed.client"):  # what matters of it is said in our words
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        if wanted:
            stack.enter_context(dask.config.set(QUIET))
            cluster = distributed.LocalCluster(
                n_workers=wanted,
                threads_per_worker=1,
                memory_limit=0,
                dashboard_address=None,
                preload=UNDISTURBED,
                silence_logs=logging.CRITICAL,
            )
            stack.callback(_quietly, cluster.close)
            address = cluster.scheduler_address
        client = _client(lambda: distributed.Client(address, timeout=CONNECT_S, set_as_default=False), address)
        stack.callback(_quietly, client.close)
        yield DaskHosts(client)


def _require_address(address: str) -> None:
    """Raise `BadChoice` for what is no address: a client of Dask that begins with one takes a minute to go away."""
    from distributed.comm.addressing import parse_address
    from distributed.comm.registry import backends

    scheme, place = parse_address(address)
    if scheme not in backends or not PORT.search(place):
        raise BadChoice(
            "--cluster needs the address of a Dask scheduler, such as tcp://HOST:8786, or local:N; "
            f"got {quoted(address)}"
        )


def _client(connect: Callable[[], Any], address: str) -> Any:
    """Return a client of Dask. Raises `UserError` if there is none in time, also where Dask itself would wait for ever.

    It does so for a program that takes the connection and then closes it.
    """
    found: list[Any] = []

    def attempt() -> None:
        try:
            found.append(connect())
        except (*BROKEN, ValueError) as error:
            found.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(CONNECT_S + 5)
    client = found[0] if found else TimeoutError("it takes the connection, but does not answer as a scheduler")
    if isinstance(client, Exception):
        reason = shown(str(client) or type(client).__name__)
        raise UserError(f"there is no Dask scheduler at {address}: {reason}") from client
    return client


def _quietly(close: Callable[[], object]) -> None:
    """Close a connection; that the other side is gone is no news at the end."""
    try:
        close()
    except BROKEN:
        return


def local_workers(address: str) -> int:
    """Return N of `local:N`; 0 for another address. Raises `BadChoice` for no number from 1 to 64."""
    if not address.startswith(LOCAL):
        return 0
    text = address.removeprefix(LOCAL)
    if not (text.isascii() and text.isdecimal() and len(text) < 4 and 1 <= int(text) <= MOST_LOCAL):
        raise BadChoice(f"--cluster local:N starts N workers, from 1 to {MOST_LOCAL}; got {quoted(address)}")
    return int(text)
