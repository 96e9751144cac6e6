"""`--quiet` and `--json`: the answers and nothing else, or one JSON object and nothing else on the standard output."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from made_up_runs import FAST, SLOW, WRONG, run_of
from run_files import Bench
from support import a_parity_result, a_record

from bench.analysis.frame import summary_frame
from bench.analysis.summary import summarise
from bench.cli import telling
from bench.report.export import render
from bench.runs.session import FinishedRun

SHORT = ("--backend", "numpy", "--quick", "--no-inference")


def test_json_is_one_object_on_the_standard_output_and_progress_goes_on(run_here: Bench) -> None:
    result = run_here("run", "thermometer_raw", *SHORT, "--json", "--out", "run.jsonl")
    found = json.loads(result.stdout)
    assert found["run_file"] == "run.jsonl"
    assert found["exit_code"] == result.returncode
    assert [row["backend"] for row in found["rows"]] == ["numpy"]
    assert {each["task"] for each in found["answers"]} <= {"thermometer_raw"}  # none if the machine was disturbed
    assert "[round 1 of 1 1/3] thermometer_raw numpy loop cpu float32 #1: ok" in result.stderr
    table = run_here("table", "run.jsonl", "--format", "json")
    assert json.loads(table.stdout) == found["rows"]


def test_quiet_prints_the_answers_and_where_the_run_is(run_here: Bench) -> None:
    result = run_here("run", "thermometer_raw", *SHORT, "--quiet", "--out", "run.jsonl")
    assert result.stderr == ""
    answer, path = result.stdout.splitlines()
    assert answer.startswith("thermometer_raw: ")
    assert "numpy loop" in answer
    assert path == "run file: run.jsonl"
    again = run_here("run", "thermometer_raw", *SHORT, "--quiet", "--out", "run.jsonl")
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr.startswith("error: run.jsonl exists already")


@pytest.mark.parametrize(("interrupted", "code"), [(False, 3), (True, 130)])
def test_the_object_has_the_exit_code_and_every_row(
    interrupted: bool, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one_step = {"timing": {"steps_per_pass": 1}}
    records = [a_record(row, 0, 1.0, pass_s, **one_step) for row, pass_s in ((FAST, 0.1), (SLOW, 0.3), (WRONG, 0.01))]
    verdicts = [a_parity_result(FAST), a_parity_result(SLOW), a_parity_result(WRONG, agrees=False, reason="loss 2")]
    run = run_of(tmp_path, [*records, *verdicts])
    finished = FinishedRun(run=run, interrupted=interrupted)
    assert telling.print_outcome(finished, "slow", {"table": "t.csv"}, sys.stdout) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (found["run_file"], found["exit_code"], found["table"]) == (str(run.path), code, "t.csv")
    assert {row["backend"] for row in found["rows"]} == {each.backend for each in (FAST, SLOW, WRONG)}
    assert found["rows"] == json.loads(render(summary_frame(summarise([run], "slow")), "json"))
    (answer,) = found["answers"]
    assert answer["one_training"]["backend"] == "fast"


def test_what_is_not_ranked_is_among_the_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = [a_record(FAST, 0, 1.0, 0.1), a_record(WRONG, 0, 1.0, 0.01)]
    verdicts = [a_parity_result(FAST), a_parity_result(WRONG, agrees=False, reason="loss 2")]
    assert telling.show_answers((run_of(tmp_path, [*records, *verdicts]),))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("linear_fit: fast x is the only row that is ranked, 100 ms a pass. ")
    assert line.endswith("Not ranked: wrong x (wrong)")


def test_what_is_printed_beside_the_object_goes_to_the_standard_error_stream(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with telling.apart(wanted=True) as output:
        print("a table")
        print("{}", file=output)
    with telling.apart(wanted=False) as output:
        print("a table", file=output)
    assert capsys.readouterr() == ("{}\na table\n", "a table\n")
