"""`bench compare`, in this process: what became of each row, and the exit code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from run_files import ROW, Bench, a_run
from support import a_machine, a_parity_result, a_record, a_row

from bench.records.schema import Goal, Record


@pytest.fixture
def compare(bench_here: Bench) -> Bench:
    return lambda *arguments: bench_here("compare", *arguments)


OTHER = a_row("thermometer_raw", "jax", "scan")


AS_BEFORE: list[Record] = [a_record(OTHER, block, 1.0, 0.1 + 1e-5 * block) for block in range(8)]


# What is otherwise; the change; exit codes: alone, with --fail-on 5%, and with --strict too
CASES: dict[str, tuple[dict[str, Any], str, tuple[int, int, int]]] = {
    "the same": ({}, "equivalent", (0, 0, 0)),
    "slower": ({"pass_s": 0.15}, "slower", (0, 4, 4)),
    "slower by less than the limit": ({"pass_s": 0.103}, "equivalent", (0, 0, 0)),
    "faster": ({"pass_s": 0.05}, "faster", (0, 0, 0)),
    "anything": ({"share": 0.3}, "inconclusive", (0, 0, 5)),
    "one round": ({"blocks": 1}, "too few rounds", (0, 0, 5)),
    "wrong": ({"lines": [a_parity_result(ROW, agrees=False, reason="off by 1")]}, "wrong", (3, 3, 3)),
    "failed": ({"lines": [a_record(ROW, 8, status="crashed", reason="killed")]}, "missing", (5, 5, 5)),
    "gone": ({"blocks": 0, "rows": ()}, "missing", (5, 5, 5)),
    "one more": ({"lines": [*AS_BEFORE, a_parity_result(OTHER)], "rows": (ROW, OTHER)}, "new", (0, 0, 0)),
}


@pytest.mark.parametrize("case", CASES)
def test_what_became_of_a_row_is_told_and_the_exit_code_says_the_worst(
    case: str, compare: Bench, tmp_path: Path
) -> None:
    changes, kind, codes = CASES[case]
    then = a_run(tmp_path / "then.jsonl")
    now = a_run(tmp_path / "now.jsonl", *changes.get("lines", ()), **{k: v for k, v in changes.items() if k != "lines"})
    for options, code in zip(((), ("--fail-on", "5%"), ("--fail-on", "5%", "--strict")), codes, strict=True):
        result = compare(then, now, *options)
        assert result.returncode == code, result.stdout + result.stderr
        assert f"1 {kind}" in result.stdout


def test_the_same_run_twice_is_identical(compare: Bench, tmp_path: Path) -> None:
    run = a_run(tmp_path / "run.jsonl", share=0.5)
    result = compare(run, run, "--fail-on", "1%", "--strict")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 identical" in result.stdout
    assert result.stderr == ""


def test_what_cannot_be_told_is_a_warning_with_the_rounds_that_would_tell(compare: Bench, tmp_path: Path) -> None:
    then, now = a_run(tmp_path / "then.jsonl"), a_run(tmp_path / "now.jsonl", share=0.3)
    result = compare(then, now, "--fail-on", "30%")
    assert result.returncode == 0
    sentence = r"warning: (.*): cannot tell whether it is slower by more than 30 %: .*; about (\d+) rounds in each run"
    found = re.search(sentence, result.stderr)
    assert found is not None, result.stderr
    assert found[1] == str(ROW)
    assert int(found[2]) > 8


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_goals_the_larger_is_used_and_said(turned: bool, compare: Bench, tmp_path: Path) -> None:
    goals = [Goal(workers=None, effect=effect, time_s=60.0) for effect in ((0.1, 0.02) if turned else (0.02, 0.1))]
    then, now = (a_run(tmp_path / f"{name}.jsonl", goal=goal) for name, goal in zip("ab", goals, strict=True))
    result = compare(then, now)
    assert "the goals of the two runs differ (2 % and 10 %); the larger is used here" in result.stdout
    assert "below 10 % counts as equal" in result.stdout
    assert "goals" not in compare(then, then).stdout


def test_a_wrong_row_is_worse_than_a_slow_one(compare: Bench, tmp_path: Path) -> None:
    good = [*AS_BEFORE, a_parity_result(OTHER)]
    then = a_run(tmp_path / "then.jsonl", *good, rows=(ROW, OTHER))
    wrong = [*AS_BEFORE, a_parity_result(OTHER, agrees=False, reason="off by 1")]
    now = a_run(tmp_path / "now.jsonl", *wrong, rows=(ROW, OTHER), pass_s=0.2)
    result = compare(then, now, "--fail-on", "5%")
    assert result.returncode == 3
    assert "1 slower, 1 wrong" in result.stdout


def test_the_limit_is_the_size_of_a_change_that_counts(compare: Bench, tmp_path: Path) -> None:
    then, now = a_run(tmp_path / "then.jsonl"), a_run(tmp_path / "now.jsonl", pass_s=0.103)
    assert compare(then, now, "--fail-on", "5%").returncode == 0
    strict = compare(then, now, "--fail-on", "1%")
    assert strict.returncode == 4
    assert "; below 1 % counts as equal" in strict.stdout


@pytest.mark.parametrize("limit", ["much", "0", "-5%", ""])
def test_a_limit_that_is_none_is_refused(limit: str, compare: Bench, tmp_path: Path) -> None:
    then = a_run(tmp_path / "then.jsonl")
    result = compare(then, then, f"--fail-on={limit}")
    assert result.returncode == 2
    assert f"error: --fail-on wants a percentage above 0, such as 5%; got {limit!r}" in result.stderr


DIFFERENT: dict[str, tuple[dict[str, Any], str]] = {
    "machine": ({"machine": a_machine(cpu="another CPU")}, "processor: a CPU then, another CPU now"),
    "versions": ({"versions": {"numpy": "3.0"}}, "numpy: not installed then, 3.0 now"),
    "settings": ({"tasks": {ROW.task: {"epochs": 7}}}, "thermometer_raw epochs: 5 then, 7 now"),
}


@pytest.mark.parametrize("kind", DIFFERENT)
def test_runs_that_differ_are_compared_only_where_that_is_allowed(kind: str, compare: Bench, tmp_path: Path) -> None:
    changes, fact = DIFFERENT[kind]
    then = a_run(tmp_path / "then.jsonl", tasks={ROW.task: {"epochs": 5}})
    now = a_run(tmp_path / "now.jsonl", **{"tasks": {ROW.task: {"epochs": 5}}, **changes})
    refused = compare(then, now)
    assert refused.returncode == 5
    assert refused.stdout == ""
    assert refused.stderr == (
        f"error: {now} cannot be compared with {then}. {fact}. To compare anyway: --allow {kind}\n"
    )
    others = [word for other in DIFFERENT if other != kind for word in ("--allow", other)]
    assert compare(then, now, *others).returncode == 5
    allowed = compare(then, now, "--allow", kind)
    assert allowed.returncode == 0, allowed.stderr
    assert f"differs: {fact}" in allowed.stdout


def test_other_code_is_what_runs_are_compared_for_and_told(compare: Bench, tmp_path: Path) -> None:
    then, now = (a_run(tmp_path / f"{commit}.jsonl", commit=commit) for commit in ("abc", "def"))
    result = compare(then, now)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "differs: commit: abc then, def now" in result.stdout


def test_a_machine_that_may_have_changed_is_told_of_and_nothing_is_divided_by_it(
    compare: Bench, tmp_path: Path
) -> None:
    then, now = a_run(tmp_path / "then.jsonl"), a_run(tmp_path / "now.jsonl", loop_s=1e-3, pass_s=0.05)
    result = compare(then, now)
    assert "the calibration loop takes 0.500 times as long now" in result.stdout
    assert "1 faster" in result.stdout


def test_another_build_of_the_kernel_is_no_other_machine(compare: Bench, tmp_path: Path) -> None:
    then, now = (
        a_run(tmp_path / f"{build}.jsonl", machine=a_machine(system=f"Linux 6.18.44-fc-{build}, Python 3.11.7"))
        for build in ("v595", "v596")
    )
    assert compare(then, now).returncode == 0
