"""Two versions of a backend in one run, by times that are made up."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from support import a_header, a_parity_result, a_record, a_row, write_run

from bench.analysis.changes import rounds_to_tell
from bench.analysis.versions import version_change
from bench.records.runfile import Run, read_run
from bench.records.schema import Goal

OLD, NEW = (a_row("iris_mlp", f"torch@{which}", "eager") for which in ("old", "new"))
GOAL = Goal(workers=None, effect=0.02, time_s=300)


def a_run(folder: Path, slower: float, *, noise: float = 0.001, right: bool = True) -> Run:
    """Return a run in which the machine gets twice as slow, and the new version takes `slower` times as long."""
    rng = np.random.default_rng(3)
    records = []
    for number in range(12):
        machine = 1 + number / 11
        for row, factor in ((OLD, 1.0), (NEW, slower)):
            records.append(a_record(row, number, 1.0, 0.1 * machine * factor * math.exp(noise * rng.standard_normal())))
    verdicts = [a_parity_result(OLD), a_parity_result(NEW, agrees=right, reason="" if right else "loss 2 at step 7")]
    return read_run(write_run(folder / "ab.jsonl", a_header(OLD, NEW, goal=GOAL), [*verdicts, *records]))


@pytest.mark.parametrize(("slower", "kind"), [(1.03, "slower"), (0.97, "faster"), (1.0, "equivalent")])
def test_what_the_machine_does_to_both_cancels(slower: float, kind: str, tmp_path: Path) -> None:
    found = version_change(a_run(tmp_path, slower), OLD, NEW)
    assert (found.row, found.kind) == (NEW, kind)
    assert found.ratio == pytest.approx(slower, abs=0.002)
    assert found.now_s / found.then_s == pytest.approx(found.ratio)
    assert found.interval is not None
    assert found.interval.low <= slower <= found.interval.high


def test_a_run_that_cannot_tell_says_how_many_rounds_would(tmp_path: Path) -> None:
    found = version_change(a_run(tmp_path, 1.03, noise=0.1), OLD, NEW)
    assert found.kind == "inconclusive"
    assert found.found is not None
    assert rounds_to_tell(found.found, 0.02) > 12


def test_a_version_that_is_wrong_has_no_time(tmp_path: Path) -> None:
    found = version_change(a_run(tmp_path, 0.5, right=False), OLD, NEW)
    assert (found.kind, found.ratio) == ("wrong", None)
    assert "loss 2 at step 7" in found.reason
