"""The result table in words and units."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_runs import FAST, SLOW, mixed_run, right, run_of, table_of
from support import VANISHED, a_parity_result, a_record

from bench.analysis.frame import process_frame
from bench.records.runfile import Run


@pytest.fixture
def mixed(tmp_path: Path) -> Run:
    return mixed_run(tmp_path)


def test_the_most_memory_of_any_process_counts(tmp_path: Path) -> None:
    memory = [(3_000_000, 1_500_000), (9_000_000, 7_000_000), (5_000_000, 1_000_000)]
    records = [
        a_record(FAST, block, timing={"peak_memory_bytes": host, "peak_device_memory_bytes": device})
        for block, (host, device) in enumerate(memory)
    ]
    table = table_of(run_of(tmp_path, records))
    assert (table["memory"][0], table["device memory"][0]) == ("9 MB", "7 MB")


def test_rows_are_ranked_where_all_of_them_agree(tmp_path: Path) -> None:
    table = table_of(run_of(tmp_path, right({SLOW: {0: 0.5}, FAST: {0: 0.25}})))
    assert list(table["× fastest"]) == ["1.00", "2.00 [1.47, 2.72]"]
    assert list(table["agrees"]) == ["yes", "yes"]
    assert list(table["note"]) == ["", ""]


def test_a_row_of_which_a_sample_failed_is_not_ranked(tmp_path: Path) -> None:
    lines = [
        a_record(FAST, 0, 1.0, 0.25),
        a_record(FAST, 1, status="crashed", reason="was killed"),
        *right({SLOW: {0: 0.5, 1: 0.5}}),
        a_parity_result(FAST),
    ]
    table = table_of(run_of(tmp_path, lines))
    assert list(table["backend"]) == ["slow", "fast"]
    assert list(table["× fastest"]) == ["1.00", ""]
    assert list(table["note"]) == ["", "crashed: was killed"]


def test_a_row_with_a_flag_that_is_not_unfair_is_ranked_and_the_flag_is_told(tmp_path: Path) -> None:
    lines = [a_record(FAST, 0, 1.0, 0.25, timing={"steady": VANISHED}), *right({SLOW: {0: 0.5}}), a_parity_result(FAST)]
    run = run_of(tmp_path, lines)
    assert list(process_frame([run])["fair"]) == [True, True]
    table = table_of(run)
    assert list(table["× fastest"]) == ["1.00", "2.00 [1.47, 2.72]"]
    assert "short-lived threads used 50% of its CPU time" in table["note"][0]
    assert table["note"][1] == ""


def test_a_person_is_shown_the_ratio_to_the_baseline(tmp_path: Path) -> None:
    run = run_of(tmp_path, right({FAST: {0: 0.25}, SLOW: {0: 0.5}}))
    assert list(table_of(run, baseline="slow")["× baseline"]) == ["0.50 [0.37, 0.68]", "1.00"]


def test_a_person_is_told_why_a_row_is_not_ranked(mixed: Run) -> None:
    table = table_of(mixed).set_index("backend")
    assert table.loc["wrong", "agrees"] == "NO"
    assert table.loc["wrong", "note"] == "parity: loss 2 at step 7"
    assert table.loc["gone", "note"] == "unsupported: pip install gone"
    assert table.loc["fast", "note"] == ""
    assert table.loc["slow", "× fastest"] == "3.00 [3.00, 3.00]"
    assert table.loc["slow", "95 %"] != ""
    assert table.loc["wrong", "95 %"] != ""
    assert table.loc["slow", "rounds"] == "2"


def test_a_person_is_shown_intervals_from_two_rounds_on(tmp_path: Path) -> None:
    times = {FAST: dict.fromkeys(range(2), 0.1), SLOW: {0: 0.25, 1: 0.251}}
    table = table_of(run_of(tmp_path, right(times))).set_index("backend")
    assert table.loc["fast", ["95 %", "× fastest", "verdict"]].tolist() == ["100 ms – 100 ms", "1.00", "fastest"]
    assert table.loc["slow", ["95 %", "× fastest"]].tolist() == ["240 ms – 261 ms", "2.50 [2.40, 2.61]"]
    assert table.loc["slow", "verdict"] == "slower"
    one = table_of(run_of(tmp_path, right({row: {0: each[0]} for row, each in times.items()}))).set_index("backend")
    assert one.loc["slow", ["95 %", "× fastest", "verdict"]].tolist() == ["", "2.50 [1.84, 3.40]", "slower"]


def test_a_person_is_shown_what_it_cost(tmp_path: Path) -> None:
    records = [a_record(FAST, 0, 1.0, 0.25, timing={"flops_per_pass": 10**9, "product_flops_per_s": 8e9})]
    (line,) = table_of(run_of(tmp_path, records)).to_dict("records")
    assert {name: line[name] for name in ("GFLOP/s", "of bound", "cores", "first call", "import", "95 %")} == {
        "GFLOP/s": "4",
        "of bound": "50.0%",
        "cores": "2.00",
        "first call": "750 ms",
        "import": "1 s",
        "95 %": "",
    }
    assert (line["rows/s"], line["memory"], line["device memory"]) == ("12,800", "5 MB", "")
