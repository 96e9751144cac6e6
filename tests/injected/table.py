"""Injects every fault so often as it says, and writes results/injected.md after each of them: `nox -s injected`.

With words, only faults that have one of them in their names are injected; the other lines stay.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

from injected.faults import FAULTS
from injected.outcome import Fault, NotHere, Outcome
from injected.place import ROOT, Place

from bench.cli.console import write
from bench.machine.host import this_machine
from bench.records.provenance import commit, utc_now, versions
from bench.report import export, sentences

TRIES = 4  # of each injection: a moment may be missed where a command has ended before
STEM = ROOT / "results" / "injected"
SHOWN = 4  # different sentences


def outcomes(fault: Fault, place: Place, rng: Random) -> Iterator[Outcome]:
    """Inject a fault until it has happened so often as it should, and yield what came of it."""
    count = 0
    for _ in range(TRIES * fault.times):
        if count >= fault.times:
            return
        try:
            found = fault.inject(place, rng)
        except NotHere:
            raise
        except Exception as error:  # one fault that cannot be looked at costs no other
            found = [Outcome("", (f"the injection failed: {error!r}",))]
        for outcome in found:
            count += 1
            yield outcome


def line(fault: Fault, found: Sequence[Outcome], note: str) -> dict[str, str]:
    """Return the line of a fault for the table."""
    saw, lost = Counter(each.saw for each in found), Counter(part for each in found for part in each.lost)
    shown = [f"{text} ({count})" for text, count in saw.most_common(SHOWN)]
    more = [f"and {len(saw) - SHOWN} more"] if len(saw) > SHOWN else []
    return {
        "fault": fault.name,
        "times": str(len(found)),
        "what the user saw": note or "; ".join((*shown, *more)),
        "what was lost": "; ".join(f"{text} ({count})" for text, count in lost.items()) or ("nothing" if found else ""),
    }


def injected(fault: Fault, place: Place, seed: int) -> dict[str, str]:
    """Inject a fault so often as it says; return its line for the table."""
    begun_s, note = time.monotonic(), ""
    found: list[Outcome] = []
    rng = Random(f"{seed} {fault.name}")
    try:
        found.extend(outcomes(fault, place, rng))
    except NotHere as error:
        note = f"not injected: {error}"
    told = line(fault, found, note)
    print(f"{time.monotonic() - begun_s:.0f} s", *told.values(), sep=" | ", flush=True)
    return told


def earlier() -> dict[str, dict[str, str]]:
    """Return the lines of an earlier session, by fault, of those that there still are."""
    path = STEM.with_suffix(".csv")
    lines = list(csv.DictReader(path.read_text().splitlines())) if path.exists() else []
    names = {fault.name for fault in FAULTS}
    return {each["fault"]: each for each in lines if each["fault"] in names}


def main() -> None:
    """Inject the faults whose names have one of the words on the command line; all of them anew without words."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--at-most", type=int, default=1000, help="times of each fault")
    given = parser.parse_args()
    chosen = [fault for fault in FAULTS if not given.words or any(word in fault.name for word in given.words)]
    about = sentences.where(this_machine(), 1, versions(), commit(), utc_now())
    lost = []
    with tempfile.TemporaryDirectory(prefix="levelfield-injected-") as folder:
        for number, fault in enumerate(chosen):
            place = Place(Path(folder) / str(number), Path(folder) / "cache")
            new = injected(replace(fault, times=min(fault.times, given.at_most)), place, given.seed)
            lost.append(new["what was lost"])
            lines = {**(earlier() if given.words or number else {}), fault.name: new}
            ordered = [lines[each.name] for each in FAULTS if each.name in lines]
            write(STEM.with_suffix(".md"), export.listed(ordered, about))
            write(STEM.with_suffix(".csv"), export.tidy(ordered))
    sys.exit(any(each not in ("nothing", "") for each in lost))


if __name__ == "__main__":
    main()
