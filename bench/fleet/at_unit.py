"""The process of a unit on its host: an ordinary run, in a folder that the host's process reads.

It gets its order on the standard input. When that is closed, nobody waits for the run any more: it ends as after
Ctrl-C.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from bench.errors import UserError
from bench.events import Bar, RowSoFar, RunListener
from bench.fleet.facts import host_name
from bench.fleet.news import Doing, Outcome
from bench.fleet.units import Order, encoded
from bench.harness.availability import fetch_data
from bench.harness.setup import make_setup
from bench.records.runfile import Run, read_run
from bench.report.progress_bar import QuietBar
from bench.runs.alone import AnotherRun, require_alone
from bench.runs.selection import require_row
from bench.runs.session import BegunRun, begin, carry_out, resume

RUN_FILE, DOING, OUTCOME, PRINTED = "run.jsonl", "doing.json", "outcome.json", "printed.txt"
TURN_S = 0.5  # between two looks whether another run on this machine has ended


class Telling:
    """Writes what the run does to a file, between what is timed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.doing = Doing()
        self.lock = threading.Lock()  # parity has several jobs at a time

    def tell(self, *, ended: int = 0, **changes: object) -> None:
        """Write what has changed, and that so many jobs more have ended."""
        with self.lock:
            changed = msgspec.structs.replace(self.doing, **changes)
            self.doing = msgspec.structs.replace(changed, done=changed.done + ended)
            put(self.path, encoded(self.doing))

    def stage(self, label: str, total: int, left_s: float | None = None) -> None:
        """Tell that a stage begins."""
        self.tell(stage=label, job="", done=0, total=total, left_s=left_s)

    def begins(self, label: str) -> None:
        """Tell which job begins."""
        self.tell(job=label)

    def ended(self, label: str, outcome: str) -> None:
        """Tell that a job has ended."""
        self.tell(ended=1, job="")

    def rows(self, found: Sequence[RowSoFar]) -> None:
        """Leave it to the lines of the run file."""

    @contextmanager
    def bar(self, label: str) -> Iterator[Bar]:
        """Tell what is fetched."""
        self.tell(job=f"fetching {label}")
        yield QuietBar()


def put(path: Path, text: str) -> None:
    """Write a file so that whoever reads it finds all of the text, or what was there before."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


def measured(order: Order, path: Path, telling: Telling) -> Outcome:
    """Carry out an order, and write its run file; return how that ended."""
    try:
        while True:
            try:
                require_alone()
                return _once(order, path, telling)
            except AnotherRun as busy:  # of another worker of Dask on this machine, or of somebody else: take turns
                telling.stage(str(busy), 0)
                path.unlink(missing_ok=True)
                time.sleep(TURN_S)
    except UserError as error:
        return Outcome(ended="refused", reason=str(error))
    except KeyboardInterrupt:
        return Outcome(ended="left", reason="it was ended before it began")


def _once(order: Order, path: Path, telling: Telling) -> Outcome:
    manner = order.manner
    for row in order.unit.rows:
        require_row(row)
    data_dir = Path(manner.data_dir) if manner.data_dir else None
    setup = make_setup(manner.threads, manner.time_limit_s, data_dir)
    telling.stage("data", 0)
    if lost := fetch_data({order.unit.task}, setup, telling):
        return Outcome(ended="refused", reason="; ".join(lost.values()))
    if order.begun:
        path.write_text(order.begun)
        begun = resume(read_run(path), manner.threads, None, manner.time_limit_s, data_dir)
    else:
        plan, host = order.plan(setup.threads), host_name(os.environ)
        begun = begin(path, plan, setup, manner.command, host=host, instead_of=order.instead_of)
    return _ended(begun, telling)


def _ended(begun: BegunRun, listener: Telling) -> Outcome:
    listener.tell(remark=begun.remark)
    telling: RunListener = listener
    finished = carry_out(begun, telling)
    if not finished.interrupted:
        return Outcome(ended="whole", reason=begun.remark)
    if finished.why and has_every_row(finished.run):
        return Outcome(ended="whole", reason=finished.why)
    return Outcome(ended="late" if finished.why else "left", reason=finished.why or "it was ended from outside")


def has_every_row(run: Run) -> bool:
    """Return whether each row of a run has been in a round, or is known not to run here."""
    return set(run.header.rows) <= {record.job.row for record in run.last_records}


def main(folder: Path) -> None:
    """Carry out the order on the standard input; leave run file and outcome in a folder."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    order = msgspec.json.decode(sys.stdin.readline(), type=Order)
    threading.Thread(target=_end_with_input, daemon=True).start()
    outcome = measured(order, folder / RUN_FILE, Telling(folder / DOING))
    put(folder / OUTCOME, encoded(outcome))


def _end_with_input() -> None:
    """Interrupt the run when nobody waits for it any more."""
    with suppress(OSError):
        while os.read(0, 4096):
            pass
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
