"""A comparison as JUnit XML, as another program reads it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from run_files import ROW, Bench, a_run
from support import a_parity_result, a_record, a_row

from bench.analysis.changes import Change
from bench.report.junit import as_junit

LIMIT = ("--fail-on", "5%")
WRONG = a_parity_result(ROW, agrees=False, reason="off by 1")
CRASHED = a_record(ROW, 8, status="crashed", reason="killed")
UNSUPPORTED = a_record(ROW, status="unsupported", reason="no")
SLOWER = r"slower: 1\.50 \[.*\] times the time before; 5 % is what counts"
OPEN = r"cannot tell whether it is slower by more than 5 %: 1\.04 \["
# What is otherwise in the second run; the outcome of its test; a part of the message; the outcome with --strict
CASES: dict[str, tuple[dict[str, Any], str | None, str, str | None]] = {
    "the same": ({}, None, "", None),
    "slower": ({"pass_s": 0.15}, "failure", SLOWER, "failure"),
    "faster": ({"pass_s": 0.05}, None, "", None),
    "anything": ({"share": 0.3}, "skipped", OPEN, "failure"),
    "wrong": ({"lines": [WRONG]}, "failure", "wrong: parity: off by 1", "failure"),
    "failed": ({"lines": [CRASHED]}, "error", "missing: crashed: killed", "error"),
    "unsupported": ({"blocks": 0, "lines": [UNSUPPORTED]}, "error", "missing: unsupported: no", "error"),
}


def outcome(path: Path) -> tuple[str | None, str]:
    """Return what became of the only test in a file, and its message."""
    (case,) = ElementTree.parse(path).getroot().iter("testcase")  # noqa: S314 - it is ours
    assert (case.get("classname"), case.get("name")) == ("thermometer_raw", "numpy loop")
    found = [each for each in case if each.tag in ("failure", "error", "skipped")]
    return (found[0].tag, found[0].get("message", "")) if found else (None, "")


@pytest.mark.parametrize("case", CASES)
def test_each_row_is_a_test_whose_outcome_is_that_of_the_exit_code(
    case: str, bench_here: Bench, tmp_path: Path
) -> None:
    changed, tag, message, strict_tag = CASES[case]
    then = a_run(tmp_path / "then.jsonl")
    now = a_run(tmp_path / "now.jsonl", *changed.get("lines", ()), **{k: v for k, v in changed.items() if k != "lines"})
    result = bench_here("compare", then, now, *LIMIT, "--junit", "junit.xml")
    found, said = outcome(tmp_path / "junit.xml")
    assert found == tag
    assert re.search(message, said)
    assert (result.returncode != 0) == (tag in ("failure", "error"))
    strict = bench_here("compare", then, now, *LIMIT, "--strict", "--junit", "strict.xml")
    assert outcome(tmp_path / "strict.xml")[0] == strict_tag
    assert (strict.returncode != 0) == (strict_tag is not None)


def test_without_a_limit_every_row_that_is_slower_fails(bench_here: Bench, tmp_path: Path) -> None:
    then, now = a_run(tmp_path / "then.jsonl"), a_run(tmp_path / "now.jsonl", pass_s=0.15)
    bench_here("compare", then, now, "--junit", "junit.xml")
    assert outcome(tmp_path / "junit.xml")[0] == "failure"


def test_counts_stand_at_the_top(tmp_path: Path) -> None:
    found = [
        Change(row=a_row("line_fit"), kind="missing", reason="gone"),
        Change(row=a_row("line_fit", "jax"), kind="unsupported", reason="then and now: no"),
    ]
    suite = ElementTree.fromstring(as_junit(found, None, 0.05, strict=False, where=""))[0]  # noqa: S314 - it is ours
    assert {name: suite.get(name) for name in ("tests", "errors", "failures", "skipped")} == {
        "tests": "2",
        "errors": "1",
        "failures": "0",
        "skipped": "1",
    }


def test_text_of_a_run_file_is_no_markup_and_no_control_character() -> None:
    evil = 'a\x1b[2J\x00 ]]> <failure message="x"/> & \ud800 "\n'
    found = [Change(row=a_row(evil, evil, evil), kind="wrong", reason=evil)]
    root = ElementTree.fromstring(as_junit(found, None, 0.05, strict=False, where=""))  # noqa: S314 - it is ours
    (failure,) = root.iter("failure")
    assert failure.get("message", "").startswith("wrong: a\\x1b[2J\\x00 ]]> <failure")


@pytest.mark.parametrize("name", ["speed.csv", "speed", "speed.xml.txt"])
def test_a_name_that_promises_something_else_is_refused(bench_here: Bench, tmp_path: Path, name: str) -> None:
    then, now = a_run(tmp_path / "then.jsonl"), a_run(tmp_path / "now.jsonl")
    (tmp_path / name).write_text("mine")
    result = bench_here("compare", then, now, "--junit", name)
    assert result.returncode == 2
    assert f"({name}); use .xml" in result.stderr
    assert (tmp_path / name).read_text() == "mine"


def test_a_run_file_is_not_overwritten(bench_here: Bench, tmp_path: Path) -> None:
    then, now = a_run(tmp_path / "then.jsonl"), a_run(tmp_path / "now.jsonl")
    before = (tmp_path / "now.jsonl").read_bytes()
    result = bench_here("compare", then, now, "--junit", "now.jsonl")
    assert result.returncode == 2
    assert "would be overwritten" in result.stderr
    assert (tmp_path / "now.jsonl").read_bytes() == before
