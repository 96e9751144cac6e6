"""Faults that a run must survive, each injected once; `nox -s injected` injects each many times."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from injected.faults import FAULTS
from injected.outcome import Fault, NotHere, Outcome, doubled, kept, missing
from injected.place import MARK, Place
from injected.table import line, outcomes
from support import a_header, a_record, a_row, write_run

from bench.harness.scratch import pytorch_folder
from bench.records.runfile import read_run

ROW = a_row("linear_fit")


@pytest.mark.parametrize(
    "fault",
    [pytest.param(fault, marks=() if fault.cheap else pytest.mark.exhaustive, id=fault.name) for fault in FAULTS],
)
def test_a_fault_costs_nothing_that_was_finished_and_leaves_nothing_behind(fault: Fault, tmp_path: Path) -> None:
    place, rng = Place(tmp_path / "place", tmp_path / "cache"), Random(fault.name)
    try:
        found = list(outcomes(replace(fault, times=1), place, rng))
    except NotHere as error:
        pytest.skip(str(error))
    assert found
    assert [lost for outcome in found for lost in outcome.lost] == []


def test_each_fault_has_a_name_of_its_own() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


# That a loss would be seen


def test_a_sample_that_is_gone_or_there_twice_is_seen(tmp_path: Path) -> None:
    first, second = a_record(ROW, 0), a_record(ROW, 1)
    before = read_run(write_run(tmp_path / "before.jsonl", a_header(ROW), [first, second]))
    other = a_record(ROW, 1, 99.0, 0.1)
    after = read_run(write_run(tmp_path / "after.jsonl", a_header(ROW), [second, other]))
    assert kept(before, before) == ()
    assert len(kept(before, after)) == 2
    assert doubled(after) == (f"doubled: {ROW}, round 2",)
    assert missing(before, ["numpy loop"], 2) == ()
    assert missing(before, ["numpy loop", "torch eager"], 3) == (
        "missing: numpy loop: 2 of 3 samples",
        "missing: torch eager: 0 of 3 samples",
    )


def test_a_process_that_is_left_is_seen_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("injected.place.GRACE_S", 0.0)
    place = Place(tmp_path / "place", tmp_path / "cache")
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env={MARK: place.mark})
    (left,) = place.left_running()
    assert left.startswith("left running: python")
    assert process.wait() < 0
    assert place.left_running() == ()
    assert place.left_lying() == ()
    (place.temporary / "something").mkdir()
    (place.temporary / pytorch_folder()).mkdir()
    assert place.left_lying() == ("left: something",)


def test_an_injection_that_fails_is_no_injection_without_a_loss(tmp_path: Path) -> None:
    def fail(place: Place, rng: Random) -> list[Outcome]:
        raise ZeroDivisionError

    fault = Fault("fails", 1, fail)
    found = list(outcomes(fault, Place(tmp_path / "place", tmp_path / "cache"), Random(0)))
    assert line(fault, found, "")["what was lost"] == "the injection failed: ZeroDivisionError() (1)"
    assert line(fault, [Outcome("told"), Outcome("told")], "") == {
        "fault": "fails", "times": "2", "what the user saw": "told (2)", "what was lost": "nothing"
    }  # fmt: skip
