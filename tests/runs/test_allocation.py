"""A run in a job of a scheduler that ends: it is refused, shortened, or ended in order, always with a reason."""

from __future__ import annotations

import time
from typing import Any

import pytest
from support import a_row

from bench.errors import UserError
from bench.records.schema import Goal
from bench.runs import allocation, session
from bench.runs.allocation import MARGIN_S, AllocationEnds, ending_in_time, left_s, within
from bench.runs.plan import Plan


def plan(time_s: float = 600.0, workers: int | None = None) -> Plan:
    goal = Goal(workers=workers, effect=0.05, time_s=time_s)
    return Plan(rows=(a_row("linear_fit"),), threads=1, settings={}, goal=goal, seed=0)


def test_the_end_of_a_job_is_what_slurm_says() -> None:
    assert left_s({"SLURM_JOB_END_TIME": "1300"}, 1000.0) == 300.0
    assert left_s({"SLURM_JOB_END_TIME": "900"}, 1000.0) == -100.0
    for text in ("", "soon", "-1", "١٢"):
        assert left_s({"SLURM_JOB_END_TIME": text}, 1000.0) is None
    assert left_s({}, 1000.0) is None


def test_a_run_that_fits_is_left_as_it_is() -> None:
    for left in (None, 660.0, 1e6):
        assert within(plan(), left) == (plan(), "")
    assert within(plan(workers=3), 200.0) == (
        plan(workers=3),
        "",
    )  # as many processes as were asked for, or an early end


def test_a_run_that_does_not_fit_is_shortened_and_says_so() -> None:
    shorter, told = within(plan(), 400.0)
    assert shorter.goal.time_s == 400.0 - MARGIN_S
    assert told == (
        "sampling is limited to 6 min instead of 10, because the job that this runs in ends in 7 min "
        "(SLURM_JOB_END_TIME)"
    )


@pytest.mark.parametrize("left", [179.0, 0.0, -5.0])
def test_a_run_that_could_come_to_nothing_is_refused(left: float) -> None:
    with pytest.raises(UserError, match=rf"ends in {max(0, left):.0f} s \(SLURM_JOB_END_TIME\), and a run needs 180 s"):
        within(plan(), left)


def test_a_run_is_interrupted_before_its_job_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AllocationEnds, match="ends in 60 s"), ending_in_time(MARGIN_S + 0.05):
        time.sleep(5)
    with ending_in_time(MARGIN_S + 0.05):
        pass
    time.sleep(0.1)  # the alarm was taken back
    with ending_in_time(None):
        pass


def test_what_a_run_has_is_kept_when_its_job_ends(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def measures(*_: Any) -> None:
        time.sleep(5)

    monkeypatch.setattr(session, "run_plan", measures)
    monkeypatch.setattr(session, "seconds_left", lambda _: MARGIN_S + 0.2)
    monkeypatch.setattr(allocation, "SHORTEST_S", 0.0)
    begun = session.begin(tmp_path / "r.jsonl", plan(), session.make_setup(1, 60.0, None), "bench run")
    assert "sampling is limited to 0 min instead of 10" in begun.remark
    finished = session.carry_out(begun, None)  # type: ignore[arg-type]
    assert finished.interrupted
    assert finished.why == "ended, because the job that this runs in ends in 60 s (SLURM_JOB_END_TIME)"
