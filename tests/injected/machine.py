"""Faults of the machine: its clock is set back, its memory shrinks, it is suspended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from random import Random

from injected.outcome import Fault, NotHere, Outcome, around, content, failed, missing, sentence
from injected.parent import RUN, replace_workers
from injected.place import HERE, ROOT, Command, Place

from bench.analysis.summary import summarise
from bench.records.runfile import Run

ROWS = ("numpy loop", "injected right")  # the same code
ROUNDS = 3
LIMIT = 2.5  # a ratio beyond it would say that a disturbed turn counts: it is twenty times as long as others


def altered(what: str, told: str) -> Callable[[Place, Random], Sequence[Outcome]]:
    """Return what lets a run see another machine after some seconds, see altered/sitecustomize.py."""

    def inject(place: Place, rng: Random) -> Sequence[Outcome]:
        path = f"{ROOT}:{HERE / 'plugin'}:{HERE / 'altered'}"
        return [measured(place, told, PYTHONPATH=path, INJECTED_ALTER=what, INJECTED_BEGUN_S=str(time.monotonic()))]

    return inject


def measured(place: Place, told: str, **environment: str) -> Outcome:
    """Run some rounds to their end, whose times must be those of a usual machine."""
    place.run_file.unlink(missing_ok=True)
    before_s = time.monotonic()
    command = place.run(*replace_workers(RUN, ROUNDS), **environment)
    return judged(place, command, told, time.monotonic() - before_s)


def judged(place: Place, command: Command, told: str, took_s: float) -> Outcome:
    """Return whether all samples of a run that has ended are there, and none of their times is wrong."""
    run = content(place.run_file)
    assert run is not None
    said = "; ".join(dict.fromkeys(sentence(line) for line in command.printed if "noise in" in line))
    seen = f"{told}; noise is told" if said else told
    return Outcome(
        seen, (*failed(command), *wrong_times(run, took_s), *missing(run, ROWS, ROUNDS), *around(place, command))
    )


def wrong_times(run: Run, took_s: float) -> tuple[str, ...]:
    """Return ratios of rows with the same code that are far from 1, and times longer than the whole run."""
    passes_s = {str(each.row): each.pass_s for each in summarise((run,))}
    shortest_s = min(passes_s.values())
    far = [f"a pass of {row}: {pass_s} s" for row, pass_s in passes_s.items() if not pass_s < LIMIT * shortest_s]
    walls_s = [record.timing.wall_s for record in run.records if record.timing]
    return (*far, *(f"a wall time of {wall_s} s" for wall_s in walls_s if not 0 < wall_s < took_s))


def suspended(place: Place, rng: Random) -> Sequence[Outcome]:
    """Stop the command and its workers for two seconds in the middle of a round."""
    place.run_file.unlink(missing_ok=True)
    before_s = time.monotonic()
    command = place.start(*replace_workers(RUN, ROUNDS))
    if not command.wait_for("[round"):
        raise NotHere(f"the run ended before its rounds: {command.text}")
    time.sleep(rng.uniform(0.5, 6.0))
    running = [each for each in place.processes() if each.status() != "stopped"]  # workers wait for their turn stopped
    for each in running:
        each.suspend()
    time.sleep(2.0)
    for each in running:
        each.resume()
    command.wait()
    return [judged(place, command, "the disturbed turn does not count", time.monotonic() - before_s)]


FAULTS = (
    Fault("the clock is set back by an hour while running", 3, altered("clock", "nothing")),
    Fault("memory shrinks to 128 MiB while running", 3, altered("memory", "nothing: rows run one after the other")),
    Fault("suspend for two seconds in a round", 3, suspended),
)
