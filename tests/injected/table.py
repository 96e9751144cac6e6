"""Injects every fault so often as it says, and writes results/injected.md after each of them: `nox -s injected`."""

from __future__ import annotations

import argparse
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


def main() -> None:
    """Inject the faults whose names have the words on the command line, all without words."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--times", type=int, help="inject each fault so often, for a try; writes no table")
    given = parser.parse_args()
    chosen = [replace(fault, times=given.times or fault.times) for fault in FAULTS]
    chosen = [fault for fault in chosen if not given.words or any(word in fault.name for word in given.words)]
    about = f"Seed {given.seed}; {sentences.where(this_machine(), 1, versions(), commit(), utc_now())}"
    lines: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory(prefix="levelfield-injected-") as folder:
        for number, fault in enumerate(chosen):
            begun_s = time.monotonic()
            place = Place(Path(folder) / str(number), Path(folder) / "cache")
            rng = Random(f"{given.seed} {fault.name}")  # noqa: S311 - moments, no secrets
            found: list[Outcome] = []
            note = ""
            try:
                found.extend(outcomes(fault, place, rng))
            except NotHere as error:
                note = f"not injected: {error}"
            lines.append(line(fault, found, note))
            print(f"{time.monotonic() - begun_s:.0f} s", *lines[-1].values(), sep=" | ", flush=True)
            if not given.words and not given.times:
                write(ROOT / "results" / "injected.md", export.listed(lines, about))
    lost = [each for each in lines if each["what was lost"] not in ("nothing", "")]
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
